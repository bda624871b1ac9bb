"""The last stage: rows as `load_dataset("mlm", …)` gives them, in Parquet, one folder a config."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq
from datatrove.data import Document

from hf_mlm.construction.manifest import MANIFEST, OutputFile, StageManifest
from hf_mlm.construction.mlm.items import first_label
from hf_mlm.construction.mlm.selection import CONFIGS, Folders
from hf_mlm.construction.stage import Block, ReadStage, Row, SealStage, Stage, to_document
from hf_mlm.data.mlm.builder import raw_features
from hf_mlm.data.mlm.built_rows import INDEX, BuiltRows
from hf_mlm.files import full_disk_in_words
from hf_mlm.geo.partition import GeoCellPartition


ROWS_PER_GROUP = 128  # images make rows large
LICENCES, ARTICLES = "image_licences", "summary_sources"  # tables that say whom to credit
_CREDITS = ("name", "mime", "author", "licence", "licence_url", "credit", "page", "sha1")
_LICENCE_SCHEMA = pa.schema({"entity_id": pa.string(), "image": pa.string(), **dict.fromkeys(_CREDITS, pa.string())})
_ARTICLE_SCHEMA = pa.schema(
    {"entity_id": pa.string(), "language": pa.string(), "article": pa.string(), "revision": pa.int64()}
)


class JoinStages(Block):
    """Puts together what the stages say about the entities of a task.

    Args:
        folders: of the build.
        languages: the first with a label names an entity.
    """

    name = "join stages"

    def __init__(self, folders: Folders, languages: Sequence[str]) -> None:
        super().__init__()
        self.folders, self.languages = folders, tuple(languages)

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give finished rows, each with its ``split`` and its ``cells`` by config."""
        chosen = {row["id"]: row for row in self._rows("selection", whole=True) if row["task"] == rank}
        labels = {row["id"]: row["label"] for row in self._rows("names", whole=True) if row["label"]}
        summaries = self._rows("summaries", rank, world_size)
        places = zip(
            self._rows("places", rank, world_size), self._rows("images", rank, world_size), strict=True
        )  # both have every place of the task, in the same order; summaries only those with one
        summary = next(summaries, None)
        for place, images in places:
            if summary is None or summary["id"] != place["id"]:
                continue
            decision = chosen.pop(place["id"], None)
            if decision is not None:
                yield to_document(self._row(place, images["images"], summary, labels) | _fate(decision))
            summary = next(summaries, None)

    def _rows(self, stage: str, rank: int = 0, world_size: int = 1, whole: bool = False) -> Iterator[Row]:
        reader = ReadStage(self.folders[stage], whole)
        reader.ledger = self.ledger
        return reader.rows(rank, world_size)

    def _row(self, place: Row, images: list[Row], summary: Row, labels: Mapping[str, str]) -> Row:
        label = first_label(place["labels"], self.languages) or first_label(place["sitelinks"], self.languages)
        unlabelled = [item for item in place["classes"] if item not in labels]
        self.note("class without a label", len(unlabelled))
        named = {name: place[name] for name in ("id", "latitude", "longitude")}
        classes = [labels[item] for item in place["classes"] if item in labels]
        texts = {"summaries": summary["summaries"], "articles": _articles(place, summary)}
        return named | texts | {"label": label, "images": images, "classes": classes}


def _articles(place: Row, summary: Row) -> list[Row]:
    """Where each summary was taken from, which its licence wants to be said."""
    return [
        {"language": language, "article": place["sitelinks"][language], "revision": summary["revisions"][language]}
        for language, text in summary["summaries"].items()
        if text
    ]


def _fate(decision: Row) -> Row:
    cells = {config: decision[column] for config, column in CONFIGS.items() if decision[column] is not None}
    return {"split": decision["split"], "country": decision["country"], "cells": cells}


