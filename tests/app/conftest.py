from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hf_mlm import Gallery, IRLEForRetrievalAndGeo, IRLEProcessor
from hf_mlm.models.two_mner.modeling_two_mner import TwoMNERForTokenClassification
from tests.models.two_mner.tiny import config, processor
from tests.pipelines.tiny import rows, saved


@pytest.fixture(scope="package")
def irle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that retrieves and locates, with a gallery of its own."""
    folder = saved(tmp_path_factory.mktemp("models") / "irle")
    model = IRLEForRetrievalAndGeo.from_pretrained(folder)
    Gallery.encode(model, rows(), IRLEProcessor.from_pretrained(folder)).save(folder / "gallery")
    return folder


@pytest.fixture(scope="package")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tagger whose scores are far enough apart for entities to be found."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tagger")
    model = TwoMNERForTokenClassification(config())
    with torch.no_grad():
        model.head.classifier.weight.mul_(30)
    model.save_pretrained(folder)
    processor(folder).save_pretrained(folder)
    return folder
