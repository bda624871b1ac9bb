import logging
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import ClassLabel, load_dataset

import hf_mlm  # noqa: F401  (registers the builder)
from hf_mlm.data.mlm.archives.reading import Archive, ArchiveCells, open_archive
from hf_mlm.data.splits import SPLITS, hash_split
from hf_mlm.geo.partition import GeoCellPartition


CELLS = ArchiveCells(max_entities=3, min_entities=1)


def rows_of(source: Path, mapping: Any = None) -> dict[str, dict[str, Any]]:
    entries = Archive.open(source, mapping).entries()
    return {entry.row["entity_id"]: entry.row for entry in entries if entry.row is not None}


def kinds_of(source: Path, mapping: Any = None) -> list[str]:
    return sorted(fault.kind for entry in Archive.open(source, mapping).entries() for fault in entry.faults)


def test_a_row_has_what_its_record_has(make_archive: Callable[..., Path]) -> None:
    records = [
        {
            "id": "A/1 ß",
            "title": "Quay",
            "summaries": [{"language": "gsw", "text": " En Hafe. "}, {"pt-br": "Um porto."}],
            "images": ["a.jpg", {"file_name": "b.jpg"}],
            "coordinates": [53.5, "-9,5"],
            "classes": "harbour; photograph",
            "licence": "CC-BY-4.0",
            "donor": {"name": "Maier"},
            "year": 1901,
        }
    ]
    assert rows_of(make_archive(records, "a.json")) == {
        "A/1 ß": {
            "entity_id": "A/1 ß",
            "label": "Quay",
            "summaries": [{"language": "gsw", "text": "En Hafe."}, {"language": "pt-BR", "text": "Um porto."}],
            "images": ["a.jpg", "b.jpg"],
            "classes": ["harbour", "photograph"],
            "latitude": 53.5,
            "longitude": -9.5,
            "country": None,
            "date": "1901",
            "licence": "CC-BY-4.0",
            "credit": None,
            "extra": {"donor": '{"name": "Maier"}'},
        }
    }


def test_what_is_missing_is_normal(make_archive: Callable[..., Path]) -> None:
    rows = rows_of(make_archive())
    assert [len(row["summaries"]) for row in rows.values()] == [1, 0, 1]
    assert [row["images"] for row in rows.values()] == [["a.jpg"], ["b.jpg"], []]
    assert [row["latitude"] for row in rows.values()] == [53.5, None, 47.5]
    assert kinds_of(make_archive()) == ["no coordinates", "no image", "no text"]


ODD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a blank text": ({"text_en": " \u200b\n"}, ["blank text", "no text"]),
    "a braille blank": ({"text_en": "\u2800"}, ["blank text", "no text"]),
    "half a character": ({"text_en": "Hafen \ud83d"}, ["half a character"]),
    "an absent image": ({"image": "c.jpg"}, ["missing image", "no image"]),
    "an image at an address": ({"image": "https://a.b/c.jpg"}, ["missing image", "no image"]),
    "truth as coordinates": ({"lat": True, "lon": False}, ["truth values as coordinates"]),
    "the Moon": (
        {"lat": None, "lon": None, "wkt": "<http://www.wikidata.org/entity/Q405> Point(1 2)"},
        ["coordinates of another globe"],
    ),
    "0 to 360": ({"lon": 343.6}, ["longitude from 0 to 360"]),
    "no id": ({"id": None}, ["no id"]),
    "nothing at all": (
        {"text_en": "", "image": "", "lat": "", "lon": ""},
        ["empty record", "no coordinates", "no image", "no text"],
    ),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_values_are_faults_of_their_record_alone(case: str, make_archive: Callable[..., Path]) -> None:
    changes, kinds = ODD[case]
    record = {"id": "A-1", "title": "Quay", "text_en": "A harbour.", "image": "a.jpg", "lat": 53.5, "lon": -9.5}
    other = {**record, "id": "A-2"}
    folder = make_archive([{**record, **changes}, other], "a.json")
    assert kinds_of(folder) == kinds
    assert rows_of(folder)["A-2"]["latitude"] == 53.5


def test_markup_is_kept_as_text(make_archive: Callable[..., Path]) -> None:
    text = "<script>alert(1)</script> & more"
    (row,) = rows_of(make_archive([{"id": 1.0, "text": text}], "a.json")).values()
    assert (row["entity_id"], row["summaries"][0]["text"]) == ("1", text)


def test_an_id_twice_is_one_entity(make_archive: Callable[..., Path]) -> None:
    folder = make_archive([{"id": "A", "text": "x"}, {"id": "A", "text": "y"}], "a.json")
    assert kinds_of(folder).count("duplicate id") == 1
    source = open_archive(Archive.open(folder), CELLS)
    assert [sum(len(shard.numbers) for shard in shards) for shards in source.splits.values()] == [2]


