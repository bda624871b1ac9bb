from __future__ import annotations

from typing import Any

from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from hf_mlm.training.cells import cell_map, cell_names


def numbered(*rows: tuple[int | None, float | None, float | None], names: Any = None) -> Dataset:
    cells = {"geo_cell": ClassLabel(names=names) if names is not None else Value("int64")}
    features = Features({**cells, "cell_latitude": Value("float64"), "cell_longitude": Value("float64")})
    columns = dict(zip(features, map(list, zip(*rows, strict=True)), strict=True))
    return Dataset.from_dict(columns, features)


def test_tokens_are_the_map() -> None:
    rows = Dataset.from_dict({"geo_cell": [0, 1]}, Features(geo_cell=ClassLabel(names=["479", "47b"])))
    assert cell_map(DatasetDict(train=rows)) == {"num_geo_cells": 2, "cell_tokens": ["479", "47b"]}


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
