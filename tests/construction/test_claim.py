"""A folder is for one build."""

from pathlib import Path

import pytest

from hf_mlm.construction.claim import claim


def test_a_folder_is_for_one_build(tmp_path: Path) -> None:
    path = tmp_path / "build.json"
    claim(path, {"tasks": 2, "edition": {"seed": 0}})
    written = path.read_bytes()
    claim(path, {"tasks": 2, "edition": {"seed": 0}})
    assert path.read_bytes() == written
    with pytest.raises(ValueError, match=r"another edition, dump \(see build.json\); give an empty folder"):
        claim(path, {"tasks": 2, "edition": {"seed": 1}, "dump": "a"})
    path.write_text("{half")
    with pytest.raises(ValueError, match="another tasks"):
        claim(path, {"tasks": 2})
