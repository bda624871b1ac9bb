import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from hf_mlm.metrics.functional.geo import (
    GeoTally,
    calibration_scores,
    cell_scores,
    class_counts,
    confusion_counts,
    coverage_scores,
    distance_scores,
    geo_report,
    geoscore,
    recall_by_area,
)


CLASSES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8)), min_size=1, max_size=60)


def scored_by_sklearn(targets, predictions):
    options = {"average": "weighted", "zero_division": 0}
    precision, recall, f1, _ = precision_recall_fscore_support(targets, predictions, **options)
    accuracy = accuracy_score(targets, predictions)
    scores = {"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1, "cells_scored": len(targets)}
    return pytest.approx(scores, abs=1e-12)


@given(CLASSES)
def test_cells_score_as_sklearn_scores_classes(pairs):
    targets, predictions = zip(*pairs, strict=True)
    assert cell_scores(class_counts(targets, predictions)) == scored_by_sklearn(targets, predictions)
    confusion = confusion_matrix(targets, predictions, labels=range(12))
    assert cell_scores(confusion_counts(confusion)) == scored_by_sklearn(targets, predictions)


def test_places_outside_all_cells_are_left_out():
    assert geo_report([2, -1, 0, -1], [2, 1, 1, 2]) == scored_by_sklearn([2, 0], [2, 1])


def test_without_targets_everything_is_zero():
    scores = cell_scores(class_counts([-1, -1], [0, 3]))
    assert scores == {"accuracy": 0.0, "precision": 0.0, "recall": 0.0, "f1": 0.0, "cells_scored": 0}


def test_distances_are_summarised():
    scores = distance_scores([0.0, 1.0, 25.5, 200.0, 10_000.0])
    points = [5000 * math.exp(-d / 1492.7) for d in (0.0, 1.0, 25.5, 200.0, 10_000.0)]
    expected = {"mean_km": 2045.3, "median_km": 25.5, "geoscore": sum(points) / 5, "coordinates_scored": 5}
    expected |= {"accuracy@1km": 0.4, "accuracy@25km": 0.4, "accuracy@200km": 0.8}
    expected |= {"accuracy@750km": 0.8, "accuracy@2500km": 0.8}
    assert scores == pytest.approx(expected)


def test_kilometres_are_those_of_the_globe():
    # Reykjavík - Canberra, Fiji across the antimeridian, pole to pole: law of cosines as the oracle.
    places = np.array([[64.15, -21.94], [-18.0, 179.9], [90.0, 0.0]])
    estimates = np.array([[-35.28, 149.13], [-18.0, -179.9], [-90.0, 90.0]])
    (a, b), (c, d) = np.radians(places.T), np.radians(estimates.T)
    angles = np.arccos(np.clip(np.sin(a) * np.sin(c) + np.cos(a) * np.cos(c) * np.cos(b - d), -1, 1))
    report = geo_report(target_coordinates=places, predicted_coordinates=estimates)
    assert report["mean_km"] == pytest.approx(6371.0088 * angles.mean(), rel=1e-6)
    assert report["coordinates_scored"] == 3


def test_geoscore_falls_from_5000():
    points = geoscore([0.0, 1492.7 * math.log(2), 20_000.0])
    assert points == pytest.approx([5000.0, 2500.0, 5000 * math.exp(-20_000 / 1492.7)])


def test_a_tally_of_batches_is_the_report_of_all():
    generator = np.random.default_rng(0)
    cells = generator.integers(0, 9, (2, 100))
    coordinates = generator.uniform(-80, 80, (2, 100, 2))
    tally, other = GeoTally(), GeoTally()
    for batch in (slice(0, 33), slice(33, 60)):
        tally.add_cells(*cells[:, batch])
        tally.add_coordinates(*coordinates[:, batch])
    other.add_cells(*cells[:, 60:])
    tally.add_counts(other.counts)
    tally.add_coordinates(*coordinates[:, 60:])
    assert tally.report() == pytest.approx(geo_report(*cells, *coordinates), rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "scores nothing"),
        ({"target_cells": [1]}, "predicted_cells is missing"),
        ({"predicted_coordinates": [[0, 0]]}, "target_coordinates is missing"),
        ({"target_cells": [1, 2], "predicted_cells": [1]}, r"targets \(2,\) and predictions \(1,\)"),
        ({"target_cells": [1], "predicted_cells": [[0.2, 0.8]]}, "rather than the logits"),
        ({"target_cells": [1], "predicted_cells": [-1]}, "predictions holds the class -1"),
        ({"target_cells": [-2], "predicted_cells": [0]}, "targets holds the class -2"),
        ({"target_cells": [5221366118452580352], "predicted_cells": [0]}, "perhaps an S2 cell id"),
        ({"target_coordinates": [0, 0], "predicted_coordinates": [0, 0]}, r"targets has the shape \(2,\)"),
        (
            {"target_coordinates": [[0, 0]], "predicted_coordinates": [[0, 0]] * 2},
            r"\(1, 2\) and predictions",
        ),
        ({"target_coordinates": [[95, 8]], "predicted_coordinates": [[0, 0]]}, "off the earth"),
        ({"target_coordinates": [[0, 0]], "predicted_coordinates": [[np.nan, 0]]}, "off the earth"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        geo_report(**arguments)


@pytest.mark.parametrize("kilometres", [[], [-1.0], [np.nan], [[1.0]]])
def test_bad_distances_are_refused(kilometres):
    with pytest.raises(ValueError, match="kilometres"):
        distance_scores(kilometres)


def test_a_confusion_matrix_is_square():
    with pytest.raises(ValueError, match=r"confusion has the shape \(2, 3\)"):
        confusion_counts(np.zeros((2, 3)))


@given(st.lists(st.tuples(st.floats(0, 2e4), st.floats(0, 2e4), st.floats(0, 2e4)), min_size=1, max_size=40))
def test_coverage_counts_the_truths_within_their_own_circle(rows):
    km, half, most = map(list, zip(*rows, strict=True))
    scores = coverage_scores(km, {0.5: half, 0.9: most})
    assert scores["coverage@50"] == pytest.approx(sum(a <= b for a, b in zip(km, half, strict=True)) / len(km))
    assert scores["coverage@90"] == pytest.approx(sum(a <= b for a, b in zip(km, most, strict=True)) / len(km))
    assert scores["median_radius_km"] == pytest.approx(float(np.median(half)))


def test_the_calibration_error_is_the_gap_between_probability_and_truth():
    rng = np.random.default_rng(0)
    confidences = rng.random(60_000)
    assert calibration_scores(confidences, rng.random(60_000) < confidences)["calibration_error"] < 0.01
    assert calibration_scores(np.full(100, 0.9), np.arange(100) < 60)["calibration_error"] == pytest.approx(0.3)
    assert calibration_scores([], []) == {}


@given(st.lists(st.floats(1, 5e8), min_size=1, max_size=30), st.floats(1, 5e8))
def test_recall_by_area_is_the_share_of_regions_within_the_budget(areas, budget):
    expected = sum(area <= budget for area in areas) / len(areas)
    assert recall_by_area(areas, [budget]).item() == pytest.approx(expected)
