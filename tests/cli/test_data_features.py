"""``hf-mlm data features``: what is said of wrong settings; the rest is in construction/features/test_describe.py."""

from pathlib import Path

import pytest

from hf_mlm.cli import main


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--segments", "some"], "some"),
        (["--tokens", "odd"], "odd"),
        (["--text_layers", "0"], "0"),
        (["--dtype", "int8"], "int8"),
        (["--config", "mlm"], "config='mlm'"),
        (["--batch_size", "0"], "batch"),
        (["--option", "size"], "size"),
        (["--data_dir", "missing"], "missing"),
    ],
)
def test_mistakes(
    words: list[str], sentence: str, raw_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed = ["--data_dir", str(raw_folder), "--image_encoders", "none", "--text_encoder", "none"]
    with pytest.raises(SystemExit) as stopped:
        main(["data", "features", *fixed, "--output", str(tmp_path / "out"), *words])
    assert stopped.value.code != 0 and sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
