import pytest

from hf_mlm.data.formats.ner_table import ROWS_PER_TABLE, SCHEMA, ner_tables


pytest.importorskip("datasets")


def test_the_schema_is_that_of_the_features() -> None:
    from hf_mlm.data.mmnerd import FEATURES

    assert FEATURES.arrow_schema.equals(SCHEMA)
    assert list(FEATURES) == ["id", "tokens", "ner_tags", "language", "source", "image_id", "image"]


def test_rows_are_packed_in_order() -> None:
    rows = [{"id": str(number), "tokens": ["a"], "ner_tags": [0]} for number in range(2 * ROWS_PER_TABLE + 1)]
    tables = list(ner_tables(iter(rows)))
    assert [len(table) for table in tables] == [ROWS_PER_TABLE, ROWS_PER_TABLE, 1]
    assert [name for table in tables for name in table["id"].to_pylist()] == [row["id"] for row in rows]
    assert tables[0]["image"].null_count == ROWS_PER_TABLE and tables[0].schema == SCHEMA
