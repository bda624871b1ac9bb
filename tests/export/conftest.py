"""Saved tiny models of every type that exports, each exported once for all tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.models.crf_tagger import tiny as crf_tiny
from tests.models.irle import tiny as irle_tiny
from tests.models.two_mner import tiny as two_mner_tiny


# What is exported: the model's settings, and an opset; together they cover each of either at least once.
CRF_OPSET, TWO_MNER_OPSET, IRLE_OPSET = 18, 20, 23


def decided(model: Any) -> Any:
    """Give a tagger's head scores far enough apart that decoding has something to decide."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model.eval()


def save(model: Any, processor: Any, folder: Path) -> Path:
    """Write what training would leave."""
    model.save_pretrained(folder)
    if processor is not None:
        processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def crf_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CRF tagger with its processor."""
    from hf_mlm import CRFTaggerForTokenClassification, TaggerProcessor

    folder = tmp_path_factory.mktemp("crf")
    torch.manual_seed(0)
    model = decided(CRFTaggerForTokenClassification(crf_tiny.config()))
    return save(model, TaggerProcessor(two_mner_tiny.wordpiece(folder), max_length=24), folder / "model")


@pytest.fixture(scope="session")
def two_mner_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 2M-NER that averages sub-tokens, with its processor."""
    from hf_mlm import TwoMNERForTokenClassification

    folder = tmp_path_factory.mktemp("two_mner")
    torch.manual_seed(0)
    settings = {"word_pooling": "mean", "resnet_pixel_scale": [0.9, 1.0, 1.1], "resnet_pixel_shift": [0.1, 0.0, 0.2]}
    model = decided(TwoMNERForTokenClassification(two_mner_tiny.config(**settings)))
    return save(model, two_mner_tiny.processor(folder), folder / "model")


@pytest.fixture(scope="session")
def irle_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An IR+LE on raw images and texts, with its processor."""
    from hf_mlm import IRLEForRetrievalAndGeo

    folder = tmp_path_factory.mktemp("irle")
    torch.manual_seed(0)
    return save(IRLEForRetrievalAndGeo(irle_tiny.raw_config()), irle_tiny.processor(folder), folder / "model")


@pytest.fixture(scope="session")
def crf_export(crf_model: Path) -> Path:
    """The CRF tagger in ONNX, in 32 and 8 bits."""
    from hf_mlm.export.onnx import export

    return export(crf_model, crf_model.parent / "onnx", CRF_OPSET, quantize="int8")


@pytest.fixture(scope="session")
def two_mner_export(two_mner_model: Path) -> Path:
    """The 2M-NER in ONNX."""
    from hf_mlm.export.onnx import export

    return export(two_mner_model, two_mner_model.parent / "onnx", TWO_MNER_OPSET)


@pytest.fixture(scope="session")
def irle_export(irle_model: Path) -> Path:
    """The IR+LE in ONNX."""
    from hf_mlm.export.onnx import export

    return export(irle_model, irle_model.parent / "onnx", IRLE_OPSET)
