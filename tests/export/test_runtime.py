"""Weights of 8 bits: what is in the file, and how far its numbers are from those of 32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hf_mlm.export.runtime import open_onnx, open_session, run
from hf_mlm.pipelines.geo_estimation import GeoEstimationPipeline
from hf_mlm.pipelines.multimodal_ner import MultimodalNERPipeline
from hf_mlm.runs.open_model import open_model
from tests.pipelines.tiny import picture


onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.real


def test_matrices_and_embeddings_are_kept_in_8_bits_and_decode_nearly_the_same(crf_export: Path) -> None:
    weights = onnx.load(crf_export / "model_int8.onnx").graph.initializer
    eight = [w for w in weights if w.data_type in (onnx.TensorProto.INT8, onnx.TensorProto.UINT8) and len(w.dims) == 2]
    assert len(eight) >= 9  # three embeddings, four projections and two layers of the encoder's only block
    generator = np.random.default_rng(0)
    ids = generator.integers(5, 32, (64, 12))
    word_ids = np.tile(np.arange(12) - 1, (64, 1))
    batch = {"input_ids": ids, "attention_mask": np.ones_like(ids), "word_ids": word_ids}
    exact, small = (run(open_session(crf_export / name), batch) for name in ("model.onnx", "model_int8.onnx"))
    words = word_ids >= 0
    assert 0 < np.abs(exact["logits"] - small["logits"]).max() < 0.5
    assert (exact["predictions"] == small["predictions"])[words].mean() > 0.95


@pytest.mark.parametrize("kind", ["crf", "two_mner"])
def test_a_tagger_in_onnx_answers_the_pipeline_as_the_model_does(kind: str, request: pytest.FixtureRequest) -> None:
    folders = [request.getfixturevalue(f"{kind}_{form}") for form in ("model", "export")]
    opened = [open_model(folders[0], "taggers"), open_onnx(folders[1], "taggers")]
    model, onnx = (MultimodalNERPipeline(each, processor=own, task="multimodal-ner") for each, own in opened)
    asked = ["Ada met Charles in London .", "the river", {"text": "Paris in France", "image": picture()}]
    expected, found = model(asked, batch_size=2), onnx(asked, batch_size=2)
    assert [[entity["word"] for entity in each] for each in found] == [
        [entity["word"] for entity in each] for each in expected
    ]
    scores = [[entity["score"] for each in answers for entity in each] for answers in (found, expected)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)
    assert onnx("the river") == found[1]  # a model of images without any


def test_irle_in_onnx_locates_as_the_model_does(irle_model: Path, irle_export: Path) -> None:
    opened = [open_model(irle_model, "irle"), open_onnx(irle_export, "irle")]
    query = {"image": picture(), "text": "the river", "classes": "city"}
    expected, found = (
        GeoEstimationPipeline(each, processor=own, task="geo-estimation")(query) for each, own in opened
    )
    assert [cell["cell"] for cell in found["cells"]] == [cell["cell"] for cell in expected["cells"]]
    assert found["latitude"] == pytest.approx(expected["latitude"], abs=1e-2)


def test_what_is_no_export_is_one_sentence(crf_model: Path, crf_export: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"found no export\.json .* hf-mlm export"):
        open_onnx(crf_model, "taggers")
    with pytest.raises(ValueError, match="found 'crf_tagger'"):
        open_onnx(crf_export, "irle")
