from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import pipeline

from hf_mlm import IRLEForRetrievalAndGeo
from hf_mlm.geo.partition import GeoCellPartition
from tests.models.irle.tiny import TOKENS
from tests.pipelines.tiny import picture, saved


@pytest.fixture(scope="module")
def pipe(irle: Path) -> Any:
    return pipeline("geo-estimation", model=str(irle))


TEXT = {"text": "a village in france", "classes": ["village"]}


def probabilities(pipe: Any, **query: Any) -> np.ndarray:
    """Softmax of what the model says of an image or a text, (1, cells)."""
    with torch.inference_mode():
        if "image" in query:
            logits = pipe.model.encode_images(**pipe.processor(images=[query["image"]])).geo_logits
        else:
            logits = pipe.model.encode_texts(**pipe.processor(text=[query["text"]], classes=[["village"]])).geo_logits
    powers = np.exp(logits.double().numpy())
    return powers / powers.sum()


def test_cells_and_place_are_the_models(pipe: Any) -> None:
    for query in ({"image": picture()}, TEXT):
        expected = probabilities(pipe, **query)
        found = pipe(query, top_k=3)
        best = np.argsort(-expected[0])[:3]
        assert [cell["token"] for cell in found["cells"]] == [TOKENS[cell] for cell in best]
        assert [cell["probability"] for cell in found["cells"]] == pytest.approx(expected[0, best], rel=1e-4)
        place = pipe.model.predict_coordinates(np.log(expected))
        assert [found[name] for name in ("latitude", "longitude", "radius_km")] == pytest.approx(
            [values.item() for values in place], rel=1e-4
        )
        assert found["modalities"] == [next(iter(query))] and found["fusion"] is None


def test_cells_tell_where_they_are(pipe: Any) -> None:
    partition = GeoCellPartition.from_tokens(TOKENS)
    for cell in pipe("a city", top_k=99)["cells"]:
        assert cell["token"] == TOKENS[cell["cell"]]
        place = [values[cell["cell"]] for values in (*partition.centers, partition.radii_km)]
        assert [cell["latitude"], cell["longitude"], cell["radius_km"]] == pytest.approx(place)


def test_image_and_text_are_fused_by_the_mean_of_log_probabilities(pipe: Any) -> None:
    """That is the geometric mean, normalised; alone or beside other queries in a batch."""
    query = {"image": picture(), **TEXT}
    mean = np.sqrt(probabilities(pipe, image=picture()) * probabilities(pipe, **TEXT))
    expected = mean / mean.sum()
    for found in (pipe(query, top_k=5), pipe([TEXT, query, picture(1), query], top_k=5, batch_size=4)[3]):
        assert found["modalities"] == ["image", "text"]
        assert found["fusion"] == "mean of log-probabilities"
        for cell in found["cells"]:
            assert cell["probability"] == pytest.approx(expected[0, cell["cell"]], rel=1e-4)


def test_geojson_shows_the_estimate_and_the_cells(pipe: Any) -> None:
    found = pipe(TEXT, top_k=2, return_geojson=True)
    collection = found.pop("geojson")
    assert found == pipe(TEXT, top_k=2)
    assert json.loads(json.dumps(collection)) == collection
    assert collection["type"] == "FeatureCollection"
    estimate, *cells = collection["features"]
    assert estimate["geometry"]["coordinates"] == pytest.approx([found["longitude"], found["latitude"]], abs=1e-8)
    assert estimate["properties"]["radius_km"] == found["radius_km"]
    for shown, cell in zip(cells, found["cells"], strict=True):
        assert shown["type"] == "Feature" and shown["geometry"]["type"] == "Polygon"
        assert shown["properties"] == {"role": "cell", **cell}
        ring = np.array(shown["geometry"]["coordinates"][0])
        assert (ring.min(axis=0) < [cell["longitude"], cell["latitude"]]).all()
        assert (ring.max(axis=0) > [cell["longitude"], cell["latitude"]]).all()


def test_settings_reach_the_estimate(pipe: Any, irle: Path) -> None:
    best = pipe(TEXT, strategy="best", share=1.0)
    assert best["latitude"] == pytest.approx(best["cells"][0]["latitude"])
    assert best["radius_km"] > pipe(TEXT, strategy="best", share=0.1)["radius_km"]
    kept = pipeline("geo-estimation", model=str(irle), top_k=1, return_geojson=True)
    assert len(kept(TEXT)["cells"]) == 1 and len(kept(TEXT, top_k=2)["geojson"]["features"]) == 3
    with pytest.raises(ValueError, match="strategy='median' must be one of"):
        pipe(TEXT, strategy="median")


def test_cells_known_by_centre_or_number_alone(tmp_path: Path) -> None:
    centers = {"cell_latitudes": [0.0, 50.0, -20.0], "cell_longitudes": [10.0, 170.0, -60.0]}
    placed = pipeline("geo-estimation", model=str(saved(tmp_path / "placed", cell_tokens=None, **centers)))
    found = placed(TEXT, return_geojson=True)
    assert {cell["token"] for cell in found["cells"]} == {None}
    for shown, cell in zip(found["geojson"]["features"][1:], found["cells"], strict=True):
        point = [centers["cell_longitudes"][cell["cell"]], centers["cell_latitudes"][cell["cell"]]]
        assert shown["geometry"] == {"type": "Point", "coordinates": point}
    numbered = pipeline("geo-estimation", model=str(saved(tmp_path / "numbered", cell_tokens=None, num_geo_cells=4)))
    found = numbered(TEXT)
    assert (found["latitude"], found["radius_km"], found["cells"][0]["longitude"]) == (None, None, None)
    assert sum(cell["probability"] for cell in found["cells"]) == pytest.approx(1)
    with pytest.raises(ValueError, match="has 4 cells and no map of them, so there is no GeoJSON"):
        numbered(TEXT, return_geojson=True)


def test_a_text_model_without_classes(tmp_path: Path) -> None:
    pipe = pipeline("geo-estimation", model=str(saved(tmp_path / "plain", use_classes=False, tasks=["geo"])))
    assert isinstance(pipe.model, IRLEForRetrievalAndGeo)
    assert pipe(TEXT) == pipe(TEXT["text"])
