from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.data.mlm.rows import (
    FeatureRow,
    FeatureSpec,
    cast_features,
    column_vectors,
    common_spec,
    pack_features,
    row_hashes,
)


SPEC = FeatureSpec(image_size=4, summary_size=3, class_size=2, num_cells=7, has_positions=True)


def make_row(number: int, images: int = 2, classes: int = 1) -> FeatureRow:
    rng = np.random.default_rng(number)
    return FeatureRow(
        entity_id=f"Q{number}",
        images=rng.normal(size=(images, 4)).astype("f4"),
        summaries=rng.normal(size=(1, 3)).astype("f4"),
        languages=["fr"],
        classes=rng.normal(size=(classes, 2)).astype("f4"),
        cell=number % 7,
        cell_position=(1.5, -2.5),
        position=(52.5, 13.25),
    )


def test_rows_become_fixed_size_lists() -> None:
    rows = [make_row(1), make_row(2, images=0), make_row(3, classes=0)]
    table = pack_features(rows, SPEC)
    assert table.schema == SPEC.features().arrow_schema
    assert table.schema.field("image_features").type == pa.list_(pa.list_(pa.float32(), 4))
    for row, read in zip(rows, table.to_pylist(), strict=True):
        assert read["image_features"] == row.images.tolist()
        assert read["class_features"] == row.classes.tolist()
        assert (read["geo_cell"], read["summary_languages"]) == (row.cell, ["fr"])
        assert (read["cell_latitude"], read["cell_longitude"]) == (1.5, -2.5)
        assert (read["latitude"], read["longitude"]) == (52.5, 13.25)


def test_unknown_is_null_and_positions_are_there_only_where_known() -> None:
    row = make_row(1)._replace(languages=None, cell=None, cell_position=None, position=None)
    read = pack_features([row], FeatureSpec(4, 3, 2)).to_pylist()[0]
    assert [read[name] for name in ("summary_languages", "geo_cell", "cell_latitude", "cell_longitude")] == [None] * 4
    assert "latitude" not in read


def test_a_position_on_the_equator_is_not_unknown() -> None:
    row = make_row(1)._replace(cell_position=(0.0, 0.0), position=(0.0, 0.0))
    read = pack_features([row], SPEC).to_pylist()[0]
    assert [read[name] for name in ("cell_latitude", "cell_longitude", "latitude", "longitude")] == [0.0] * 4


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=6), st.data())
def test_vectors_of_slices_and_chunks_are_found(shapes: list[tuple[int, int]], data: Any) -> None:
    rows = [make_row(number, *shape) for number, shape in enumerate(shapes)]
    start = data.draw(st.integers(0, len(rows) - 1))
    halves = [pack_features(rows[:start], SPEC)] * bool(start) + [pack_features(rows[start:], SPEC)]
    values, offsets = column_vectors(pa.concat_tables(halves).slice(start)["image_features"])
    read = [values[a:b].tolist() for a, b in zip(offsets[:-1], offsets[1:], strict=True)]
    assert read == [row.images.tolist() for row in rows[start:]]


def test_float16_rounds_and_widens_back() -> None:
    rows = [make_row(number) for number in range(5)]
    half = pack_features(rows, SPEC, "float16")
    assert half.schema == SPEC.features("float16").arrow_schema
    assert half.equals(cast_features(pack_features(rows, SPEC), SPEC, "float16"))
    wide = cast_features(half, SPEC, "float32")
    assert wide["image_features"].to_pylist()[4] == rows[4].images.astype("f2").astype("f4").tolist()
    assert cast_features(wide, SPEC, "float32") is wide


def test_what_float16_cannot_hold_is_refused() -> None:
    row = make_row(2)
    row.images[1, 3] = 70_000
    with pytest.raises(ValueError, match="a feature of entity Q2 is beyond float16"):
        pack_features([make_row(1), row, make_row(3)], SPEC, "float16")


def test_an_unknown_dtype_is_refused() -> None:
    with pytest.raises(ValueError, match="dtype to be one of float32, float16, found 'float8'"):
        pack_features([make_row(1)], SPEC, "float8")


CHANGES = {
    "entity_id": lambda row: row._replace(entity_id="Q2"),
    "images": lambda row: row._replace(images=row.images + np.float32(1e-6)),
    "summaries": lambda row: row._replace(summaries=-row.summaries),
    "languages": lambda row: row._replace(languages=["de"]),
    "classes": lambda row: row._replace(classes=row.classes[:0]),
    "cell": lambda row: row._replace(cell=None),
    "cell_position": lambda row: row._replace(cell_position=(-2.5, 1.5)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_hashes_tell_every_change(change: str) -> None:
    rows = [make_row(number) for number in range(3)]
    changed = [rows[0], CHANGES[change](rows[1]), rows[2]]
    before, after = row_hashes(pack_features(rows, SPEC)), row_hashes(pack_features(changed, SPEC))
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]


def test_hashes_do_not_depend_on_the_table_a_row_is_in() -> None:
    rows = [make_row(number) for number in range(6)]
    whole = row_hashes(pack_features(rows, SPEC))
    assert row_hashes(pack_features(rows, SPEC).slice(2, 3)) == whole[2:5]
    assert row_hashes(pack_features(rows[3:], SPEC)) == whole[3:]


def test_files_of_other_widths_do_not_belong_together() -> None:
    assert common_spec({"train.h5": SPEC, "val.h5": SPEC}) == SPEC
    with pytest.raises(ValueError, match="train.h5 and val.h5 do not belong together: num_cells is 7 and 0"):
        common_spec({"train.h5": SPEC, "val.h5": FeatureSpec(4, 3, 2, has_positions=True)})
