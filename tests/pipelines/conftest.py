from __future__ import annotations

from pathlib import Path

import pytest

from hf_mlm import Gallery, IRLEForRetrievalAndGeo, IRLEProcessor
from tests.pipelines.tiny import rows, saved


@pytest.fixture(scope="package")
def irle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that retrieves and locates, with a gallery of its own."""
    folder = saved(tmp_path_factory.mktemp("models") / "irle")
    model = IRLEForRetrievalAndGeo.from_pretrained(folder)
    Gallery.encode(model, rows(), IRLEProcessor.from_pretrained(folder), batch_size=3).save(folder / "gallery")
    return folder
