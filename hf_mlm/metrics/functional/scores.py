"""Precision, recall and F1 from counts, and their averages."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt


Counts = npt.NDArray[np.int64]  # (..., 3): true positives, predicted, actual


Average = Literal["micro", "macro", "weighted"]
AVERAGES: tuple[str, ...] = get_args(Average)


def precision_recall_f1(
    counts: npt.NDArray[Any], zero_division: float = 0.0
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Divide true positives by the predicted and by the actual, and take the harmonic mean.

    The order of operations is seqeval's, so that the results are equal to its in the last bit.

    Args:
        counts: (..., 3) true positives, predicted, actual.
        zero_division: precision where nothing is predicted, and recall where nothing is actual.

    Returns:
        Three (...) float64 arrays: precision, recall, F1.

    Example:
        >>> [float(score) for score in precision_recall_f1(np.array([1, 2, 4]))]
        [0.5, 0.25, 0.3333333333333333]
    """
    correct, predicted, actual = np.moveaxis(np.asarray(counts), -1, 0)
    precision, recall = _divide(correct, predicted, zero_division), _divide(correct, actual, zero_division)
    return precision, recall, _divide(2.0 * precision * recall, precision + recall, 0.0)


def averaged(
    counts: Counts, average: Average = "micro", zero_division: float = 0.0
) -> tuple[float, float, float, int]:
    """Average precision, recall and F1 over types, as seqeval does.

    Args:
        counts: (types, 3) true positives, predicted, actual.
        average: ``"micro"`` of the sums; ``"macro"``, the mean over types, NaN where there are none; ``"weighted"`` by
            the actual.
        zero_division: see `precision_recall_f1`.

    Returns:
        Precision, recall, F1 and the number of actual ones.

    Raises:
        ValueError: if there is no such average.
    """
    if average not in AVERAGES:
        raise ValueError(f"Expected average to be one of {', '.join(AVERAGES)}, found {average!r}.")
    support = int(counts[:, 2].sum())
    if average == "micro":
        precision, recall, f1 = (float(score) for score in precision_recall_f1(counts.sum(axis=0), zero_division))
        return precision, recall, f1, support
    if average == "weighted" and not support:
        found_none = 0.0 if counts[:, 1].sum() else zero_division
        return found_none, zero_division, found_none, 0
    if not len(counts):
        return float("nan"), float("nan"), float("nan"), 0
    weights = counts[:, 2] if average == "weighted" else None
    precision, recall, f1 = (
        float(np.average(scores, weights=weights)) for scores in precision_recall_f1(counts, zero_division)
    )
    return precision, recall, f1, support


def _divide(numerator: Any, denominator: Any, otherwise: float) -> npt.NDArray[np.float64]:
    is_zero = denominator == 0
    return np.where(is_zero, otherwise, numerator / np.where(is_zero, 1, denominator))
