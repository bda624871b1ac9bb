"""What stays together."""

from __future__ import annotations

import hashlib
import json
import resource
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import Features, load_dataset
from PIL import Image

import hf_mlm  # noqa: F401, registers mmnerd
from hf_mlm.construction.mmnerd.dataset import (
    SENTENCE_FEATURES,
    read_published,
    split_groups,
    table2,
    write_dataset,
    write_tables,
)
from hf_mlm.construction.mmnerd.records import Record, read_records
from hf_mlm.data.checks import ImageFolder
from hf_mlm.data.mmnerd.conll import Sentence
from hf_mlm.data.mmnerd.schemes import TAGS
from hf_mlm.data.mmnerd.statistics import Row


def test_groups(record) -> None:
    records = [
        record("Slide 9 of Rome", id="web/en/1"),
        record("Folie 9", id="web/de/1", language="de"),
        record("slide 12 of rome!", id="web/en/2"),
        record("Folie", id="web/de/3", language="de"),
        record("Folie", id="web/en/4"),
        record("2019", id="web/en/5"),
        record("2020", id="web/en/6"),
    ]
    one, image, text, both, alone, year, other = split_groups(records)
    assert one == image == text == both  # by image, by text, and by the text of its translation
    assert len({one, alone, year, other}) == 4


def row(language: str, split: str, *words: tuple[str, str]) -> Row:
    tokens, tags = zip(*words, strict=True)
    return Row(Sentence(list(tokens), list(tags), "1"), language, split)


def test_both_ways_of_counting() -> None:
    rome, other = ("Rome", "B-LOC"), ("or", "O")
    table = table2([row("en", "train", rome, other, rome), row("en", "test", other), row("de", "train", rome)])
    assert list(table) == ["en, train", "en", "en, test", "de, train", "de", "all, train", "all", "all, test"]
    nothing = {"PER": 0, "ORG": 0, "MISC": 0}
    assert table["en, train"] == {
        "sentences": 1,
        "mentions": nothing | {"LOC": 2, "entities": 2},
        "names": nothing | {"LOC": 1, "entities": 1},
    }
    assert table["all"]["sentences"] == 3 and table["all"]["mentions"]["entities"] == 3
    assert table["all"]["names"]["LOC"] == 2 and table["en, test"]["mentions"]["entities"] == 0


@pytest.fixture
def records(record: Callable[..., Record]) -> list[Record]:
    one = replace(record("Ada in Rome", ("Ada", "PER"), ("Rome", "LOC")), image_url="https://example.org/1.png")
    german = replace(one, id="web/de/1", language="de")
    own = replace(record("New York", ("New York", "LOC"), id="web/en/2"), licence="CC BY 4.0")
    return [one, german, own, replace(record("no image", id="web/en/3"), image_id=None)]


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return pq.read_table(folder / f"{name}-00000-of-00001.parquet").to_pylist()


def test_sentences(records: list[Record], tmp_path: Path) -> None:
    files = write_tables(tmp_path, records, ["train", "train", "test", "train"])
    assert [(file.name.split("-")[0], file.rows) for file in files] == [
        ("en/train", 2),
        ("en/test", 1),
        ("de/train", 1),
        ("image_sources/image_sources", 2),
    ]
    for file in files:
        assert hashlib.sha256((tmp_path / file.name).read_bytes()).hexdigest() == file.sha256
    assert rows(tmp_path, "de/train") == [
        {
            "id": "web/de/1",
            "text": "Ada in Rome",
            "tokens": ["Ada", "in", "Rome"],
            "ner_tags": [1, 0, 3],
            "spans": [{"start": 0, "end": 3, "label": "PER"}, {"start": 7, "end": 11, "label": "LOC"}],
            "language": "de",
            "source": "web",
            "image_id": "1",
        }
    ]
    schema = pq.read_schema(tmp_path / "en" / "test-00000-of-00001.parquet")
    assert Features.from_arrow_schema(schema) == SENTENCE_FEATURES


def test_images(records: list[Record], tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "2.jpg").write_bytes(b"picture")
    write_tables(tmp_path, records, ["train"] * 4, ImageFolder(tmp_path / "images"))
    first, second = rows(tmp_path, "image_sources/image_sources")
    assert first == {
        "image_id": "1",
        "source": "web",
        "url": "https://example.org/1.png",
        "licence": "as found",
        "sentences": 2,
        "file": None,
        "sha256": None,
    }
    assert (second["url"], second["licence"], second["file"]) == (None, "CC BY 4.0", "2.jpg")
    assert second["sha256"] == hashlib.sha256(b"picture").hexdigest()


