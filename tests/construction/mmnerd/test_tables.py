"""The Parquet tables: what the sentences say, image by image and language by language."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import Features

from hf_mlm.construction.mmnerd.records import Record
from hf_mlm.construction.mmnerd.tables import SENTENCE_FEATURES, write_tables
from hf_mlm.data.formats.image_folder import ImageFolder


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