class WriteDataset(Block):
    """Writes the rows of a task into a file for each config and split, and whom to credit for images and summaries.

    Args:
        folders: of the build.
        languages: of the summaries.
    """

    name = "write dataset"

    def __init__(self, folders: Folders, languages: Sequence[str]) -> None:
        super().__init__()
        self.folders, self.languages = folders, tuple(languages)

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Write everything and then the manifest; gives nothing.

        Raises:
            OSError: if the disk is full; nothing half-written is left under a final name.
        """
        self.ledger.clear()
        folder = self.folders["dataset"]
        credits = {LICENCES: _LICENCE_SCHEMA, ARTICLES: _ARTICLE_SCHEMA}
        schemas = config_schemas(self.folders, self.languages) | credits
        with full_disk_in_words(folder, "and run the same command again: finished tasks are kept"):
            with ExitStack() as stack:
                files = _Files(folder, f"{rank:05d}-of-{world_size:05d}", schemas, stack)
                for document in data or ():
                    files.add(document.metadata)
                written = files.finish()
            manifest = StageManifest.of_task("dataset", written, self.ledger, "mlm")
            manifest.save(folder / f"{rank:05d}.json")
        return iter(())


class _Files:
    """The open files of a task, by config and split; rows are written a group at a time."""

    def __init__(self, folder: Path, part: str, schemas: Mapping[str, pa.Schema], stack: ExitStack) -> None:
        self.folder, self.part, self.schemas, self.stack = folder, part, schemas, stack
        self.writers: dict[str, pq.ParquetWriter] = {}
        self.waiting: dict[str, list[Row]] = {}
        self.rows: dict[str, int] = {}

    def add(self, row: Row) -> None:
        split, cells = row["split"], row["cells"]
        published = {name: row[name] for name in _PUBLISHED} | {"entity_id": row["id"]}
        published["images"] = [_image(row["id"], image, number) for number, image in enumerate(row["images"])]
        self._put("mlm", f"mlm/{split}", published)
        for config, cell in cells.items():
            self._put(config, f"{config}/{split}", published | {"geo_cell": cell})
        for article in row["articles"]:
            self._put(ARTICLES, f"{ARTICLES}/{ARTICLES}", article | {"entity_id": row["id"]})
        for image, kept in zip(row["images"], published["images"], strict=True):
            credit = {key: image[key] for key in _CREDITS}
            self._put(LICENCES, f"{LICENCES}/{LICENCES}", credit | {"entity_id": row["id"], "image": kept["path"]})

    def finish(self) -> list[OutputFile]:
        """Write what waits, close the files and give them their names."""
        for name in list(self.waiting):
            self._flush(name)
        self.stack.close()
        files = []
        for name in sorted(self.writers):
            path = self._path(name)
            self._unfinished(path).replace(path)
            files.append(OutputFile.of(path, self.rows[name], self.folder))
        return files

    def _put(self, kind: str, name: str, row: Row) -> None:
        if name not in self.writers:
            path = self._path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = pq.ParquetWriter(self._unfinished(path), self.schemas[kind], compression="zstd")
            self.writers[name] = self.stack.enter_context(writer)
            self.waiting[name], self.rows[name] = [], 0
        self.waiting[name].append(row)
        if len(self.waiting[name]) == ROWS_PER_GROUP:
            self._flush(name)

    def _flush(self, name: str) -> None:
        rows, self.waiting[name] = self.waiting[name], []
        if rows:
            self.writers[name].write_table(pa.Table.from_pylist(rows, schema=self.writers[name].schema))
            self.rows[name] += len(rows)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}-{self.part}.parquet"

    @staticmethod
    def _unfinished(path: Path) -> Path:
        return path.with_name(f"{path.name}.part")


_PUBLISHED = ("label", "summaries", "classes", "latitude", "longitude", "country")


def _image(entity: str, image: Row, number: int) -> Row:
    ending = image["mime"].rpartition("/")[2].replace("jpeg", "jpg")
    return {"bytes": image["bytes"], "path": f"{entity}_{number}.{ending}"}


def config_schemas(folders: Folders, languages: Sequence[str]) -> dict[str, pa.Schema]:
    """Arrow schema of each config, which also tells `datasets` of images and of the cells' tokens."""
    tokens: dict[str, list[str] | None] = {"mlm": None}
    for config in CONFIGS:
        if folders.cells(config).is_file():
            tokens[config] = GeoCellPartition.load(folders.cells(config)).tokens
    return {config: raw_features(names, languages).arrow_schema for config, names in tokens.items()}


@dataclass(frozen=True)
class DatasetStage(Stage):
    """The stage that writes what is published.

    Attributes:
        languages: of the summaries.
    """

    languages: tuple[str, ...] = ()

    def writer(self) -> Block:
        """The block that ends the chain."""
        return WriteDataset(Folders(self.folder.parent), self.languages)

    def seal(self) -> Block:
        """The block that runs once after all tasks."""
        return SealDataset(self.folder, self.tasks)


class SealDataset(SealStage):
    """Also writes the index by which `load_dataset` knows the folder."""

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Merge; gives nothing."""
        super().run(data, rank, world_size)
        files = StageManifest.load(self.folder / MANIFEST).files
        configs: dict[str, dict[str, list[str]]] = {}
        for file in files:
            path = PurePosixPath(file.name)
            if path.parent.name not in (LICENCES, ARTICLES):
                split = path.name.partition("-")[0]
                configs.setdefault(path.parent.name, {}).setdefault(split, []).append(file.name)
        sizes = {file.name: file.bytes for file in files}
        BuiltRows(configs, sizes).save(self.folder / INDEX)
        return iter(())