def test_cells_and_splits_are_those_of_the_partition_and_the_hash(make_archive: Callable[..., Path]) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform((45, 5), (55, 15), (60, 2))
    records = [{"id": f"P{number}", "text": "x", "lat": lat, "lon": lon} for number, (lat, lon) in enumerate(points)]
    folder = make_archive([*records, {"id": "nowhere", "text": "x"}], "a.json")
    dataset = load_dataset("mlm", "archive", data_dir=str(folder), max_entities=9, min_entities=2)
    partition = GeoCellPartition.fit(*points.T, 9, 2)
    cells = dict(zip((f"P{number}" for number in range(60)), partition.assign(*points.T).tolist(), strict=True))
    for split, rows in dataset.items():
        assert rows.features["geo_cell"] == ClassLabel(names=partition.tokens)
        for row in rows:
            expected = cells.get(row["entity_id"], -1)
            assert row["geo_cell"] == (None if expected < 0 else expected)
            assert split == SPLITS[hash_split([row["entity_id"]])[0]]


def test_splits_of_the_source_are_kept(make_archive: Callable[..., Path]) -> None:
    records = [{"id": str(number), "text": "x", "split": ["train", "dev", "test"][number % 3]} for number in range(9)]
    sizes = open_archive(Archive.open(make_archive(records))).splits
    assert {split: [len(shard.numbers) for shard in shards] for split, shards in sizes.items()} == dict.fromkeys(
        SPLITS, [3]
    )


def test_cells_follow_from_the_number_of_positions() -> None:
    assert ArchiveCells().settings(30) == (10, 2, "paper")
    assert ArchiveCells().settings(3000) == (60, 6, "paper")
    assert ArchiveCells().settings(10**6) == (500, 20, "paper")
    assert ArchiveCells(7, 0, "authors").settings(3000) == (7, 0, "authors")


def test_loading_tells_in_one_line_what_is_left_out(make_archive: Callable[..., Path], caplog: Any) -> None:
    folder = make_archive([{"id": "1", "text": "x", "lat": "abc", "lon": "1"}, {"id": "2", "text": ""}])
    with caplog.at_level(logging.INFO, "hf_mlm"):
        load_dataset("mlm", "archive", data_dir=str(folder))
    (told,) = [record.getMessage() for record in caplog.records if "records" in record.getMessage()]
    assert "2 records, 1 rows, 0 with coordinates" in told
    assert "1 × unreadable coordinates" in told and "1 × empty record" in told


def test_broken_images_are_left_out_and_counted(make_archive: Callable[..., Path], caplog: Any) -> None:
    folder = make_archive()
    (folder / "b.jpg").write_bytes((folder / "b.jpg").read_bytes()[:300])
    rows = {
        row["entity_id"]: row for part in load_dataset("mlm", "archive", data_dir=str(folder)).values() for row in part
    }
    assert [len(rows[name]["images"]) for name in ("A-1", "A-2", "A-3")] == [1, 0, 0]
    assert "1 × unreadable image" in caplog.text


def test_a_zip_gives_the_rows_of_its_folder(make_archive: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_archive()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        for path in folder.iterdir():
            packed.write(path, f"x/{path.name}")
    one, other = (load_dataset("mlm", "archive", data_dir=str(path)) for path in (folder, tmp_path / "a.zip"))
    for split, rows in one.items():
        for row, same in zip(rows, other[split], strict=True):
            images, others = row.pop("images"), same.pop("images")
            assert row == same and [i.tobytes() for i in images] == [i.tobytes() for i in others]


def test_the_cache_follows_the_files_and_the_mapping(make_archive: Callable[..., Path], tmp_path: Path) -> None:
    folder, columns = make_archive(), tmp_path / "columns.yaml"
    columns.write_text("title: id\n")
    load = lambda: load_dataset("mlm", "archive", data_dir=str(folder), columns=str(columns))["train"][0]["label"]  # noqa: E731
    assert load().startswith("A-")
    columns.write_text("title: title\n")
    assert load() in ("Quay", "Hill", "Town")


WRONG = {
    "nothing": ({}, "archive has no data of its own"),
    "no folder": ({"data_dir": "/none"}, "no folder or file '/none'"),
    "an empty folder": ({"data_dir": "."}, "holds no records: expected a table"),
    "an unknown field": ({"data_dir": "plates.csv", "columns": {"titel": "x"}}, "did you mean 'title'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments_get_a_sentence(
    case: str, make_archive: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, message = WRONG[case]
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(make_archive() if "columns" in options else tmp_path / "empty")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load_dataset("mlm", "archive", **options)


def test_an_archive_travels_to_other_processes(make_archive: Callable[..., Path]) -> None:
    archive = Archive.open(make_archive())
    assert archive.files.names
    assert list(pickle.loads(pickle.dumps(archive)).entries()) == list(archive.entries())


@pytest.mark.real
def test_the_places_of_natural_earth(shared_data: Path) -> None:
    rows = load_dataset("mlm", "archive", data_dir=str(shared_data / "natural_earth" / "populated_places.jsonl"))
    assert sum(map(len, rows.values())) == 7343
    assert all(text["text"] for row in rows["test"] for text in row["summaries"])
    assert sum(row["latitude"] is None for part in rows.values() for row in part) == 1  # one lies at 0, 0


@pytest.mark.real
def test_the_authors_sample_is_an_archive_too(shared_data: Path) -> None:
    rows = rows_of(shared_data / "mlm" / "infer_samples")
    assert [(name, row["label"], len(row["images"])) for name, row in rows.items()] == [
        ("23178", "Bisceglie", 4),
        ("630749", "Escaudœuvres", 3),
    ]
    assert {text["language"] for row in rows.values() for text in row["summaries"]} == {"en", "de", "fr"}
