"""Card and Croissant 1.1 of a folder of Parquet files, from one description.

Croissant (https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html) is JSON-LD: a ``FileObject`` for each
Parquet file with its hash, a ``FileSet`` and a ``RecordSet`` for each config, whose fields come from the features, and
a record set for the names of classes.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from datasets import ClassLabel, DatasetInfo, Features, Image, LargeList, List, SplitDict, SplitInfo, Value
from huggingface_hub import DatasetCard

from hf_mlm.construction.stage import OutputFile, StageManifest, remove_unfinished
from hf_mlm.files import write_text
from hf_mlm.publishing.cards import markdown_table
from hf_mlm.publishing.dataset_card import card_data, size_category


UNSTATED = "not stated"


def images_by_licence(paths: Iterable[Path]) -> dict[str, int]:
    """Count images by licence, most first."""
    counts: Counter[str] = Counter()
    for path in paths:
        with pq.ParquetFile(path) as opened:
            for batch in opened.iter_batches(columns=["licence"]):
                counts.update(licence or UNSTATED for licence in batch.column(0).to_pylist())
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


PROVENANCE = "provenance.json"


def stage_table(manifests: Mapping[str, StageManifest]) -> str:
    """Tabulate rows, and counts of dropped and noteworthy ones, in Markdown."""
    rows = [
        [f"`{name}`", f"{manifest.results:,}", _counted(manifest.dropped), _counted(manifest.noted)]
        for name, manifest in manifests.items()
    ]
    return markdown_table(["stage", "results", "left out", "noticed"], rows)


def _counted(counts: Mapping[str, int]) -> str:
    return "; ".join(f"{count:,} {reason}" for reason, count in counts.items()) or "–"


FILE = re.compile(r"(?P<config>[^/]+)/(?P<split>\w+)-\d{5}-of-\d{5}\.parquet")


@dataclass(frozen=True)
class Table:
    """A config of a dataset."""

    name: str
    splits: Mapping[str, tuple[OutputFile, ...]]
    features: Features

    @property
    def files(self) -> Iterator[OutputFile]:
        """The files of all splits."""
        return (file for files in self.splits.values() for file in files)

    def rows(self, split: str) -> int:
        """Number of rows of a split."""
        return sum(file.rows for file in self.splits[split])

    def info(self) -> DatasetInfo:
        """The table as `datasets` describes it."""
        sizes = {split: sum(file.bytes for file in files) for split, files in self.splits.items()}
        splits = SplitDict({split: SplitInfo(split, sizes[split], self.rows(split)) for split in self.splits})
        total = sum(sizes.values())
        return DatasetInfo(features=self.features, splits=splits, download_size=total, dataset_size=total)


def tables_in(folder: Path, files: Iterable[OutputFile] | None = None) -> list[Table]:
    """Find the tables of a folder: files named ``CONFIG/SPLIT-00000-of-00001.parquet``.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    found: dict[str, dict[str, list[OutputFile]]] = {}
    for file in _described(folder) if files is None else files:
        match = FILE.fullmatch(file.name)
        if match:
            found.setdefault(match["config"], {}).setdefault(match["split"], []).append(file)
    if not found:
        raise FileNotFoundError(
            f"Expected files such as CONFIG/train-00000-of-00001.parquet, found none in {folder}; name another folder."
        )
    return [_table(folder, config, splits) for config, splits in sorted(found.items())]


def _described(folder: Path) -> Iterator[OutputFile]:
    for path in sorted(folder.glob("*/*.parquet")):
        yield OutputFile.of(path, pq.read_metadata(path).num_rows, folder)


_ORDER = ("train", "validation", "test")


def _table(folder: Path, config: str, splits: Mapping[str, list[OutputFile]]) -> Table:
    ordered = sorted(splits, key=lambda split: (_ORDER.index(split) if split in _ORDER else len(_ORDER), split))
    listed = {split: tuple(sorted(splits[split], key=lambda file: file.name)) for split in ordered}
    schema = pq.read_schema(folder / listed[ordered[0]][0].name)
    return Table(config, listed, Features.from_arrow_schema(schema))


@dataclass(frozen=True)
class Description:
    """Facts of card and Croissant that the files do not tell.

    Attributes:
        name: short name, of letters, digits, ``-`` and ``_``.
        title: heading of the card.
        summary: one or two sentences of Markdown.
        languages: ISO 639-1 codes.
        licences: name that the Hub has for a licence -> address of its text, or a sentence where there is none.
        citation: BibTeX.
        url: page of the dataset or of the software that made it.
        version: semantic version.
        date: of the sources, ISO 8601, where it is known.
        based_on: addresses of the sources.
        tasks: the Hub's task categories.
        tags: for search.
        sections: heading -> Markdown, in the order of the card; provenance, licences and limits have to be among them.
        responsible: property of Croissant's RAI vocabulary, such as ``"dataBiases"`` -> text.
    """

    name: str
    title: str
    summary: str
    languages: Sequence[str]
    licences: Mapping[str, str]
    citation: str
    url: str
    version: str
    date: str | None = None
    based_on: Sequence[str] = ()
    tasks: Sequence[str] = ()
    tags: Sequence[str] = ()
    sections: Mapping[str, str] = field(default_factory=dict)
    responsible: Mapping[str, str] = field(default_factory=dict)


