"""The map that a dataset's cells make: how many there are, which S2 cells they are, and where they lie."""

from __future__ import annotations

from typing import Any

import numpy as np
from datasets import ClassLabel, Dataset, DatasetDict

from hf_mlm.geo.distance import spherical_mean
from hf_mlm.geo.partition import GeoCellPartition


PLACES = 6  # decimals of a degree: 0.1 m


def cell_map(dataset: DatasetDict) -> dict[str, Any]:
    """Describe the cells of a dataset's ``geo_cell`` as settings of `IRLEConfig`.

    Raw rows name their cells by S2 tokens; where the rows tell their own positions, each cell is said to lie where its
    training entities do, on average, which is nearer to the entities to be located than its centre is. Feature files
    number their cells and give each row the mean position of its cell.

    Args:
        dataset: all splits.

    Returns:
        ``num_geo_cells``, with ``cell_tokens`` and with ``cell_latitudes`` and ``cell_longitudes`` (degrees) where the
        dataset tells them; nothing if no row has a cell.
    """
    splits = [rows for rows in dataset.values() if "geo_cell" in rows.column_names]
    names = cell_names(splits[0]) if splits else None
    if names is not None:
        return {"num_geo_cells": len(names), "cell_tokens": names, **mean_positions(names, dataset["train"])}
    cells = np.concatenate([_numbers(rows, "geo_cell", -1) for rows in splits]) if splits else np.array([])
    if not (cells >= 0).any():
        return {}
    count = _declared_count(splits[0]) or int(cells.max()) + 1
    if "cell_latitude" not in splits[0].column_names:
        return {"num_geo_cells": count}
    positions = np.zeros((2, count))  # a number that no row bears stays at 0° 0°
    for axis, column in enumerate(("cell_latitude", "cell_longitude")):
        values = np.concatenate([_numbers(rows, column, np.nan) for rows in splits])
        known = (cells >= 0) & np.isfinite(values)
        positions[axis, cells[known].astype(int)] = values[known]
    return {
        "num_geo_cells": count,
        "cell_latitudes": positions[0].tolist(),
        "cell_longitudes": positions[1].tolist(),
    }


def mean_positions(tokens: list[str], rows: Dataset) -> dict[str, list[float]]:
    """Average the positions of the entities in each cell.

    Args:
        tokens: S2 tokens of the cells, the names of ``geo_cell``.
        rows: of the training split.

    Returns:
        ``cell_latitudes`` and ``cell_longitudes``, degrees: the spherical mean, and the S2 centre of a cell without
        entities. Nothing if the rows do not tell where they are.
    """
    if not {"latitude", "longitude"} <= set(rows.column_names):
        return {}
    cells, latitudes, longitudes = (_numbers(rows, name, np.nan) for name in ("geo_cell", "latitude", "longitude"))
    places = np.stack(GeoCellPartition.from_tokens(tokens).centers, axis=1)  # (cells, 2)
    known = np.isfinite(cells) & np.isfinite(latitudes) & np.isfinite(longitudes)
    for cell in np.unique(cells[known]).astype(int):
        inside = known & (cells == cell)
        places[cell] = spherical_mean(latitudes[inside], longitudes[inside])
    latitudes, longitudes = places.round(PLACES).T.tolist()
    return {"cell_latitudes": latitudes, "cell_longitudes": longitudes}


def cell_names(rows: Dataset) -> list[str] | None:
    """S2 tokens of the classes of ``geo_cell``, or None where cells are mere numbers."""
    feature = rows.features.get("geo_cell")
    if not isinstance(feature, ClassLabel) or feature.names == [str(number) for number in range(len(feature.names))]:
        return None
    return list(feature.names)


def _declared_count(rows: Dataset) -> int | None:
    feature = rows.features["geo_cell"]
    return feature.num_classes if isinstance(feature, ClassLabel) else None


def _numbers(rows: Dataset, column: str, unknown: float) -> np.ndarray:
    """A column as float64 (rows,), ``unknown`` where it is null."""
    return np.array([unknown if value is None else value for value in rows[column]], dtype=np.float64)
