from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hf_mlm.cli import main
from hf_mlm.cli.export import lost
from hf_mlm.export import onnx, runtime, scoring


def test_options_reach_the_export_and_losses_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[tuple[Any, ...]] = []

    def export(*arguments: Any) -> Path:
        calls.append(arguments)
        (tmp_path / "model.onnx").write_bytes(bytes(2_000_000))
        return tmp_path

    def entity_f1(*arguments: Any) -> dict[str, float]:
        calls.append(arguments)
        return {"model.onnx": 0.75, "model_int8.onnx": 0.74}

    monkeypatch.setattr(onnx, "export", export)
    monkeypatch.setattr(scoring, "entity_f1", entity_f1)
    words = ["--opset", "20", "--quantize", "int8", "--evaluate", "en", "--data_dir", "sentences"]
    with pytest.raises(SystemExit) as stopped:
        main(["export", "model", str(tmp_path), *words])
    assert stopped.value.code == 0
    assert calls == [(Path("model"), tmp_path, 20, "int8"), (tmp_path, "en", "sentences", "test")]
    shown = capsys.readouterr().out.splitlines()
    assert shown == [f"{tmp_path}/model.onnx: 2.0 MB", "model.onnx: F1 75.00", "model_int8.onnx: F1 74.00, 1.00 lost"]


def test_one_file_loses_nothing() -> None:
    assert lost({"model.onnx": 0.5}) == ["model.onnx: F1 50.00"]


@pytest.mark.parametrize(
    ("words", "packages", "message"),
    [
        ("{folder}/absent {folder}/out", (), "hf-mlm export: there is no folder"),
        ("{folder}/absent {folder}/out --opset 12", (), "opset 12 is too old: 18 is the least that works"),
        ("{folder}/absent {folder}/out", ("absent_package",), 'pip install "hf-mlm[onnx]".'),
    ],
)
def test_mistakes_are_one_sentence(
    words: str,
    packages: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(runtime, "PACKAGES", packages)
    with pytest.raises(SystemExit) as stopped:
        main(["export", *words.format(folder=tmp_path).split()])
    assert stopped.value.code == 1
    assert message in capsys.readouterr().err
