"""From finished sentences to a folder that `load_dataset` opens, with the report of what is in it."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from hf_mlm.construction.manifest import OutputFile, code_version
from hf_mlm.construction.mmnerd.groups import split_groups
from hf_mlm.construction.mmnerd.records import RECORD_SCHEMA, Record, write_records
from hf_mlm.construction.mmnerd.table2 import table2
from hf_mlm.construction.mmnerd.tables import write_tables
from hf_mlm.construction.stage import write_rows
from hf_mlm.data.audit import audit
from hf_mlm.data.checks.rows import read_rows
from hf_mlm.data.disk import full_disk_in_words
from hf_mlm.data.formats.conll import Sentence, write_conll
from hf_mlm.data.formats.image_folder import ImageFolder
from hf_mlm.data.formats.mmnerd_layout import LANGUAGES, SPLIT_NAMES
from hf_mlm.data.formats.text_file import read_text
from hf_mlm.data.splits import SPLITS, group_split
from hf_mlm.files import sha256_of, write_text


MASTER, REPORT, TABLE, IMAGES = "sentences.jsonl", "report.json", "table2.json", "images.tsv"
_PARQUET_SCHEMA = RECORD_SCHEMA.append(pa.field("split", pa.string()))


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        folder: that `load_dataset("mmnerd", …, data_dir=…)` opens.
        sizes: split -> number of sentences.
        languages: that have sentences.
        below_minimum: captions that have fewer entities than an edition asks for, now that people have looked.
        files: the tables, see `write_tables`.
    """

    folder: Path
    sizes: dict[str, int]
    languages: list[str]
    below_minimum: int
    files: list[OutputFile]


def write_dataset(
    folder: Path,
    records: Sequence[Record],
    ratios: Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    min_entities: int = 0,
    published: Mapping[str, str] | None = None,
    image_dir: Path | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Written:
    """Divide sentences and write them: spans as JSONL, Parquet, CoNLL as MMNERD has it, report and statistics.

    Nothing that shares an image, or the text up to case, digits and signs, is on two sides; within that, shares are
    exact for each combination of language and source (8:1:1 in the 2M-NER paper). Images are neither copied nor
    changed: their hashes are listed, absent and broken ones are reported.

    Args:
        folder: to write.
        records: finished sentences.
        ratios: of train, validation and test.
        seed: of the split.
        min_entities: sentences with fewer are counted, not left out.
        published: image id -> split, to repeat a published division instead; it has to name every image.
        image_dir: folder of the images, named after their ids.
        facts: what else the report shall tell, such as the agreement.

    Raises:
        ValueError: if there are no sentences, or ``published`` does not name an image or a split.
        OSError: if the disk is full.
    """
    if not records:
        raise ValueError("there are no finished sentences to write a dataset of.")
    splits = _published(records, published) if published is not None else _split(records, ratios, seed)
    with full_disk_in_words(folder, "and run the same command again"):
        folder.mkdir(parents=True, exist_ok=True)
        files = _write_conll(folder, records, splits)
        rows = [record.to_row() | {"split": split} for record, split in zip(records, splits, strict=True)]
        write_records(folder / MASTER, records)
        write_rows(folder / "sentences.parquet", rows, _PARQUET_SCHEMA)
        checked = read_rows(files)
        images = None if image_dir is None else _list_images(folder / IMAGES, records, image_dir)
        tables = write_tables(folder, records, splits, images)
        short = sum(len(record.spans) < min_entities for record in records)
        sizes = {split: splits.count(split) for split in SPLITS}
        told = {"code": code_version("mmnerd"), "sizes": sizes, "below_min_entities": short, **(facts or {})}
        report = told | {"audit": audit(checked, images).to_dict()}
        write_text(folder / REPORT, _without(json.dumps(report, indent=1, ensure_ascii=False), folder, image_dir))
        write_text(folder / TABLE, json.dumps(table2(checked), indent=1, ensure_ascii=False))
    languages = [language for language in LANGUAGES if any(record.language == language for record in records)]
    return Written(folder, sizes, languages, short, tables)


def read_published(path: Path) -> dict[str, str]:
    """Read a division: image id, tab, split on each line.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: naming file and line, if a line is not that, or an image has two splits.
    """
    published: dict[str, str] = {}
    for number, row in enumerate(csv.reader(read_text(path).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE), 1):
        if len(row) != 2 or row[1] not in SPLITS or published.get(row[0], row[1]) != row[1]:
            raise ValueError(
                f"{path}:{number}: write an image id, a tab and one of {', '.join(SPLITS)}, once an image."
            )
        published[row[0]] = row[1]
    return published


def _split(records: Sequence[Record], ratios: Sequence[float], seed: int) -> list[str]:
    strata = [f"{record.language}/{record.source}" for record in records]
    numbers = group_split(split_groups(records), ratios, seed, strata)
    return [SPLITS[number] for number in numbers]


def _published(records: Sequence[Record], published: Mapping[str, str]) -> list[str]:
    unnamed = sorted({record.group_id for record in records} - set(published))
    if unnamed:
        raise ValueError(f"the published division does not name {len(unnamed)} images, such as {unnamed[0]!r}.")
    return [published[record.group_id] for record in records]


def _write_conll(folder: Path, records: Sequence[Record], splits: Sequence[str]) -> list[tuple[str, str, str]]:
    """Write the files of MMNERD; gives language, split and path of each, training files first."""
    sentences: dict[tuple[str, str], list[Sentence]] = {}
    for record, split in zip(records, splits, strict=True):
        sentence = Sentence(record.tokens, record.tags, record.image_id)
        sentences.setdefault((record.language, split), []).append(sentence)
    files = []
    for word, split in SPLIT_NAMES.items():
        for language in LANGUAGES:
            path = folder / f"train_valid_test_{language}" / f"{word}_conll_format.txt"
            path.unlink(missing_ok=True)  # of an earlier run with other sentences
            if (language, split) in sentences:
                path.parent.mkdir(exist_ok=True)
                write_conll(path, sentences[language, split])
                files.append((language, split, str(path)))
    return files


def _without(text: str, *folders: Path | None) -> str:
    """Take the folders out of the paths that a text names; whoever reads it has others."""
    for folder in filter(None, folders):
        text = text.replace(f"{folder}/", "")
    return text


def _list_images(path: Path, records: Sequence[Record], image_dir: Path) -> ImageFolder:
    """Write id, file and SHA-256 of the images that are there."""
    images = ImageFolder(image_dir)
    ids = sorted({record.image_id for record in records if record.image_id is not None})
    found = [(image_id, image) for image_id in ids if (image := images.find(image_id)) is not None]
    write_text(path, "".join(f"{image_id}\t{image.name}\t{sha256_of(image)}\n" for image_id, image in found))
    return images
