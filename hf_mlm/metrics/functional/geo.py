"""Location estimation: cells as classes (MLM §5.1.2, §6), and distances in km as the field reports them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from hf_mlm.geo.coordinates import check_coordinates
from hf_mlm.geo.distance import great_circle_distance
from hf_mlm.metrics.functional.scores import Counts, precision_recall_f1


ACCURACY_RADII_KM = (1, 25, 200, 750, 2500)  # street, city, region, country, continent (Weyand et al. 2016)
UNKNOWN_CELL = -1
_GEOSCORE_SCALE_KM = 1492.7  # Astruc et al. 2024
_MOST_CELLS = 10_000_000  # the whole earth in cells of 51 km²


def geo_report(
    target_cells: npt.ArrayLike | None = None,
    predicted_cells: npt.ArrayLike | None = None,
    target_coordinates: npt.ArrayLike | None = None,
    predicted_coordinates: npt.ArrayLike | None = None,
) -> dict[str, float]:
    """Score estimated places, as cells, as coordinates or as both.

    Args:
        target_cells: (N,) integer classes; −1 marks places outside all cells, which are left out.
        predicted_cells: (N,) integer classes.
        target_coordinates: (M, 2) latitude and longitude in degrees.
        predicted_coordinates: (M, 2), the same.

    Returns:
        What :func:`cell_scores` and :func:`distance_scores` return, for the parts that are given.

    Raises:
        ValueError: where nothing is given, one of a pair is missing, or shapes or values are wrong.

    Example:
        >>> report = geo_report([0, 0, 1], [0, 1, 1], [[48.2, 16.4]], [[48.1, 17.1]])
        >>> round(report["f1"], 3), round(report["median_km"], 1), report["accuracy@200km"]
        (0.667, 53.1, 1.0)
    """
    tally = GeoTally()
    _check_pair(target_cells, predicted_cells, "cells")
    _check_pair(target_coordinates, predicted_coordinates, "coordinates")
    if target_cells is None and target_coordinates is None:
        raise ValueError("geo_report scores nothing: give cells, coordinates or both.")
    if target_cells is not None and predicted_cells is not None:
        tally.add_cells(target_cells, predicted_cells)
    if target_coordinates is not None and predicted_coordinates is not None:
        tally.add_coordinates(target_coordinates, predicted_coordinates)
    return tally.report()


def class_counts(targets: npt.ArrayLike, predictions: npt.ArrayLike) -> Counts:
    """Count, for every class, correct predictions, predictions and targets.

    Args:
        targets: (N,) integer classes; rows of −1 are left out.
        predictions: (N,) integer classes of at least 0.

    Returns:
        (C, 3) int64, C one more than the largest class.

    Raises:
        ValueError: where the two are not integers of one shape (N,) or a class is negative.

    Example:
        >>> class_counts([0, 0, 1, -1], [0, 1, 1, 5])
        array([[1, 1, 2],
               [1, 2, 1]])
    """
    true, predicted = _classes(targets, "targets"), _classes(predictions, "predictions")
    if true.shape != predicted.shape:
        raise ValueError(f"targets {true.shape} and predictions {predicted.shape} must have one shape (N,).")
    known = true != UNKNOWN_CELL
    true, predicted = true[known], predicted[known]
    _check_range(true, "targets")
    _check_range(predicted, "predictions")
    size = int(max(true.max(), predicted.max())) + 1 if len(true) else 0
    columns = (true[true == predicted], predicted, true)
    return np.stack([np.bincount(column, minlength=size) for column in columns], axis=1)


def confusion_counts(confusion: npt.ArrayLike) -> Counts:
    """Reduce a confusion matrix to the counts of :func:`class_counts`.

    Args:
        confusion: (C, C) integers, rows the targets and columns the predictions.

    Returns:
        (C, 3) int64.

    Raises:
        ValueError: where the matrix is not square.

    Example:
        >>> confusion_counts([[1, 1], [0, 1]])
        array([[1, 1, 2],
               [1, 2, 1]])
    """
    matrix = np.asarray(confusion)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"confusion has the shape {matrix.shape}; give (classes, classes).")
    return np.stack([np.diagonal(matrix), matrix.sum(axis=0), matrix.sum(axis=1)], axis=1)


def cell_scores(counts: npt.ArrayLike) -> dict[str, float]:
    """Average precision, recall and F1 over the classes, each weighted by its targets (MLM §6, Eq. 3).

    Equal to ``precision_recall_fscore_support(average="weighted", zero_division=0)`` of scikit-learn.

    Args:
        counts: (C, 3) correct, predicted, targets.

    Returns:
        ``accuracy``, ``precision``, ``recall``, ``f1`` in 0–1 (0 where there is no target) and ``cells_scored``, the
        number of targets.

    Example:
        >>> cell_scores(class_counts([0, 0, 1], [0, 1, 1]))["precision"]
        0.8333333333333334
    """
    table = np.asarray(counts).reshape(-1, 3)
    targets = table[:, 2]
    total = int(targets.sum())
    weighted = [float(scores @ targets) / max(total, 1) for scores in precision_recall_f1(table)]
    accuracy = float(table[:, 0].sum()) / max(total, 1)
    return {
        "accuracy": accuracy,
        **dict(zip(("precision", "recall", "f1"), weighted, strict=True)),
        "cells_scored": total,
    }


def distance_scores(kilometres: npt.ArrayLike, radii_km: Sequence[float] = ACCURACY_RADII_KM) -> dict[str, float]:
    """Summarise errors in km.

    Args:
        kilometres: (N,) finite distances between estimate and truth, N ≥ 1.
        radii_km: for the shares of estimates that are at most so far off.

    Returns:
        ``mean_km``, ``median_km``, ``geoscore`` (0–5000), ``accuracy@25km`` and so on in 0–1, and
        ``coordinates_scored``, the number of distances.

    Raises:
        ValueError: where there is no distance, or one is negative or not finite.

    Example:
        >>> scores = distance_scores([0.5, 20.0, 3000.0])
        >>> scores["median_km"], scores["accuracy@25km"] == 2 / 3
        (20.0, True)
    """
    km = np.asarray(kilometres, np.float64)
    if km.ndim != 1 or not len(km) or not (np.isfinite(km) & (km >= 0)).all():
        raise ValueError(f"kilometres {km.shape} must be (N,), N ≥ 1, of finite distances that are not negative.")
    return {
        "mean_km": float(km.mean()),
        "median_km": float(np.median(km)),
        "geoscore": float(geoscore(km).mean()),
        **{f"accuracy@{radius:g}km": float((km <= radius).mean()) for radius in radii_km},
        "coordinates_scored": len(km),
    }


def geoscore(kilometres: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Turn distances in km into GeoGuessr-like points, 5000 · exp(−d / 1492.7) (OpenStreetView-5M, §4.1).

    Example:
        >>> geoscore([0.0, 1492.7]).round(1)
        array([5000. , 1839.4])
    """
    return 5000.0 * np.exp(-np.asarray(kilometres, np.float64) / _GEOSCORE_SCALE_KM)


