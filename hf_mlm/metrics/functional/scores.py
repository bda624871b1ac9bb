"""Precision, recall and F1 from counts, with 0 where a ratio is undefined."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


Counts = npt.NDArray[np.int64]  # (..., 3): true positives, predicted, actual


def precision_recall_f1(counts: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Divide true positives by the predicted and by the actual, and take the harmonic mean.

    The order of operations is seqeval's, so that the results are equal to its in the last bit.

    Args:
        counts: (..., 3) true positives, predicted, actual.

    Returns:
        Three (...) float64 arrays: precision, recall, F1.

    Example:
        >>> [float(score) for score in precision_recall_f1(np.array([1, 2, 4]))]
        [0.5, 0.25, 0.3333333333333333]
    """
    correct, predicted, actual = np.moveaxis(np.asarray(counts), -1, 0)
    precision, recall = _divide(correct, predicted), _divide(correct, actual)
    return precision, recall, _divide(2.0 * precision * recall, precision + recall)


def _divide(numerator: npt.NDArray[Any], denominator: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return numerator / np.where(denominator == 0, 1, denominator)
