"""Card and Croissant of a folder of Parquet files: both open it, and give the same rows."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from datasets import Audio, ClassLabel, Features, List, Value, load_dataset
from datasets import Image as ImageFeature
from PIL import Image

from hf_mlm.construction.cards.card import (
    UNSTATED,
    Description,
    built_card,
    croissant,
    images_by_licence,
    stage_table,
    tables_in,
    write_dataset_card,
)
from hf_mlm.construction.stage import Ledger, OutputFile, StageManifest


def test_most_first_then_by_name(tmp_path: Path) -> None:
    for name, licences in {"a": ["CC0", None, "CC BY"], "b": ["CC BY", "AGPL", "CC0"]}.items():
        pq.write_table(pa.table({"licence": pa.array(licences, pa.string())}), tmp_path / f"{name}.parquet")
    counts = images_by_licence(sorted(tmp_path.iterdir()))
    assert list(counts.items()) == [("CC BY", 2), ("CC0", 2), ("AGPL", 1), (UNSTATED, 1)]
    assert images_by_licence([]) == {}


def test_rows_and_reasons() -> None:
    ledger = Ledger()
    ledger.dropped.update({"no image": 1200, "no article": 1})
    ledger.noted["several coordinates"] = 2
    files = [OutputFile(f"{number}.parquet", 1, 1500, "ab") for number in range(2)]
    lines = stage_table({"places": StageManifest.of_task("places", files, ledger)}).splitlines()
    assert lines[0] == "| stage | results | left out | noticed |"
    assert lines[2:] == ["| `places` | 3,000 | 1 no article; 1,200 no image | 2 several coordinates |"]


def test_tables(tmp_path: Path) -> None:
    names = ["b/test-00000-of-00001", "b/extra-00000-of-00001", "b/train-00001-of-00002", "b/train-00000-of-00002"]
    names += ["a/a-00000-of-00001", "b/notes", "b/train-1-of-2"]
    for rows, name in enumerate(names, 1):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"id": ["x"] * rows}), tmp_path / f"{name}.parquet")
    first, second = tables_in(tmp_path)
    assert (first.name, list(first.splits)) == ("a", ["a"])
    assert (second.name, list(second.splits)) == ("b", ["train", "test", "extra"])
    assert [file.name for file in second.files][:2] == [f"b/train-0000{n}-of-00002.parquet" for n in range(2)]
    assert second.rows("train") == 3 + 4 and second.features == Features({"id": Value("string")})
    info = second.info()
    assert info.splits["test"].num_examples == 1
    assert info.dataset_size == sum(path.stat().st_size for path in (tmp_path / "b").glob("*-0000*.parquet"))
    with pytest.raises(FileNotFoundError, match="such as CONFIG/train.*found none"):
        tables_in(tmp_path / "a")


def test_card(tmp_path: Path) -> None:
    for name, rows in {"credits/credits": 2, "en_de/test": 300, "en_de/train": 900}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"id": ["x"] * rows}), tmp_path / f"{name}-00000-of-00001.parquet")
    described = Description(
        "mine",
        "My rows",
        "Some rows.",
        ["en", "de"],
        {"cc-by-4.0": "https://example.org"},
        "@misc{mine}",
        "https://example.org",
        "1.0.0",
        tasks=["token-classification"],
        tags=["tests"],
        sections={"Limits": "Few."},
    )
    text = str(built_card(described, tables_in(tmp_path)))
    head = yaml.safe_load(text.split("---\n")[1])
    assert (
        head["license"] == ["cc-by-4.0"] and head["language"] == ["en", "de"] and head["tags"] == ["hf-mlm", "tests"]
    )
    assert head["pretty_name"] == "My rows" and head["size_categories"] == ["1K<n<10K"]
    assert head["configs"][1] == {
        "config_name": "en_de",
        "data_files": [{"split": "train", "path": "en_de/train-*"}, {"split": "test", "path": "en_de/test-*"}],
    }
    assert 'load_dataset("this/folder", "en_de")' in text  # the one to train on, not the first
    order = [line for line in text.splitlines() if line.startswith("## ")]
    assert order == ["## Configs", "## Limits", "## Files", "## Citation"] and "| `en_de` | train | 900 |" in text


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
    with pytest.raises(ValueError, match="found Audio"):
        described(tmp_path / "data" / "en", {"sound": Audio()})


FILES_FEATURES = Features(
    {
        "id": Value("string"),
        "tags": List(ClassLabel(names=["O", "B-LOC"])),
        "kind": ClassLabel(names=["city", "town"]),
        "size": Value("float64"),
        "texts": {"en": Value("string"), "de": Value("string")},
        "spans": List({"start": Value("int64"), "label": Value("string")}),
        "images": List(ImageFeature()),
    }
)
DESCRIPTION = Description(
    name="small",
    title="A small thing",
    summary="Five rows.",
    languages=("en", "de"),
    licences={"cc0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/"},
    citation="@misc{small}",
    url="https://example.org/",
    version="1.0.0",
    date="2026-01-05",
    based_on=("https://www.wikidata.org/",),
    sections={"Limits": "It is small."},
    responsible={"dataBiases": "All of it."},
)


def row(number: int) -> dict[str, Any]:
    picture = io.BytesIO()
    Image.new("RGB", (4 + number, 3)).save(picture, "PNG")
    return {
        "id": f"Q{number}",
        "tags": [0, 1][: number % 3],
        "kind": number % 2,
        "size": number / 4,
        "texts": {"en": f"text {number}", "de": None},
        "spans": [{"start": number, "label": "LOC"}] * (number % 2),
        "images": [{"bytes": picture.getvalue(), "path": f"{number}.png"}] * (number % 2),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three rows for training in two files, two for the test."""
    for name, numbers in {
        "train-00000-of-00002": [0, 1],
        "train-00001-of-00002": [2],
        "test-00000-of-00001": [3, 4],
    }.items():
        path = tmp_path / "data" / "en_de" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist([row(n) for n in numbers], schema=FILES_FEATURES.arrow_schema), path)
    write_dataset_card(tmp_path / "data", DESCRIPTION)
    return tmp_path / "data"


