from __future__ import annotations

from typing import Any

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from s2sphere import CellId, LatLng

from hf_mlm import IRLEConfig
from hf_mlm.training.cells import cell_map, cell_names


def numbered(*rows: tuple[int | None, float | None, float | None], names: Any = None) -> Dataset:
    cells = {"geo_cell": ClassLabel(names=names) if names is not None else Value("int64")}
    features = Features({**cells, "cell_latitude": Value("float64"), "cell_longitude": Value("float64")})
    columns = dict(zip(features, map(list, zip(*rows, strict=True)), strict=True))
    return Dataset.from_dict(columns, features)


def test_tokens_are_the_map() -> None:
    rows = Dataset.from_dict({"geo_cell": [0, 1]}, Features(geo_cell=ClassLabel(names=["479", "47b"])))
    assert cell_map(DatasetDict(train=rows)) == {"num_geo_cells": 2, "cell_tokens": ["479", "47b"]}


def test_cells_lie_where_their_training_entities_do() -> None:
    tokens = ["479", "47b", "84"]
    features = Features(geo_cell=ClassLabel(names=tokens), latitude=Value("float64"), longitude=Value("float64"))
    columns = {
        "geo_cell": [1, 1, 1, 0, None],
        "latitude": [50.0, 52.0, None, 48.0, 0.0],
        "longitude": [7.0, 7.0, 7.0, 11.5, 0.0],
    }
    train = Dataset.from_dict(columns, features)
    far = Dataset.from_dict({"geo_cell": [2], "latitude": [0.5], "longitude": [0.5]}, features)
    found = cell_map(DatasetDict(train=train, test=far))
    centre = CellId.from_token("84").to_lat_lng()  # no training entity
    assert found["cell_latitudes"] == pytest.approx([48.0, 51.0, centre.lat().degrees], abs=1e-6)
    assert found["cell_longitudes"] == pytest.approx([11.5, 7.0, centre.lng().degrees], abs=1e-6)
    assert IRLEConfig(**found).cell_tokens == tokens


def test_a_cell_across_the_antimeridian_lies_in_between() -> None:
    token = CellId.from_lat_lng(LatLng.from_degrees(65.0, 180.0)).parent(1).to_token()
    features = Features(geo_cell=ClassLabel(names=[token]), latitude=Value("float64"), longitude=Value("float64"))
    columns = {"geo_cell": [0, 0], "latitude": [65.0, 65.0], "longitude": [179.0, -177.0]}
    found = cell_map(DatasetDict(train=Dataset.from_dict(columns, features)))
    assert found["cell_longitudes"] == pytest.approx([-179.0], abs=1e-6)


def test_numbers_get_the_places_that_rows_give_them_in_any_split() -> None:
    names = ["0", "1", "2", "3"]
    splits = DatasetDict(
        train=numbered((0, 10.0, 20.0), (2, -5.0, 7.0), (None, None, None), names=names),
        test=numbered((1, 1.0, 2.0), (2, -5.0, 7.0), (0, None, None), names=names),
    )
    assert cell_names(splits["train"]) is None
    assert cell_map(splits) == {
        "num_geo_cells": 4,
        "cell_latitudes": [10.0, 1.0, -5.0, 0.0],  # no row tells where cell 3 is
        "cell_longitudes": [20.0, 2.0, 7.0, 0.0],
    }


def test_bare_numbers_are_counted() -> None:
    rows = numbered((4, 1.0, 1.0), (0, 2.0, 2.0))
    assert cell_map(DatasetDict(train=rows))["num_geo_cells"] == 5
    assert cell_map(DatasetDict(train=rows.select_columns("geo_cell"))) == {"num_geo_cells": 5}


def test_no_cells_are_no_map() -> None:
    assert cell_map(DatasetDict(train=numbered((None, None, None), names=[]))) == {}
    assert cell_map(DatasetDict(train=Dataset.from_dict({"label": ["Cork"]}))) == {}
