from hf_mlm.data.formats.raw_table import ROWS_PER_TABLE, raw_schema, raw_tables


def row(number: int) -> dict[str, object]:
    return {
        "entity_id": f"Q{number}",
        "label": "Ort",
        "summaries": {"en": None, "de": "Ein Ort.", "fr": None},
        "images": [{"bytes": b"png", "path": None}] * (number % 3),
        "classes": [],
        "latitude": 1.5,
        "longitude": -2.5,
        "country": None,
        "geo_cell": number,
    }


def test_rows_come_back_in_tables_of_bounded_size() -> None:
    rows = [row(number) for number in range(2 * ROWS_PER_TABLE + 1)]
    tables = list(raw_tables(iter(rows), has_cells=True))
    assert [table.num_rows for table in tables] == [ROWS_PER_TABLE, ROWS_PER_TABLE, 1]
    assert {table.schema for table in tables} == {raw_schema(has_cells=True)}
    assert [read for table in tables for read in table.to_pylist()] == rows


def test_cells_are_left_out_where_rows_have_none() -> None:
    (table,) = raw_tables([row(1)], has_cells=False)
    assert "geo_cell" not in table.column_names
    assert list(raw_tables([], has_cells=True)) == []