def built_card(description: Description, tables: Sequence[Table]) -> DatasetCard:
    """Write the card."""
    data = card_data({table.name: table.info() for table in tables})
    rows = sum(file.rows for table in tables for file in table.files)
    facts = {
        "license": list(description.licences),
        "language": list(description.languages),
        "pretty_name": description.title,
        "task_categories": list(description.tasks),
        "size_categories": [size_category(rows)],
        "tags": ["hf-mlm", *description.tags],
    }
    for name, value in facts.items():
        data[name] = value
    return DatasetCard(f"---\n{data}\n---\n\n{_body(description, tables)}\n")


def _body(description: Description, tables: Sequence[Table]) -> str:
    sections = {
        "Configs": markdown_table(["config", "split", "rows"], _sizes(tables)),
        **description.sections,
        "Files": _FILES + markdown_table(["file", "SHA-256"], _hashes(tables)),
        "Citation": f"```bibtex\n{description.citation.strip()}\n```",
    }
    blocks = [f"# {description.title}", description.summary, _snippet(tables)]
    blocks += [f"## {heading}\n\n{text}" for heading, text in sections.items()]
    return "\n\n".join(blocks)


_FILES = "`croissant.json` describes these files and their fields in Croissant 1.1.\n\n"


def _snippet(tables: Sequence[Table]) -> str:
    config = next((table.name for table in tables if "train" in table.splits), tables[0].name)
    lines = ["from datasets import load_dataset", "", f'rows = load_dataset("this/folder", "{config}")']
    return "\n".join(["```python", *lines, "```"])


def _sizes(tables: Sequence[Table]) -> list[list[str]]:
    return [[f"`{table.name}`", split, f"{table.rows(split):,}"] for table in tables for split in table.splits]


def _hashes(tables: Sequence[Table]) -> list[list[str]]:
    return [[f"`{file.name}`", f"`{file.sha256}`"] for table in tables for file in table.files]


VERSION = "http://mlcommons.org/croissant/1.1"
RESPONSIBLE_AI = "http://mlcommons.org/croissant/RAI/1.0"
PARQUET = "application/x-parquet"
_TYPES = {"string": "sc:Text", "large_string": "sc:Text", "bool": "sc:Boolean", "binary": "sc:Text"}
_OWN_NAMES = [
    "arrayShape",
    "citeAs",
    "column",
    "containedIn",
    "equivalentProperty",
    "extract",
    "field",
    "fileObject",
    "fileProperty",
    "fileSet",
    "format",
    "includes",
    "isArray",
    "isLiveDataset",
    "jsonPath",
    "key",
    "md5",
    "parentField",
    "path",
    "recordSet",
    "references",
    "regex",
    "repeated",
    "replace",
    "samplingRate",
    "separator",
    "source",
    "subField",
    "transform",
]
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "description": {"@container": "@language"},
    **{name: f"cr:{name}" for name in _OWN_NAMES},
}


def croissant(description: Description, tables: Sequence[Table]) -> dict[str, Any]:
    """Describe a dataset's folder as Croissant JSON-LD, whose addresses are relative to the folder."""
    known = {
        "datePublished": description.date,
        "isBasedOn": list(description.based_on) or None,
        **{f"rai:{name}": text for name, text in description.responsible.items()},
    }
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [VERSION, RESPONSIBLE_AI],
        "name": description.name,
        "alternateName": description.title,
        "description": description.summary,
        "license": list(description.licences.values()),
        "url": description.url,
        "version": description.version,
        "creator": {"@type": "sc:Organization", "name": "hf_mlm", "url": description.url},
        "inLanguage": list(description.languages),
        "keywords": list(description.tags),
        "citeAs": description.citation.strip(),
        **{name: value for name, value in known.items() if value is not None},
        "distribution": [entry for table in tables for entry in _distribution(table)],
        "recordSet": [entry for table in tables for entry in _record_sets(table)],
    }


def _distribution(table: Table) -> Iterator[dict[str, Any]]:
    for file in table.files:
        yield _file_object(file)
    yield {
        "@type": "cr:FileSet",
        "@id": _file_set(table),
        "name": _file_set(table),
        "description": f"All Parquet files of the config {table.name}.",
        "encodingFormat": PARQUET,
        "includes": f"{table.name}/*.parquet",
    }