def coverage_scores(kilometres: npt.ArrayLike, radii_km: Mapping[float, npt.ArrayLike]) -> dict[str, float]:
    """Compare radii with the errors that they promise to hold.

    Args:
        kilometres: (N,) distances between estimate and truth, N ≥ 1.
        radii_km: share → (N,) radii that are to hold that share of the truths.

    Returns:
        ``coverage@50`` and so on in 0–1, in per cent of the share, and ``median_radius_km`` of the first share.

    Example:
        >>> coverage_scores([10.0, 20.0, 90.0, 400.0], {0.5: [50.0] * 4, 0.9: [100.0] * 4})
        {'coverage@50': 0.5, 'coverage@90': 0.75, 'median_radius_km': 50.0}
    """
    km = np.asarray(kilometres, np.float64)
    shares = {f"coverage@{100 * share:g}": float((km <= np.asarray(r)).mean()) for share, r in radii_km.items()}
    return {**shares, "median_radius_km": float(np.median(np.asarray(next(iter(radii_km.values())))))}


def calibration_scores(confidences: npt.ArrayLike, right: npt.ArrayLike, bins: int = 15) -> dict[str, float]:
    """Expected calibration error (Guo et al. 2017): how far probabilities of being right are from the truth.

    Args:
        confidences: (N,) probabilities of the answers that were given.
        right: (N,) bool, whether they are right.
        bins: of equal width between 0 and 1.

    Returns:
        ``calibration_error`` in 0–1; nothing where N is 0.

    Example:
        >>> calibration_scores([0.9, 0.9, 0.9, 0.9], [True, True, True, False])
        {'calibration_error': 0.15}
    """
    probability, hit = np.asarray(confidences, np.float64), np.asarray(right, np.float64)
    if not len(probability):
        return {}
    bin_of = np.minimum((probability * bins).astype(int), bins - 1)
    gaps = np.bincount(bin_of, probability - hit, minlength=bins)  # (bins,) sums
    return {"calibration_error": round(float(np.abs(gaps).sum() / len(probability)), 9)}


