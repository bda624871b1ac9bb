from __future__ import annotations

from pathlib import Path

import pytest

from hf_mlm.app.opening import GalleryRows
from hf_mlm.cli import main


pytest.importorskip("gradio", reason="no gradio: pip install 'hf-mlm[app]'")

from hf_mlm.app import page  # noqa: E402


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a"], (["a"], None, None, None, False, False)),
        (
            ["a", "b", "--gallery", "same", "--split", "train", "--option", "size=9", "--port", "8000"],
            (["a", "b"], GalleryRows("same", "train", {"size": 9}), None, 8000, False, False),
        ),
        (["a", "--gallery", "{folder}", "--host", "0.0.0.0"], (["a"], "{folder}", "0.0.0.0", None, False, False)),
        (["a", "--share"], (["a"], None, None, None, True, False)),
        (["a", "--mcp"], (["a"], None, None, None, False, True)),
    ],
)
def test_options_reach_the_server(
    words: list[str], expected: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[tuple[object, ...]] = []
    monkeypatch.setattr(page, "serve", lambda *arguments: served.append(arguments))
    with pytest.raises(SystemExit) as stopped:
        main(["app", *(word.format(folder=tmp_path) for word in words)])
    assert stopped.value.code == 0
    assert served == [tuple(str(tmp_path) if value == "{folder}" else value for value in expected)]


def test_a_space_is_written_instead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["app", "me/irle", "--space", str(tmp_path / "space")])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"The Space: {tmp_path / 'space'}\n"
    assert "me/irle" in (tmp_path / "space" / "app.py").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{folder}/absent"], "is neither a folder nor a model that the Hub gives out"),
        (["{folder}"], "has no config.json"),
        (["a", "--option", "size=9"], "are for a dataset as gallery: pass --gallery same"),
        (["{folder}", "--space", "{folder}/space"], "is not the id of one"),
    ],
)
def test_mistakes_are_one_sentence(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["app", *(word.format(folder=tmp_path) for word in words)])
    assert stopped.value.code == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