def test_datasets_opens_the_folder_by_its_card(folder: Path, tmp_path: Path) -> None:
    opened = load_dataset(str(folder), "en_de", cache_dir=str(tmp_path / "cache"))
    assert {split: rows["id"] for split, rows in opened.items()} == {"train": ["Q0", "Q1", "Q2"], "test": ["Q3", "Q4"]}
    assert opened["train"].features == FILES_FEATURES
    card = (folder / "README.md").read_text()
    assert "# A small thing" in card and "## Limits\n\nIt is small." in card and "- cc0-1.0" in card
    assert str(tmp_path) not in card


def test_croissant_gives_the_same_rows(folder: Path) -> None:
    croissant = pytest.importorskip("mlcroissant")
    dataset = croissant.Dataset(jsonld=folder / "croissant.json")
    assert not dataset.metadata.ctx.issues.errors and not dataset.metadata.ctx.issues.warnings
    assert dataset.metadata.ctx.is_v1_1()
    records = {record["en_de/id"].decode(): record for record in dataset.records("en_de")}
    assert sorted(records) == [f"Q{number}" for number in range(5)]
    for number in range(5):
        record, expected = records[f"Q{number}"], row(number)
        assert record["en_de/split"] == (b"train" if number < 3 else b"test")
        assert list(record["en_de/tags"]) == expected["tags"] and record["en_de/kind"] == expected["kind"]
        assert record["en_de/size"] == expected["size"]
        assert record["en_de/texts"] == {"en_de/texts/en": f"text {number}".encode(), "en_de/texts/de": None}
        assert [picture.size for picture in record["en_de/images"]] == [(4 + number, 3)] * (number % 2)
        assert len(record["en_de/spans"]) == number % 2
    names = {
        record["en_de_kind_names/number"]: record["en_de_kind_names/name"]
        for record in dataset.records("en_de_kind_names")
    }
    assert names == {0: "city", 1: "town"}


def test_every_file_is_there_with_its_hash(folder: Path) -> None:
    content = json.loads((folder / "croissant.json").read_text())
    objects = [entry for entry in content["distribution"] if entry["@type"] == "cr:FileObject"]
    assert len(objects) == 3
    for entry in objects:
        written = (folder / entry["contentUrl"]).read_bytes()
        assert hashlib.sha256(written).hexdigest() == entry["sha256"] and f"{len(written)} B" == entry["contentSize"]
        assert entry["sha256"] in (folder / "README.md").read_text()
    assert content["datePublished"] == "2026-01-05" and content["rai:dataBiases"] == "All of it."


def test_the_same_folder_gives_the_same_bytes(folder: Path) -> None:
    before = {name: (folder / name).read_bytes() for name in ("README.md", "croissant.json")}
    write_dataset_card(folder, DESCRIPTION)
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_a_folder_without_tables(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="such as CONFIG/train.*found none"):
        tables_in(tmp_path)