def recall_by_area(areas_km2: npt.ArrayLike, budgets_km2: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Share of truths that lie in the best region of each size: the recall-versus-area curve.

    Args:
        areas_km2: (N,) area of the smallest region that holds the truth.
        budgets_km2: (B,) areas that may be searched.

    Example:
        >>> recall_by_area([100.0, 5_000.0], [10.0, 1_000.0, 10_000.0])
        array([0. , 0.5, 1. ])
    """
    areas = np.sort(np.asarray(areas_km2, np.float64))
    return np.searchsorted(areas, np.asarray(budgets_km2, np.float64), side="right") / max(len(areas), 1)


class GeoTally:
    """Counts of cells and distances of any number of batches: three numbers a cell and 8 bytes a place, no logits.

    Example:
        >>> tally = GeoTally()
        >>> tally.add_cells([0, 1], [0, 0])
        >>> tally.add_cells([1], [1])
        >>> round(tally.report()["accuracy"], 3)
        0.667
    """

    def __init__(self) -> None:
        self.counts: Counts = np.zeros((0, 3), np.int64)
        self.distances: list[npt.NDArray[np.float64]] = []

    def add_cells(self, targets: npt.ArrayLike, predictions: npt.ArrayLike) -> None:
        """Count one batch of cells; arguments and errors are those of :func:`class_counts`."""
        self.add_counts(class_counts(targets, predictions))

    def add_coordinates(self, targets: npt.ArrayLike, predictions: npt.ArrayLike) -> None:
        """Measure one batch of (N, 2) latitudes and longitudes in degrees.

        Raises:
            ValueError: where the shapes differ or a coordinate is not on the earth.
        """
        true, predicted = _coordinates(targets, "targets"), _coordinates(predictions, "predictions")
        if true.shape != predicted.shape:
            raise ValueError(f"targets {true.shape} and predictions {predicted.shape} must have one shape (N, 2).")
        self.distances.append(great_circle_distance(*true.T, *predicted.T))

    def add_counts(self, counts: Counts) -> None:
        """Add (C, 3) counts, such as another process's; the tables grow to the larger C."""
        size = max(len(self.counts), len(counts))
        padded = [np.pad(table, ((0, size - len(table)), (0, 0))) for table in (self.counts, counts)]
        self.counts = padded[0] + padded[1]

    def report(self) -> dict[str, float]:
        """Score what has been added, in the form of :func:`geo_report`."""
        cells = cell_scores(self.counts) if len(self.counts) else {}
        kilometres = np.concatenate([np.zeros(0), *self.distances])
        return {**cells, **(distance_scores(kilometres) if len(kilometres) else {})}


def _classes(values: npt.ArrayLike, name: str) -> npt.NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(
            f"{name} has the shape {array.shape} and dtype {array.dtype}; give integer classes (N,), so the argmax of "
            "the logits rather than the logits."
        )
    return array.astype(np.int64, copy=False)


def _check_range(classes: npt.NDArray[np.int64], name: str) -> None:
    if not len(classes):
        return
    if classes.min() < 0:
        raise ValueError(
            f"{name} holds the class {classes.min()}; classes start at 0, and only targets may be {UNKNOWN_CELL}."
        )
    if classes.max() >= _MOST_CELLS:
        raise ValueError(
            f"{name} holds {classes.max()}, which is no class but perhaps an S2 cell id; give the cell's index in the "
            "partition."
        )


def _coordinates(values: npt.ArrayLike, name: str) -> npt.NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"{name} has the shape {array.shape}; give (N, 2), latitude and longitude in degrees.")
    check_coordinates(array[:, 0], array[:, 1])
    return array


def _check_pair(targets: object, predictions: object, what: str) -> None:
    if (targets is None) != (predictions is None):
        missing = "target" if targets is None else "predicted"
        raise ValueError(f"{missing}_{what} is missing; give target_{what} and predicted_{what} together.")
