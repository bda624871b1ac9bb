"""The benchmark's own check, by ranks that are wrong in one direction or the other."""

from __future__ import annotations

import numpy as np
import pytest

from hf_mlm.benchmarks.retrieval import agree, embeddings, one_product
from hf_mlm.metrics.functional.retrieval import two_way_ranks


def test_ranks_are_of_every_size_and_wrong_ones_are_found() -> None:
    images, texts = embeddings(700)
    last = one_product(images, texts)
    to_texts, to_images = two_way_ranks(images, texts)
    assert len(np.unique(to_texts)) > 50 and len(np.unique(to_images)) > 50
    assert agree((to_texts, to_images), last, images, texts)
    for wrong in (np.ones(700), to_texts[::-1]):
        assert not agree((wrong, to_images), last, images, texts)
        assert not agree((to_texts, wrong), last, images, texts)


@pytest.mark.parametrize("rows", [1, 64, 513])
def test_any_number_of_rows_is_checked(rows: int) -> None:
    images, texts = embeddings(rows)
    assert agree(two_way_ranks(images, texts), one_product(images, texts), images, texts)
