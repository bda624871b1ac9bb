"""``hf-mlm build``: what is said of wrong settings, before anything is asked or written."""

from pathlib import Path

import pytest


pytest.importorskip("datatrove")

from hf_mlm.cli import main  # noqa: E402


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--contact", "nobody"], "whom they can write to"),
        (["--contact", "me@example.org", "--dump", "missing.json"], "there is no dump missing.json"),
        (["--contact", "me@example.org", "--dump", "a.json", "--endpoint", "http://x"], "not both"),
        (["--contact", "me@example.org", "--executor", "spark"], "choose one of local, slurm, ray"),
        (["--contact", "me@example.org", "--language", "en", "--language", "en"], "none twice"),
    ],
)
def test_mistakes(words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["build", "mlm", str(tmp_path / "target"), *words])
    assert stopped.value.code == 1 and sentence in capsys.readouterr().err
    assert not (tmp_path / "target").exists()
