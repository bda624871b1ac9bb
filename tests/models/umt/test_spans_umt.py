from __future__ import annotations

import torch

from hf_mlm.data.formats.iob2 import TAGS
from hf_mlm.models.umt.spans_umt import conversion_matrix, span_labels


def test_the_published_matrix_of_four_types() -> None:
    assert conversion_matrix(TAGS) == [
        [1, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0.25, 0, 0.25, 0, 0.25, 0, 0.25, 0],
        [0, 0, 0.25, 0, 0.25, 0, 0.25, 0, 0.25],
    ]


def test_labels_that_a_model_lacks_get_no_share() -> None:
    assert conversion_matrix(["B-X", "O"]) == [[0, 1], [1, 0], [0, 0]]


def test_spans_in_any_order_of_labels() -> None:
    labels = torch.tensor([[3, 0, -100], [1, 2, 3]])
    assert span_labels(labels, ["I-X", "O", "B-Y", "B-X"]).tolist() == [[1, 2, -100], [0, 1, 1]]
