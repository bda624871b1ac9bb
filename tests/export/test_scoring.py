"""F1 of exported files against that of the model itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForTokenClassification, AutoProcessor

from hf_mlm.data.mmnerd.collator import DataCollatorForMultimodalTokenClassification
from hf_mlm.export.scoring import entity_f1
from hf_mlm.metrics.functional.entities import entity_report


pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytestmark = pytest.mark.real

LINES = """IMGID:1
Paris\tB-LOC
in\tO
France\tB-LOC

IMGID:2
the\tO
river\tB-LOC
a\tO
b\tO
,\tO
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "train_valid_test_en"
    folder.mkdir()
    for split in ("train", "valid", "test"):
        (folder / f"{split}_conll_format.txt").write_text(LINES)
    return tmp_path


@pytest.mark.parametrize("kind", ["crf", "two_mner"])
def test_files_score_as_the_model_does(kind: str, data_dir: Path, request: pytest.FixtureRequest) -> None:
    scores = entity_f1(request.getfixturevalue(f"{kind}_export"), "en", str(data_dir), batch_size=1)
    folder = request.getfixturevalue(f"{kind}_model")
    model, processor = AutoModelForTokenClassification.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    rows = [
        {"tokens": ["Paris", "in", "France"], "ner_tags": [3, 0, 3]},
        {"tokens": ["the", "river", "a", "b", ","], "ner_tags": [0, 3, 0, 0, 0]},
    ]
    batch = DataCollatorForMultimodalTokenClassification(processor)(rows)
    with torch.inference_mode():
        outputs = model(**batch)
    report = entity_report(batch["labels"].numpy(), outputs.predictions.numpy(), model.config.label_names)
    assert scores["model.onnx"] == pytest.approx(report["f1"])
    assert list(scores) == ["model.onnx", "model_int8.onnx"][: 2 if kind == "crf" else 1]


def test_mistakes_are_one_sentence(crf_export: Path, irle_export: Path, data_dir: Path) -> None:
    with pytest.raises(ValueError, match="this model has none: leave out --evaluate"):
        entity_f1(irle_export, "en", str(data_dir))
    with pytest.raises(ValueError, match="has no split 'tset'; choose one of train, validation, test"):
        entity_f1(crf_export, "en", str(data_dir), "tset")
