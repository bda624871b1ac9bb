"""Weights of 8 bits: what is in the file, and how far its numbers are from those of 32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hf_mlm.export.runtime import open_session, run


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
