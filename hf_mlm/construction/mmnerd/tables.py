"""The Parquet tables of a finished dataset: its sentences by language and split, and where each image is from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from datasets import ClassLabel, Features, List, Value

from hf_mlm.construction.manifest import OutputFile
from hf_mlm.construction.mmnerd.records import Record
from hf_mlm.construction.stage import Row, write_rows
from hf_mlm.data.formats.image_folder import ImageFolder
from hf_mlm.data.formats.iob2 import TAGS
from hf_mlm.data.formats.mmnerd_layout import LANGUAGES
from hf_mlm.data.splits import SPLITS
from hf_mlm.files import sha256_of


SOURCES = "image_sources"  # table that says where images are from
SENTENCE_FEATURES = Features(
    {
        "id": Value("string"),
        "text": Value("string"),
        "tokens": List(Value("string")),
        "ner_tags": List(ClassLabel(names=list(TAGS))),
        "spans": List({"start": Value("int64"), "end": Value("int64"), "label": Value("string")}),
        "language": Value("string"),
        "source": Value("string"),
        "image_id": Value("string"),
    }
)
SOURCE_SCHEMA = pa.schema(
    {
        **dict.fromkeys(("image_id", "source", "url", "licence"), pa.string()),
        "sentences": pa.int64(),
        **dict.fromkeys(("file", "sha256"), pa.string()),
    }
)


def write_tables(
    folder: Path, records: Sequence[Record], splits: Sequence[str], images: ImageFolder | None = None
) -> list[OutputFile]:
    """Write a file for each language and split, and one for the images; those of an earlier run go.

    Args:
        folder: of the dataset.
        records: finished sentences.
        splits: of each sentence.
        images: the images' own folder, if it is at hand: names and hashes of its files go into the table.

    Returns:
        what was written, named ``LANGUAGE/SPLIT-00000-of-00001.parquet`` and ``image_sources/…``.
    """
    rows: dict[str, list[Row]] = {}
    for record, split in zip(records, splits, strict=True):
        rows.setdefault(f"{record.language}/{split}", []).append(_row(record))
    files = []
    for name in (f"{language}/{split}" for language in LANGUAGES for split in SPLITS):
        path = _path(folder, name)
        path.unlink(missing_ok=True)
        if name in rows:
            files.append(_write(path, rows[name], SENTENCE_FEATURES.arrow_schema, folder))
    return [*files, _write(_path(folder, f"{SOURCES}/{SOURCES}"), image_rows(records, images), SOURCE_SCHEMA, folder)]


def image_rows(records: Iterable[Record], images: ImageFolder | None = None) -> Iterator[Row]:
    """Give a row for each image and what a source says about it, ordered by source and id.

    Args:
        records: sentences; those without an image add nothing.
        images: the images' own folder, or None.
    """
    counts = Counter(
        (record.source, record.image_id, record.image_url or "", record.licence)
        for record in records
        if record.image_id is not None
    )
    for (source, image_id, url, licence), sentences in sorted(counts.items()):
        path = images.find(image_id) if images else None
        yield {
            "image_id": image_id,
            "source": source,
            "url": url or None,
            "licence": licence or None,
            "sentences": sentences,
            "file": path and path.name,
            "sha256": path and sha256_of(path),
        }


def _row(record: Record) -> Row:
    spans = [span._asdict() for span in record.spans]
    made = {"tokens": record.tokens, "ner_tags": [TAGS.index(tag) for tag in record.tags], "spans": spans}
    return made | {name: getattr(record, name) for name in ("id", "text", "language", "source", "image_id")}


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}-00000-of-00001.parquet"


def _write(path: Path, rows: Iterable[Row], schema: pa.Schema, folder: Path) -> OutputFile:
    path.parent.mkdir(parents=True, exist_ok=True)
    return replace(write_rows(path, rows, schema), name=path.relative_to(folder).as_posix())