def test_what_an_earlier_run_has_left_goes(records: list[Record], tmp_path: Path) -> None:
    write_tables(tmp_path, records, ["validation"] * 4)
    write_tables(tmp_path, records[:1], ["train"])
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.parquet")}
    assert written == {f"{name}-00000-of-00001.parquet" for name in ("en/train", "image_sources/image_sources")}


WORDS = [a + b for a in ("ka", "lo", "mi", "nu", "pe") for b in ("ra", "so", "ti", "vu", "xa", "ye")]


@pytest.fixture
def records_dataset(record):
    """30 images, each with a sentence in English and one in German, all different."""
    texts = [f"{word} {other} in Rome" for word, other in zip(WORDS, WORDS[::-1], strict=True)]
    english = [record(text, ("Rome", "LOC"), id=f"web/en/i{n}") for n, text in enumerate(texts)]
    german = [record(f"sah {text}", ("Rome", "LOC"), id=f"web/de/i{n}", language="de") for n, text in enumerate(texts)]
    return [*english, *german]


def test_dataset(records_dataset, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(20):
        Image.new("RGB", (4, 4)).save(images / f"i{number}.png")
    (images / "i20.png").write_bytes(b"")
    written = write_dataset(
        tmp_path / "out", records_dataset, min_entities=2, image_dir=images, facts={"agreement": 1}
    )
    assert written.sizes == {"train": 48, "validation": 6, "test": 6} and written.below_minimum == 60
    assert list(read_records(tmp_path / "out" / "sentences.jsonl")) == records_dataset
    rows = load_dataset("mmnerd", "en+de", data_dir=str(tmp_path / "out"))
    sides = {split: {row["image_id"] for row in rows[split]} for split in rows}
    assert sum(map(len, sides.values())) == len(set().union(*sides.values())) == 30
    one = next(row for row in rows["train"] if row["language"] == "en")
    expected = next(item for item in records_dataset if item.image_id == one["image_id"])
    assert one["tokens"] == expected.tokens and [TAGS[tag] for tag in one["ner_tags"]] == expected.tags
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["agreement"] == 1 and len(report["audit"]["images"]["broken"]) > 0
    assert all(leak["other_languages"] == 0 for leak in report["audit"]["leakage"])
    table = json.loads((tmp_path / "out" / "table2.json").read_text())
    assert (
        table["all"]["sentences"] == 60
        and table["en, train"]["names"]["LOC"] == 24 == table["en, train"]["mentions"]["entities"]
    )
    assert len((tmp_path / "out" / "images.tsv").read_text().splitlines()) == 21


def test_a_published_division(records_dataset, tmp_path: Path) -> None:
    lines = [f"i{number}\t{'test' if number < 3 else 'train'}" for number in range(30)]
    (tmp_path / "split.tsv").write_text("\n".join(lines))
    published = read_published(tmp_path / "split.tsv")
    assert write_dataset(tmp_path / "out", records_dataset, published=published).sizes == {
        "train": 54,
        "validation": 0,
        "test": 6,
    }
    with pytest.raises(ValueError, match="found none of 1 images such as 'i7'"):
        write_dataset(tmp_path / "out", records_dataset, published={k: v for k, v in published.items() if k != "i7"})
    (tmp_path / "split.tsv").write_text("i1\tdev\n")
    with pytest.raises(ValueError, match="found .'i1', 'dev'. at .*split.tsv:1"):
        read_published(tmp_path / "split.tsv")


def test_the_same_again(records_dataset, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_dataset(tmp_path / name, records_dataset, seed=5)
    files = [
        sorted(path.relative_to(tmp_path / name) for path in (tmp_path / name).rglob("*") if path.is_file())
        for name in ("one", "two")
    ]
    assert files[0] == files[1] and Counter(map(str, files[0]))["report.json"] == 1
    for file in files[0]:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_full_disk_is_said_and_survived(records_dataset, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
        with pytest.raises(OSError, match="no room is left to write in .*/out"):
            write_dataset(tmp_path / "out", records_dataset)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((tmp_path / "out").rglob("*.part"))
    assert write_dataset(tmp_path / "out", records_dataset).sizes["train"] == 48


def test_nothing_to_write(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one finished sentence or more"):
        write_dataset(tmp_path / "out", [])
