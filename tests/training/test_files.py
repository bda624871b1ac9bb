from __future__ import annotations

from pathlib import Path

import pytest

from hf_mlm.training.files import write_text


def test_a_file_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "new" / "notes.txt"
    write_text("Köln", target)
    assert target.read_text(encoding="utf-8") == "Köln"

    def full(self: Path, *_: object, **__: object) -> None:
        self.touch()
        raise OSError("no room")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="no room"):
        write_text("other", target)
    assert [path.name for path in target.parent.iterdir()] == ["notes.txt"]
    assert target.read_text(encoding="utf-8") == "Köln"


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="is a folder; name a file to write"):
        write_text("text", tmp_path)
    assert list(tmp_path.iterdir()) == []
