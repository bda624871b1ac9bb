"""The finished dataset: split, CoNLL files, Parquet tables, statistics, and the command that writes them all."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import ClassLabel, Features, List, Value

from hf_mlm.construction.executors import RECORD
from hf_mlm.construction.mmnerd.annotation import AGREEMENT, GOLD
from hf_mlm.construction.mmnerd.build import PROPOSALS, SENTENCES, TRANSLATIONS, NERBuildConfig, read_draft
from hf_mlm.construction.mmnerd.records import RECORD_SCHEMA, Record, read_records, write_records
from hf_mlm.construction.stage import MANIFEST, OutputFile, Row, StageManifest, code_version, write_rows
from hf_mlm.data.checks import ImageFolder
from hf_mlm.data.mmnerd.audit import audit
from hf_mlm.data.mmnerd.conll import Sentence, write_conll
from hf_mlm.data.mmnerd.layout import LANGUAGES, SPLIT_NAMES
from hf_mlm.data.mmnerd.rows import SOURCE_NAMES
from hf_mlm.data.mmnerd.schemes import TAGS, TYPES
from hf_mlm.data.mmnerd.statistics import Row as SentenceRow
from hf_mlm.data.mmnerd.statistics import Statistics, read_rows
from hf_mlm.data.splits import SPLITS, group_split
from hf_mlm.data.text_file import read_text
from hf_mlm.files import full_disk_in_words, sha256_of, write_text


def split_groups(records: Sequence[Record]) -> list[str]:
    """Group the sentences that a split must not tear apart.

    These share an image or, within a language, a text up to case, digits and signs, directly or by way of others.
    (Captions are made from templates: the English test part of MMNERD has 17 such texts of its training part.)

    Returns:
        the name of a group for each record: the group id of its first sentence.
    """
    parents: dict[str, str] = {}
    texts: dict[tuple[str, str], str] = {}
    for record in records:
        parents.setdefault(record.group_id, record.group_id)
        letters = "".join(sign for sign in record.text.casefold() if sign.isalpha())
        if letters:
            first = texts.setdefault((record.language, letters), record.group_id)
            _join(parents, first, record.group_id)
    return [_root(parents, record.group_id) for record in records]


def _root(parents: dict[str, str], group: str) -> str:
    while parents[group] != group:
        parents[group] = parents[parents[group]]
        group = parents[group]
    return group


def _join(parents: dict[str, str], one: str, other: str) -> None:
    parents[_root(parents, other)] = _root(parents, one)


def table2(rows: Iterable[SentenceRow]) -> dict[str, dict[str, Any]]:
    """Count sentences and entities by language and split.

    Returns:
        ``"en, train"`` … ``"en"`` … ``"all, train"`` … ``"all"``, the rows of the table, each with ``sentences``,
        ``mentions`` (every occurrence) and ``names`` (a name and type counting once a sentence, which comes closest to
        the paper's figures), these two by type and in all as ``entities``.
    """
    parts: dict[str, Statistics] = {}
    for row in rows:
        for language in (row.language, "all"):
            for name in (f"{language}, {row.split}", language):
                parts.setdefault(name, Statistics(language, row.split, "all")).add(row)
    ordered = sorted(parts, key=lambda name: name.startswith("all"))  # stable: the languages, then all together
    return {name: _line(parts[name]) for name in ordered}


def _line(part: Statistics) -> dict[str, Any]:
    return {"sentences": part.sentences, "mentions": _by_type(part.mentions), "names": _by_type(part.unique)}


def _by_type(counts: Counter[str]) -> dict[str, int]:
    return {kind: counts[kind] for kind in TYPES} | {"entities": counts.total()}


SOURCES = "image_sources"  # table of the origin of images
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
    """Write a file for each language and split, and one for the images; those of an earlier run are removed.

    Returns:
        the files, named ``LANGUAGE/SPLIT-00000-of-00001.parquet`` and ``image_sources/…``.
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
    """Give a row for each image and source, ordered by source and id."""
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


MASTER, REPORT, TABLE, IMAGES = "sentences.jsonl", "report.json", "table2.json", "images.tsv"
_PARQUET_SCHEMA = RECORD_SCHEMA.append(pa.field("split", pa.string()))


@dataclass(frozen=True)
class Written:
    """A written dataset."""

    folder: Path  # that `load_dataset("mmnerd", …, data_dir=…)` opens
    sizes: dict[str, int]  # split -> sentences
    languages: list[str]
    below_minimum: int  # sentences with fewer entities than the build config's minimum
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
        facts: more for the report, such as the agreement.

    Raises:
        ValueError: if there are no sentences, or ``published`` does not name an image or a split.
        OSError: if the disk is full.
    """
    if not records:
        raise ValueError("Expected one finished sentence or more, found none; collect answers first.")
    splits = _published(records, published) if published is not None else _split(records, ratios, seed)
    with full_disk_in_words(folder, "and run the same command again"):
        folder.mkdir(parents=True, exist_ok=True)
        files = _write_conll(folder, records, splits)
        write_text(folder / SOURCE_NAMES, source_lines(records))
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
                f"Expected an image id, a tab and one of {', '.join(SPLITS)}, once an image, found {row} at "
                f"{path}:{number}."
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
        raise ValueError(
            f"Expected a split of every image in the published division, found none of {len(unnamed)} images such as "
            f"{unnamed[0]!r}."
        )
    return [published[record.group_id] for record in records]


def source_lines(records: Iterable[Record]) -> str:
    """Lines of image id and source, by which `load_dataset` knows sources of one's own; "" of sentences without."""
    names: dict[str, set[str]] = {}
    for record in records:
        names.setdefault(record.image_id or "", set()).add(record.source)
    return "".join(f"{image_id}\t{min(each)}\n" for image_id, each in sorted(names.items()) if len(each) == 1)


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
    """Remove folders, which differ from disk to disk, from the paths in a text."""
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


def finish_dataset(
    target: Path,
    config: NERBuildConfig,
    proposals: bool = False,
    image_dir: Path | None = None,
    published: Path | None = None,
) -> Written:
    """Write the folder ``dataset`` of a build: see `write_dataset`, with card, Croissant and provenance.

    Run again, it writes the same.

    Args:
        target: folder of the build.
        config: of the build, for ratios, seed and minimum of entities.
        proposals: take the machine's entities instead of the decided ones.
        image_dir: folder of the images, named after their ids.
        published: file of a division to repeat, see `read_published`.

    Raises:
        FileNotFoundError: if the draft is not finished, or nothing is decided and ``proposals`` is not set.
        ValueError: as `write_dataset` and `read_published`.
        OSError: if the disk is full.
    """
    from hf_mlm.construction.cards.builds import MACHINE, PEOPLE, NERBuild, describe_ner_folder

    records, agreed = _finished(target, proposals)
    by = MACHINE if proposals else PEOPLE
    written = write_dataset(
        target / "dataset",
        records,
        config.ratios,
        config.seed,
        config.min_entities,
        read_published(published) if published else None,
        image_dir,
        {"annotated_by": by, "agreement": agreed},
    )
    record = json.loads((target / RECORD).read_text(encoding="utf-8"))
    division = {"published": published.name} if published else {"ratios": config.ratios, "seed": config.seed}
    describe_ner_folder(written, NERBuild(record, _manifests(target), by, agreed, division))
    return written


def _finished(target: Path, proposals: bool) -> tuple[list[Record], Mapping[str, Any] | None]:
    """Sentences, and the agreement of people."""
    if proposals:
        return read_draft(target), None
    if not (target / GOLD).is_file():
        raise FileNotFoundError(f"Expected decided sentences in {target}, found none; run agree, or pass --proposals.")
    return list(read_records(target / GOLD)), json.loads((target / AGREEMENT).read_text(encoding="utf-8"))


def _manifests(target: Path) -> dict[str, StageManifest]:
    paths = {name: target / name / MANIFEST for name in (SENTENCES, PROPOSALS, TRANSLATIONS)}
    return {name: StageManifest.load(path) for name, path in paths.items() if path.is_file()}
