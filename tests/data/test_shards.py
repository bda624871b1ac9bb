from datasets import Features, Image, List, Value

from hf_mlm.data.shards import pack_rows


FEATURES = Features({"name": Value("string"), "images": List(Image()), "number": Value("int64")})


def row(number: int) -> dict[str, object]:
    return {"name": "Ort", "images": [{"bytes": b"png", "path": None}] * (number % 3), "number": number}


def test_rows_come_back_in_tables_of_bounded_size() -> None:
    rows = [row(number) for number in range(2 * 128 + 1)]
    tables = list(pack_rows(iter(rows), FEATURES))
    assert [table.num_rows for table in tables] == [128, 128, 1]
    assert all(table.schema.equals(FEATURES.arrow_schema) for table in tables)
    assert [read for table in tables for read in table.to_pylist()] == rows


def test_no_rows_make_no_table() -> None:
    assert list(pack_rows([], FEATURES)) == []
