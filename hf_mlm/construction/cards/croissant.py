"""Croissant 1.1, the JSON-LD vocabulary for datasets (https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html).

Every Parquet file is a ``FileObject`` with its hash, every config a ``FileSet`` and a ``RecordSet``, whose fields come
from the features; names of classes are record sets of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Image, LargeList, List, Value

from hf_mlm.construction.cards.card import Description, Table, built_card, tables_in
from hf_mlm.construction.manifest import OutputFile
from hf_mlm.construction.stage import forget_unfinished
from hf_mlm.files import write_text


VERSION = "http://mlcommons.org/croissant/1.1"
RESPONSIBLE_AI = "http://mlcommons.org/croissant/RAI/1.0"
PARQUET = "application/x-parquet"
_TYPES = {"string": "sc:Text", "large_string": "sc:Text", "bool": "sc:Boolean", "binary": "sc:Text"}
_OWN_NAMES = (
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
)
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
    """Describe a dataset's folder as Croissant JSON-LD, whose addresses are relative to the folder.

    Args:
        description: of the dataset.
        tables: of its folder.
    """
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
    """What a list is of; everything else itself."""
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
    raise ValueError(f"{feature!r} has no place in Croissant; write it as a list, a struct or a plain value.")


CARD, CROISSANT = "README.md", "croissant.json"


def write_fair_files(folder: Path, description: Description, files: Iterable[OutputFile] | None = None) -> None:
    """Write ``README.md``, by which ``load_dataset(folder, config)`` opens the folder, and ``croissant.json``.

    What an interrupted run has left half-written goes. The same folder and description give the same bytes.

    Args:
        folder: with files named ``CONFIG/SPLIT-00000-of-00001.parquet``.
        description: what they cannot tell.
        files: what the folder's manifest says; every file is read and hashed when omitted.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    forget_unfinished(folder)
    tables = tables_in(folder, files)
    write_text(folder / CARD, str(built_card(description, tables)))
    write_text(folder / CROISSANT, json.dumps(croissant(description, tables), indent=1, ensure_ascii=False))
