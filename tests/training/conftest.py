from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Sums in the same order here as in the processes that tests start."""
    torch.set_num_threads(1)


@pytest.fixture
def tiny_model() -> Callable[..., Any]:
    """Makes an `IRLEForRetrievalAndGeo` for `feature_rows`, always with the same weights."""
    from hf_mlm import IRLEConfig, IRLEForRetrievalAndGeo

    def make(**settings: Any) -> IRLEForRetrievalAndGeo:
        sizes = {"image_feature_size": 4, "summary_feature_size": 3, "class_feature_size": 2, "embedding_size": 6}
        torch.manual_seed(0)
        return IRLEForRetrievalAndGeo(IRLEConfig(**{**sizes, "num_geo_cells": 3, **settings}))

    return make
