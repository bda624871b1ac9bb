"""The last stages of MLM: splits, cells and sample, then rows in Parquet that `load_dataset("mlm", …)` opens."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datatrove.data import Document
from numpy.typing import NDArray

from hf_mlm.construction.mlm.items import choose_country, first_label
from hf_mlm.construction.stage import (
    MANIFEST,
    Block,
    OutputFile,
    Row,
    SealStage,
    Stage,
    StageManifest,
    to_document,
)
from hf_mlm.data.splits import SPLITS, hash_split
from hf_mlm.files import full_disk_in_words
from hf_mlm.geo.partition import GeoCellPartition
from hf_mlm.geo.quotas import sample_by_quota


if TYPE_CHECKING:
    from hf_mlm.construction.mlm.build import BuildConfig


CONFIGS = {"irle": "irle_cell", "irle-gr": "irle_gr_cell"}  # configs with cells, and their columns
SELECTION_SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "task": pa.int64(),
        "split": pa.string(),
        "country": pa.string(),
        "country_rule": pa.string(),
        **dict.fromkeys(CONFIGS.values(), pa.int64()),
    }
)


@dataclass(frozen=True)
class Folders:
    """The folder of a build, with a folder for each stage."""

    root: Path

    def __getitem__(self, stage: str) -> Path:
        return self.root / stage

    def cells(self, config: str) -> Path:
        """File of the partition of a dataset config; absent if the config is empty."""
        return self["selection"] / f"{config}-cells.json"


class Select(Block):
    """Decides about all entities together; one task.

    The order is that of MLM §3.3.5: entities without image or summary go before cells are made, and sparse cells go
    last, so that T_min holds in what is published. Config ``mlm`` keeps what has a summary.
    """

    name = "select"

    def __init__(self, folders: Folders, build_config: BuildConfig) -> None:
        super().__init__()
        self.folders, self.build_config = folders, build_config

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give a row for each entity of config ``mlm``: its task, split, country and cells."""
        rows = list(self._entities())
        illustrated = np.flatnonzero([row.pop("illustrated") for row in rows])
        self.note("entities with image and summary", len(illustrated))
        sample = self._sample(rows, illustrated)
        cells = {"irle": self._cells("irle", rows, illustrated), "irle-gr": self._cells("irle-gr", rows, sample)}
        splits = hash_split([row["id"] for row in rows], self.build_config.ratios, self.build_config.seed)
        for position, (row, split) in enumerate(zip(rows, splits.tolist(), strict=True)):
            columns = {column: _or_none(cells[config][position]) for config, column in CONFIGS.items()}
            kept = {name: row[name] for name in ("id", "task", "country", "country_rule")}
            yield to_document(kept | {"split": SPLITS[split]} | columns)

    def _entities(self) -> Iterator[Row]:
        codes = {row["id"]: row["country_code"] for row in self.read(self.folders["names"]) if row["country_code"]}
        summarised = {row["id"] for row in self.read(self.folders["summaries"], ["id"])}
        images = self.read(self.folders["images"], ["id", "images.list.element.name"])
        illustrated = {row["id"] for row in images if row["images"]}
        seen: set[str] = set()
        columns = ["id", "latitude", "longitude", "countries"]
        for row, task in self.reader(self.folders["entities"], columns=columns).rows_of_tasks():
            if row["id"] in seen:
                self.drop("entity occurs twice")
            elif row["id"] in summarised:
                country, rule = choose_country(row["countries"], codes)
                known = {"task": task, "country": country, "country_rule": rule}
                yield row | known | {"illustrated": row["id"] in illustrated}
            seen.add(row["id"])

    def _sample(self, rows: Sequence[Row], among: NDArray[np.intp]) -> NDArray[np.intp]:
        shares = self.build_config.country_shares
        countries = [rows[position]["country"] for position in among]
        if not shares or not set(countries) & set(shares):
            return among[:0]
        sample = sample_by_quota(countries, self.build_config.sample_size, shares, self.build_config.seed)
        self.ledger.facts["sample"] = {"drawn": sample.drawn, "missing": sample.shortfalls}
        return among[sample.rows]

    def _cells(self, config: str, rows: Sequence[Row], among: NDArray[np.intp]) -> NDArray[np.int64]:
        """Cell of each row, -1 for none; the partition is saved."""
        cells = np.full(len(rows), -1)
        latitudes = [rows[position]["latitude"] for position in among]
        longitudes = [rows[position]["longitude"] for position in among]
        path, limits = self.folders.cells(config), self.build_config
        try:
            partition = GeoCellPartition.fit(
                latitudes, longitudes, limits.max_entities, limits.min_entities, limits.rule
            )
        except ValueError as error:
            self.ledger.facts[f"{config}: no cells"] = str(error)
            path.unlink(missing_ok=True)
            return cells
        cells[among] = partition.assign(latitudes, longitudes)
        self.note(f"entities in too sparse cells ({config})", int((cells[among] < 0).sum()))
        self.ledger.facts[f"{config}: cells"] = partition.tokens
        path.parent.mkdir(parents=True, exist_ok=True)
        partition.save(path)
        return cells


def _or_none(cell: np.int64) -> int | None:
    return None if cell < 0 else int(cell)