def _file_object(file: OutputFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.name,
        "name": file.name,
        "description": f"{file.rows:,} rows.",
        "contentUrl": file.name,
        "contentSize": f"{file.bytes} B",
        "encodingFormat": PARQUET,
        "sha256": file.sha256,
    }


def _file_set(table: Table) -> str:
    return f"{table.name}-files"


def _record_sets(table: Table) -> Iterator[dict[str, Any]]:
    yield _enumeration(f"{table.name}_splits", list(table.splits), "cr:Split")
    yield {
        "@type": "cr:RecordSet",
        "@id": table.name,
        "name": table.name,
        "description": f"Rows of the config {table.name}.",
        "field": [_split_field(table), *_fields(table)],
    }
    for column, feature in table.features.items():
        names = getattr(_element(feature), "names", None)
        if names:
            yield _enumeration(f"{table.name}_{column}_names", names, "sc:Enumeration")


def _enumeration(identifier: str, names: Sequence[str], kind: str) -> dict[str, Any]:
    """The names of classes or splits; those of classes in the order of their numbers."""
    number, name = f"{identifier}/number", f"{identifier}/name"
    return {
        "@type": "cr:RecordSet",
        "@id": identifier,
        "name": identifier,
        "dataType": kind,
        "key": {"@id": name},
        "field": [
            {"@type": "cr:Field", "@id": number, "name": "number", "dataType": "sc:Integer"},
            {"@type": "cr:Field", "@id": name, "name": "name", "dataType": "sc:Text"},
        ],
        "data": [{number: position, name: each} for position, each in enumerate(names)],
    }


def _split_field(table: Table) -> dict[str, Any]:
    source = {
        "fileSet": {"@id": _file_set(table)},
        "extract": {"fileProperty": "fullpath"},
        "transform": {"regex": r"^.*?(\w+)-\d{5}-of-\d{5}\.parquet$"},
    }
    return _field(f"{table.name}/split", "sc:Text", source) | {"description": "Name of the split."}


def _fields(table: Table) -> Iterator[dict[str, Any]]:
    for column, feature in table.features.items():
        yield _column(f"{table.name}/{column}", feature, {"@id": _file_set(table)}, column, [])


def _column(identifier: str, feature: Any, files: Any, column: str, path: list[str]) -> dict[str, Any]:
    """A field, with those below it; ``path`` leads to it within the column's values."""
    inner = _element(feature)
    repeated = {"repeated": True} if inner is not feature else {}
    if isinstance(inner, Mapping):
        below = [_column(f"{identifier}/{name}", each, files, column, [*path, name]) for name, each in inner.items()]
        return _field(identifier, None, None) | repeated | {"subField": below}
    steps = [*path, "bytes"] if isinstance(inner, Image) else path
    transform = {"transform": {"jsonPath": ".".join(steps)}} if steps else {}
    source = {"fileSet": files, "extract": {"column": column}} | transform
    said = {"description": f"Number of a class in {_names_of(identifier)}."} if isinstance(inner, ClassLabel) else {}
    return _field(identifier, _data_type(inner), source) | said | repeated


def _names_of(identifier: str) -> str:
    return identifier.replace("/", "_") + "_names"


def _field(identifier: str, data_type: str | None, source: Any) -> dict[str, Any]:
    known = {"dataType": data_type, "source": source}
    name = identifier.rpartition("/")[2]
    return {"@type": "cr:Field", "@id": identifier, "name": name} | {
        key: value for key, value in known.items() if value is not None
    }


def _element(feature: Any) -> Any:
    """The feature of a list's elements; any other feature itself."""
    if isinstance(feature, (List, LargeList)):
        return feature.feature
    return feature


def _data_type(feature: Any) -> str:
    """Croissant's name of a type."""
    if isinstance(feature, Image):
        return "sc:ImageObject"
    if isinstance(feature, ClassLabel):
        return "sc:Integer"
    if isinstance(feature, Value):
        kind = str(feature.dtype)
        return _TYPES.get(kind) or ("sc:Integer" if "int" in kind else "sc:Float" if "float" in kind else "sc:Text")
    raise ValueError(f"Expected lists, structs and plain values, found {feature!r}, which Croissant cannot describe.")


CARD, CROISSANT = "README.md", "croissant.json"


def write_dataset_card(folder: Path, description: Description, files: Iterable[OutputFile] | None = None) -> None:
    """Write ``README.md``, by which ``load_dataset(folder, config)`` opens the folder, and ``croissant.json``.

    Unfinished files of an interrupted run are removed. The same folder and description give the same bytes.

    Args:
        folder: with files named ``CONFIG/SPLIT-00000-of-00001.parquet``.
        description: of the dataset.
        files: of the folder's manifest; every file is read and hashed when omitted.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    remove_unfinished(folder)
    tables = tables_in(folder, files)
    write_text(folder / CARD, str(built_card(description, tables)))
    write_text(folder / CROISSANT, json.dumps(croissant(description, tables), indent=1, ensure_ascii=False))
