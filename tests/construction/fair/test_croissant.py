"""Croissant's names for types; that the whole file opens is in test_files.py."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Audio, ClassLabel, Features, List, Value

from hf_mlm.construction.fair.croissant import croissant
from hf_mlm.construction.fair.description import Description
from hf_mlm.construction.fair.tables import tables_in


FEATURES = {
    "a": Value("int32"),
    "b": Value("float16"),
    "c": Value("bool"),
    "d": List({"e": Value("string")}),
    "f": List(ClassLabel(names=["x"])),
}


def described(folder: Path, features: dict[str, object]) -> dict[str, object]:
    folder.mkdir(parents=True)
    table = pa.Table.from_pylist([], schema=Features(features).arrow_schema)
    pq.write_table(table, folder / "train-00000-of-00001.parquet")
    about = Description("n", "t", "s", ["en"], {"cc0-1.0": "https://example.org"}, "c", "https://example.org", "1.0.0")
    return croissant(about, tables_in(folder.parent))


def test_fields(tmp_path: Path) -> None:
    content = described(tmp_path / "data" / "en", FEATURES)
    splits, rows, names = content["recordSet"]
    fields = {field["name"]: field for field in rows["field"]}
    assert [fields[name].get("dataType") for name in "abc"] == ["sc:Integer", "sc:Float", "sc:Boolean"]
    assert fields["d"]["repeated"] and fields["d"]["subField"][0]["source"]["transform"] == {"jsonPath": "e"}
    assert fields["f"]["dataType"] == "sc:Integer" and "en_f_names" in fields["f"]["description"]
    assert names["@id"] == "en_f_names" and splits["dataType"] == "cr:Split"
    assert "datePublished" not in content and "isBasedOn" not in content


def test_what_croissant_has_no_place_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no place in Croissant; write it as a list"):
        described(tmp_path / "data" / "en", {"sound": Audio()})
