from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from sklearn.metrics import precision_recall_fscore_support
from transformers import EvalPrediction

from hf_mlm import IRLEConfig
from hf_mlm.files import write_json
from hf_mlm.training.irle.metrics import RetrievalAndGeoMetrics, true_positions


LATITUDES, LONGITUDES = [0.0, 10.0, -30.0], [0.0, 20.0, 150.0]


def config(**settings: Any) -> IRLEConfig:
    places = {"num_geo_cells": 3, "cell_latitudes": LATITUDES, "cell_longitudes": LONGITUDES}
    return IRLEConfig(**{"embedding_size": 4, **places, **settings})


def arrays(reduced: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {name: values.numpy() for name, values in reduced.items()}


def test_logits_are_reduced_to_cells_and_places() -> None:
    embeds, logits = torch.rand(2, 4), torch.tensor([[9.0, 0.0, 0.0], [0.0, 0.0, 50.0]])
    reduced = RetrievalAndGeoMetrics(config()).reduce((embeds, embeds + 1, logits, -logits))
    assert reduced["image_cells"].tolist() == [0, 2]
    assert torch.equal(reduced["text_embeds"], embeds + 1)
    assert set(reduced) == {
        *("image_embeds", "text_embeds", "image_cells", "text_cells", "image_places", "text_places"),
        *("image_radii", "text_radii"),
    }
    assert reduced["image_places"][1].tolist() == pytest.approx([-30, 150], abs=1e-4)
    assert all(values.numel() <= 2 * 4 for values in reduced.values())


@pytest.mark.parametrize(("task", "kept"), [("retrieval", "image_embeds"), ("geo", "image_cells")])
def test_single_tasks_have_their_own_metrics_alone(task: str, kept: str) -> None:
    metrics = RetrievalAndGeoMetrics(config(tasks=[task]))
    reduced = metrics.reduce((torch.eye(3), torch.eye(3)))
    assert kept in reduced
    scores = metrics.of()(EvalPrediction(arrays(reduced), (np.arange(3), np.arange(3))))
    assert ("mean_medR" in scores) == (task == "retrieval")
    assert ("image_f1" in scores) == (task == "geo")


def test_cells_without_a_map_give_no_places() -> None:
    reduced = RetrievalAndGeoMetrics(IRLEConfig(num_geo_cells=3, tasks=["geo"])).reduce((torch.eye(3), torch.eye(3)))
    assert set(reduced) == {"image_cells", "text_cells"}


def test_scores_are_those_of_scikit_learn_and_of_geometry() -> None:
    generator = np.random.default_rng(0)
    targets, found = generator.integers(0, 3, 40), generator.integers(0, 3, 40)
    logits = torch.full((40, 3), -1000.0).scatter(1, torch.from_numpy(found)[:, None], 0.0)
    metrics = RetrievalAndGeoMetrics(config(), pool_size=10, pools=3)
    embeds = torch.nn.functional.normalize(torch.from_numpy(generator.normal(size=(40, 4))))
    reduced = arrays(metrics.reduce((embeds, embeds, logits, logits)))
    rows = Dataset.from_dict({"latitude": [10.0] * 40, "longitude": [21.0] * 40})
    scores = metrics.of(rows, resamples=20)(EvalPrediction(reduced, (targets, targets)))
    expected = precision_recall_fscore_support(targets, found, average="weighted", zero_division=0)[:3]
    assert [scores[f"image_{name}"] for name in ("precision", "recall", "f1")] == pytest.approx(expected)
    degree = 111.195 * np.cos(np.radians(10))  # from 21° to 20° east along the parallel, as the crow nearly flies
    nearest = sorted(scores[f"text_{name}"] for name in ("median_km", "mean_km"))
    assert (found == 1).mean() > 0.2
    assert scores["text_accuracy@200km"] == (found == 1).mean()
    assert nearest[0] > degree
    assert scores["mean_medR"] == scores["image_to_text_medR"] == scores["image_to_text_full_medR"] == 1
    assert (scores["pool_size"], scores["gallery_size"]) == (10, 40)
    assert scores["text_to_image_R@5_low"] <= scores["text_to_image_R@5"] == 1


def test_unknown_positions_and_cells_are_left_out() -> None:
    metrics = RetrievalAndGeoMetrics(config(tasks=["geo"]))
    logits = torch.eye(3) * 1000
    rows = Dataset.from_dict({"cell_latitude": [0.0, None, -30.0], "cell_longitude": [0.0, None, 150.0]})
    prediction = EvalPrediction(arrays(metrics.reduce((logits, logits))), (np.array([0, 2, -1]),) * 2)
    scores = metrics.of(rows)(prediction)
    assert (scores["image_cells_scored"], scores["image_coordinates_scored"]) == (2, 2)
    assert (scores["image_accuracy"], scores["image_accuracy@1km"]) == (0.5, 1.0)
    with pytest.raises(ValueError, match="3 rows were evaluated and 2 positions are known"):
        metrics.of(rows.select([0, 1]))(prediction)
    assert "image_mean_km" not in metrics.of(rows.select([1, 1, 1]))(prediction)


def test_metrics_say_that_they_need_the_cells() -> None:
    with pytest.raises(ValueError, match="set label_names="):
        RetrievalAndGeoMetrics(config()).of()(EvalPrediction({}, ()))


def test_positions_of_entities_come_before_those_of_cells() -> None:
    columns = {"latitude": [1.0], "longitude": [2.0], "cell_latitude": [3.0], "cell_longitude": [4.0]}
    rows = Dataset.from_dict(columns)
    assert true_positions(rows).tolist() == [[1.0, 2.0]]
    assert true_positions(rows.remove_columns("latitude")).tolist() == [[3.0, 4.0]]
    assert true_positions(Dataset.from_dict({"label": ["Cork"]})) is None


def test_json_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "figures.json"
    write_json({"a": 1}, path)
    with pytest.raises(TypeError):
        write_json({"a": object()}, path)
    assert json.loads(path.read_text()) == {"a": 1}
    assert [file.name for file in path.parent.iterdir()] == ["figures.json"]
