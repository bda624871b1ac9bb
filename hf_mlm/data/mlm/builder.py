"""The dataset builder ``mlm``: `load_dataset("mlm", "irle-gr", data_dir=…)`.

Raw rows hold texts and images, feature rows the authors' precomputed vectors; what a folder holds decides which of
them the configs ``irle`` and ``irle-gr`` give. The readers are beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
from datasets import ClassLabel, Features, Image, List, Value

from hf_mlm.data.download import download
from hf_mlm.data.mlm.built_rows import open_built
from hf_mlm.data.mlm.feature_rows import FeatureSpec, arrow_type
from hf_mlm.data.mlm.feature_source import open_features
from hf_mlm.data.mlm.layout import Layout, find_layout
from hf_mlm.data.mlm.raw_json import LANGUAGES, CellSettings, open_raw, raw_tables
from hf_mlm.data.shards import ShardBuilder, ShardConfig, Splits
from hf_mlm.data.zenodo import RECORD
from hf_mlm.world import EmbeddedWorld


@dataclass
class MLMConfig(ShardConfig):
    """What can be passed to `load_dataset` beside the name of the config and ``data_dir``.

    Attributes:
        dtype: ``"float32"`` or ``"float16"``, type of precomputed features.
        seed: of the split where the files carry none, and of the embedded world.
        max_entities: `GeoCellPartition.fit`'s, for cells made of raw files.
        min_entities: the same.
        rule: the same: ``"paper"`` or ``"authors"``.
        size: number of places of the ``demo``.
        holdout: how the ``demo`` is divided: ``"blocks"`` of S2 cells, or at ``"random"``.
        hints: whether summaries of the ``demo`` name country and region.
    """

    dtype: str = "float32"
    seed: int = 0
    max_entities: int = 500
    min_entities: int = 20
    rule: str = "paper"
    size: int = 6000
    holdout: str = "blocks"
    hints: bool = True

    def find(self) -> Layout:
        """What ``data_dir`` holds; raises as `find_layout`."""
        return find_layout(str(self.data_dir), self.name)

    def stamp(self) -> str:
        """State of the main files; raises as `find_layout`."""
        return self.find().stamp()


class MLM(ShardBuilder):
    """Settlements of Wikidata with images, summaries in three languages, classes, coordinates and geographic cells."""

    BUILDER_CONFIG_CLASS = MLMConfig
    BUILDER_CONFIGS = [
        MLMConfig(name="mlm", description="All entities, raw: texts, images, coordinates."),
        MLMConfig(name="irle", description="Entities with geographic cells, raw or as precomputed features."),
        MLMConfig(name="irle-gr", description="Europe, sampled by population: raw or as precomputed features."),
        MLMConfig(name="demo", description="Real settlements and overhead imagery from installed packages; no files."),
    ]

    config: MLMConfig

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(
            description=self.config.description,
            homepage="https://zenodo.org/records/3885753",
            license="CC-BY-4.0",
            citation=CITATION,
        )

    def _open(self, dl_manager: Any) -> tuple[Features, Splits]:
        config = self.config
        if config.data_files:
            raise ValueError("the dataset mlm takes no data_files; pass the folder that holds the files as data_dir.")
        arrow_type(config.dtype)
        return self._open_demo() if config.name == "demo" else self._open_files(dl_manager)

    def _open_demo(self) -> tuple[Features, Splits]:
        config = self.config
        if config.holdout not in ("blocks", "random"):
            raise ValueError(f"holdout={config.holdout!r} must be 'blocks' or 'random'.")
        settings = WorldSettings(config.size, config.holdout, config.hints, config.seed)
        return raw_features(build_world(settings).partition.tokens), world_shards(settings)

    def _open_files(self, dl_manager: Any) -> tuple[Features, Splits]:
        config = self.config
        layout = config.find() if config.data_dir else find_layout(self._download(dl_manager), config.name)
        if layout.built:
            schema, shards = open_built(layout.built, config.name)
            return Features.from_arrow_schema(schema), shards
        if layout.raw:
            cells = (
                None if config.name == "mlm" else CellSettings(config.max_entities, config.min_entities, config.rule)
            )
            raw = open_raw(layout.raw, cells, config.seed)
            return raw_features(raw.cell_tokens), raw.splits
        source = open_features(layout, config.dtype, config.seed)
        return vector_features(source.spec, config.dtype), source.splits

    def _download(self, dl_manager: Any) -> Path:
        downloads = dl_manager.download_config.cache_dir or datasets.config.DOWNLOADED_DATASETS_PATH
        return download(self.config.name, Path(downloads, f"zenodo-{RECORD}", self.config.name))


def raw_features(cell_tokens: Sequence[str] | None, languages: Sequence[str] = LANGUAGES) -> Features:
    """Features of raw rows.

    Args:
        cell_tokens: S2 tokens of the cells, sorted; None for rows without cells.
        languages: of the summaries.
    """
    features = Features(
        {
            "entity_id": Value("string"),
            "label": Value("string"),
            "summaries": {language: Value("string") for language in languages},
            "images": List(Image()),
            "classes": List(Value("string")),
            "latitude": Value("float64"),
            "longitude": Value("float64"),
            "country": Value("string"),
        }
    )
    if cell_tokens is not None:
        features["geo_cell"] = ClassLabel(names=list(cell_tokens))
    return features


def vector_features(spec: FeatureSpec, dtype: str = "float32") -> Features:
    """Features of feature rows.

    The authors' files number cells without telling their S2 tokens, so the names of ``geo_cell`` are these numbers.
    """
    vectors = {name: List(List(Value(dtype), length=size)) for name, size in spec.sizes.items()}
    numbers = [str(number) for number in range(spec.num_cells)]
    others = {
        "entity_id": Value("string"),
        "summary_languages": List(Value("string")),
        "geo_cell": ClassLabel(names=numbers),
        **dict.fromkeys(("cell_latitude", "cell_longitude", "latitude", "longitude"), Value("float64")),
    }
    return Features({name: vectors.get(name) or others[name] for name in spec.schema(dtype).names})


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


@dataclass(frozen=True)
class WorldShard:
    """Some places of the embedded world.

    Attributes:
        settings: which world.
        split: of the places.
        start: position of the first place in the split.
        stop: position after the last.
    """

    settings: WorldSettings
    split: str
    start: int
    stop: int

    def tables(self) -> Iterator[pa.Table]:
        """The rows, a hundred or so at a time."""
        return raw_tables(build_world(self.settings).rows(self.split, self.start, self.stop), has_cells=True)


@lru_cache(maxsize=1)
def build_world(settings: WorldSettings) -> EmbeddedWorld:
    """The world of some settings; the last one is kept, since every shard of it needs it."""
    return EmbeddedWorld(**asdict(settings))


def world_shards(settings: WorldSettings, rows_per_shard: int = 2000) -> dict[str, list[WorldShard]]:
    """The shards of each split that has rows."""
    sizes = build_world(settings).split_sizes
    return {
        split: [
            WorldShard(settings, split, start, min(start + rows_per_shard, size))
            for start in range(0, size, rows_per_shard)
        ]
        for split, size in sizes.items()
        if size
    }
