"""Entity spans behind labels: the auxiliary task of UMT, "entity span detection"."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from hf_mlm.models.layers.crf import IGNORED


SPAN_TAGS = ("O", "B", "I")


def span_labels(labels: torch.Tensor, label_names: Sequence[str]) -> torch.Tensor:
    """Forget the types of entities.

    Args:
        labels: int64 of any shape, -100 where there is nothing to learn.
        label_names: "O", "B-X" and "I-X" in the order of the labels.

    Returns:
        int64 of the same shape, indices of `SPAN_TAGS`, -100 where ``labels`` has it.

    Example:
        >>> span_labels(torch.tensor([2, 1, 0, -100]), ["O", "B-PER", "I-PER"])
        tensor([   2,    1,    0, -100])
    """
    spans = labels.new_tensor([SPAN_TAGS.index(name[0]) for name in label_names])  # (labels,)
    return spans[labels.clamp(min=0)].where(labels != IGNORED, IGNORED)


def conversion_matrix(label_names: Sequence[str]) -> list[list[float]]:
    """Share the score of each span tag among the labels that it stands for: the conversion matrix M.

    Args:
        label_names: "O", "B-X" and "I-X" in the order of the labels.

    Returns:
        (3, labels): rows are `SPAN_TAGS`, each of which sums to 1.

    Example:
        >>> conversion_matrix(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
        [[1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.5, 0.0, 0.5, 0.0], [0.0, 0.0, 0.5, 0.0, 0.5]]
    """
    starts = [name[0] for name in label_names]
    return [[(start == tag) / max(starts.count(tag), 1) for start in starts] for tag in SPAN_TAGS]