ROWS_PER_GROUP = 128  # images make rows large
LICENCES, ARTICLES = "image_licences", "summary_sources"  # tables of credits
ENTITIES = "entity_sources"  # table of countries stated and digests of the content of entities
CONTENT = {  # digest -> fields that it is of
    "texts": ("label", "summaries"),
    "facts": ("classes", "latitude", "longitude", "country"),
    "images": ("images",),
}
_CREDITS = ("name", "mime", "author", "licence", "licence_url", "credit", "page", "sha1")
_LICENCE_SCHEMA = pa.schema({"entity_id": pa.string(), "image": pa.string(), **dict.fromkeys(_CREDITS, pa.string())})
_ARTICLE_SCHEMA = pa.schema(
    {"entity_id": pa.string(), "language": pa.string(), "article": pa.string(), "revision": pa.int64()}
)
_ENTITY_SCHEMA = pa.schema(
    {
        "entity_id": pa.string(),
        "countries": pa.list_(pa.string()),
        "country_rule": pa.string(),
        **dict.fromkeys(CONTENT, pa.string()),
    }
)


class JoinStages(Block):
    """Joins the rows of all stages about the entities of a task."""

    name = "join stages"

    def __init__(self, folders: Folders, languages: Sequence[str]) -> None:
        super().__init__()
        self.folders, self.languages = folders, tuple(languages)

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give finished rows, each with its ``split`` and its ``cells`` by config."""
        chosen = {row["id"]: row for row in self.read(self.folders["selection"]) if row["task"] == rank}
        labels = {row["id"]: row["label"] for row in self.read(self.folders["names"]) if row["label"]}
        entities, images, summaries = (
            self.reader(self.folders[stage], whole=False).rows(rank, world_size)
            for stage in ("entities", "images", "summaries")
        )
        summary = next(summaries, None)
        # The first two have every entity of the task, in the same order; summaries only those with one.
        for entity, found in zip(entities, images, strict=True):
            if summary is None or summary["id"] != entity["id"]:
                continue
            decision = chosen.pop(entity["id"], None)
            if decision is not None:
                yield to_document(self._row(entity, found["images"], summary, labels) | _split_and_cells(decision))
            summary = next(summaries, None)

    def _row(self, entity: Row, images: list[Row], summary: Row, labels: Mapping[str, str]) -> Row:
        label = first_label(entity["labels"], self.languages) or first_label(entity["sitelinks"], self.languages)
        unlabelled = [item for item in entity["classes"] if item not in labels]
        self.note("class without a label", len(unlabelled))
        named = {name: entity[name] for name in ("id", "latitude", "longitude")}
        classes = [labels[item] for item in entity["classes"] if item in labels]
        texts = {"summaries": summary["summaries"], "articles": _articles(entity, summary)}
        texts["countries"] = list(dict.fromkeys(claim["id"] for claim in entity["countries"]))
        return named | texts | {"label": label, "images": images, "classes": classes}


def _articles(entity: Row, summary: Row) -> list[Row]:
    """Article and revision of each summary, which its licence asks to name."""
    return [
        {"language": language, "article": entity["sitelinks"][language], "revision": summary["revisions"][language]}
        for language, text in summary["summaries"].items()
        if text
    ]


def _split_and_cells(decision: Row) -> Row:
    cells = {config: decision[column] for config, column in CONFIGS.items() if decision[column] is not None}
    return {name: decision[name] for name in ("split", "country", "country_rule")} | {"cells": cells}


class WriteDataset(Block):
    """Writes the rows of a task into a file for each config and split, and the credits of images and summaries."""

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
        credits = {LICENCES: _LICENCE_SCHEMA, ARTICLES: _ARTICLE_SCHEMA, ENTITIES: _ENTITY_SCHEMA}
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
        source = {name: row[name] for name in ("countries", "country_rule")} | _digests(published)
        self._put(ENTITIES, f"{ENTITIES}/{ENTITIES}", source | {"entity_id": row["id"]})
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


def _digests(row: Row) -> dict[str, str]:
    """SHA-256 of the fields of each part of `CONTENT`, in 16 hexadecimal digits."""
    images = [hashlib.sha256(image["bytes"]).hexdigest() for image in row["images"]]
    plain = row | {"images": images}
    texts = {name: json.dumps([plain[each] for each in names], sort_keys=True) for name, names in CONTENT.items()}
    return {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in texts.items()}


def _image(entity: str, image: Row, number: int) -> Row:
    ending = image["mime"].rpartition("/")[2].replace("jpeg", "jpg")
    return {"bytes": image["bytes"], "path": f"{entity}_{number}.{ending}"}


def config_schemas(folders: Folders, languages: Sequence[str]) -> dict[str, pa.Schema]:
    """Arrow schema of each config, which also tells `datasets` of images and of the cells' tokens."""
    from hf_mlm.data.mlm.rows import raw_features  # late: `datasets` takes seconds to import

    tokens: dict[str, list[str] | None] = {"mlm": None}
    for config in CONFIGS:
        if folders.cells(config).is_file():
            tokens[config] = GeoCellPartition.load(folders.cells(config)).tokens
    return {config: raw_features(names, languages).arrow_schema for config, names in tokens.items()}


@dataclass(frozen=True)
class DatasetStage(Stage):
    """The stage that writes the published folder.

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
    """Merges the manifests of the tasks, and writes the index by which `load_dataset` knows the folder."""

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Merge; gives nothing."""
        from hf_mlm.data.mlm.parquet import INDEX, BuiltRows

        super().run(data, rank, world_size)
        files = StageManifest.load(self.folder / MANIFEST).files
        configs: dict[str, dict[str, list[str]]] = {}
        for file in files:
            path = PurePosixPath(file.name)
            if path.parent.name not in (LICENCES, ARTICLES, ENTITIES):
                split = path.name.partition("-")[0]
                configs.setdefault(path.parent.name, {}).setdefault(split, []).append(file.name)
        sizes = {file.name: file.bytes for file in files}
        BuiltRows(configs, sizes).save(self.folder / INDEX)
        return iter(())
