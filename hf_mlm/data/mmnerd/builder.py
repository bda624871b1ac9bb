"""The dataset builder ``mmnerd``: `load_dataset("mmnerd", "en", data_dir=…)`.

Sentences in four languages with PER, LOC, ORG and MISC, most with an image. The same builder reads other CoNLL files:
`load_dataset("mmnerd", "en", data_files={"train": "train.conll", "test": "test.conll"})`, and with
``labels=["SHIP", "DATE"]`` other entity types. The readers are beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
from datasets import Features

from hf_mlm.data.mmnerd.layout import LANGUAGES, MMNERDLayout, find_mmnerd
from hf_mlm.data.mmnerd.rows import FEATURES, conll_shards, features_of
from hf_mlm.data.mmnerd.schemes import TAGS, LabelRules, read_labels, read_type_map
from hf_mlm.data.shards import ShardBuilder, ShardConfig, Splits, pack_rows
from hf_mlm.world.captions import CaptionedWorld
from hf_mlm.world.sources import ATTRIBUTION


@dataclass
class MMNERDConfig(ShardConfig):
    """What can be passed to `load_dataset` beside the name of the config, ``data_dir`` and ``data_files``.

    Attributes:
        image_dir: folder of the images, named after the image ids; by default the authors', where ``data_dir`` holds
            it.
        repair: whether an I- label that continues nothing begins an entity (as conlleval reads it, and as IOB1 has
            it), instead of being refused.
        type_map: entity types of other files to rename, ``{"GPE": "LOC"}``, or drop, ``{"DATE": "O"}``.
        labels: entity types of other files, ``["SHIP", "DATE"]``, instead of MMNERD's four; or all labels in the order
            of their ids, ``["O", "B-SHIP", "I-SHIP"]``.
        size: number of places of the ``demo``, each of which is in four sentences.
        seed: of the ``demo``.
    """

    image_dir: str | None = None
    repair: bool = False
    type_map: dict[str, str] | None = None
    labels: list[str] | None = None
    size: int = 1500
    seed: int = 0

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the name of the config speaks of."""
        return LANGUAGES if self.name in ("all", "demo") else tuple(self.name.split("+"))

    @property
    def rules(self) -> LabelRules:
        """What becomes of labels.

        Raises:
            ValueError: as `read_type_map` and `read_labels`.
        """
        tags = TAGS if self.labels is None else read_labels(self.labels)
        return LabelRules(self.repair, read_type_map(self.type_map), tags)

    def find(self) -> MMNERDLayout:
        """What ``data_dir`` holds; raises as `find_mmnerd`."""
        return find_mmnerd(str(self.data_dir), self.languages)

    def stamp(self) -> str:
        """State of the main files; raises as `find_mmnerd`."""
        return self.find().stamp()

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Features | None = None) -> str:
        """Name of the cache, which images that were added renew."""
        folder = Path(self.image_dir).expanduser() if self.image_dir else None
        if folder is not None and folder.is_dir():
            config_kwargs = config_kwargs | {"image_dir": f"{folder.absolute()}:{folder.stat().st_mtime_ns}"}
        return super().create_config_id(config_kwargs, custom_features)


_IN_FILES = "Sentences with their entities and images, {}; MMNERD's files or other CoNLL files."
_GENERATED = (
    "GENERATED sentences in four languages with real places, real overhead imagery and invented people and companies; "
    "what a bare name stands for is told by the image alone. No files are needed."
)


class MMNERD(ShardBuilder):
    """Sentences in English, German, French and Spanish with entities, most with an image (MMNERD, of 2M-NER)."""

    BUILDER_CONFIG_CLASS = MMNERDConfig
    BUILDER_CONFIGS = [
        *(MMNERDConfig(name=language, description=_IN_FILES.format(language)) for language in LANGUAGES),
        MMNERDConfig(name="all", description=_IN_FILES.format("all languages")),
        *(
            MMNERDConfig(name="+".join(pair), description=_IN_FILES.format(" and ".join(pair)))
            for pair in combinations(LANGUAGES, 2)
        ),
        MMNERDConfig(name="demo", description=_GENERATED),
    ]

    config: MMNERDConfig

    def __init__(self, *args: Any, config_name: str | None = None, **kwargs: Any) -> None:
        parts = sorted((config_name or "").split("+"), key=lambda part: [*LANGUAGES, part].index(part))
        super().__init__(*args, config_name=config_name and "+".join(parts), **kwargs)  # "de+en" is "en+de"

    def _info(self) -> datasets.DatasetInfo:
        if self.config.data_files:  # somebody's own
            return datasets.DatasetInfo(description=self.config.description or "")
        return datasets.DatasetInfo(
            description=self.config.description or "",
            homepage="https://github.com/wangdsh/MMNERD",
            license=ATTRIBUTION
            if self.config.name == "demo"
            else "none stated; the authors give the data for research",
            citation=CITATION,
        )

    def _open(self, dl_manager: Any) -> tuple[Features, Splits]:
        config, rules = self.config, self.config.rules
        if config.name == "demo":
            if rules.tags != TAGS:
                raise ValueError(
                    f"the demo has the labels of MMNERD; labels={config.labels} is for files of your own."
                )
            return FEATURES, caption_shards(CaptionSettings(config.size, config.seed))
        images = Path(config.image_dir).expanduser() if config.image_dir else None
        if config.data_files:
            return features_of(rules.tags), conll_shards(self._given_files(dl_manager), images, rules)
        if not config.data_dir:
            raise ValueError(_NO_DATA.format(name=config.name))
        layout = config.find()
        files: dict[str, list[tuple[str, str]]] = {}
        for split in datasets.Split.TRAIN, datasets.Split.VALIDATION, datasets.Split.TEST:
            listed = [(la, str(paths[split])) for la, paths in layout.files.items() if split in paths]
            files |= {str(split): listed} if listed else {}
        return features_of(rules.tags), conll_shards(files, images or layout.images, rules)

    def _given_files(self, dl_manager: Any) -> dict[str, list[tuple[str, str]]]:
        if len(self.config.languages) != 1:
            raise ValueError(
                f"data_files are of one language, and the config {self.config.name!r} has several; load each language "
                "by its own config and join them with datasets.concatenate_datasets."
            )
        (language,) = self.config.languages
        paths = dl_manager.download(self.config.data_files)
        return {
            str(split): [(language, str(path)) for path in ([listed] if isinstance(listed, str) else listed)]
            for split, listed in paths.items()
        }


_NO_DATA = (
    "the authors of MMNERD give its images and its German, French and Spanish sentences on request (their address "
    "is at https://github.com/wangdsh/MMNERD, with the English sentences); pass the folder that holds them as "
    'load_dataset("mmnerd", "{name}", data_dir="…/MMNERD"), or load_dataset("mmnerd", "demo"), which needs none.'
)

CITATION = """\
@misc{wang2024mmner,
  title = {{2M-NER}: Contrastive Learning for Multilingual and Multimodal {NER} with Language and Modal Fusion},
  author = {Wang, Dongsheng and Feng, Xiaoqin and Liu, Zeming and Wang, Chuan},
  year = {2024},
  eprint = {2404.17122},
  archivePrefix = {arXiv},
}
"""


@dataclass(frozen=True)
class CaptionSettings:
    """The arguments of `CaptionedWorld`."""

    size: int = 1500
    seed: int = 0


@dataclass(frozen=True)
class CaptionShard:
    """Some sentences of the captioned world.

    Attributes:
        settings: which world.
        split: of the sentences.
        start: position of the first sentence in the split.
        stop: position after the last.
    """

    settings: CaptionSettings
    split: str
    start: int
    stop: int

    def tables(self) -> Iterator[pa.Table]:
        """The rows, some hundred at a time."""
        return pack_rows(self._rows(), FEATURES)

    def _rows(self) -> Iterator[dict[str, Any]]:
        for row in _build(self.settings).rows(self.split, self.start, self.stop):
            yield row | {"ner_tags": [TAGS.index(tag) for tag in row["tags"]]}


def caption_shards(settings: CaptionSettings, rows_per_shard: int = 2000) -> dict[str, list[CaptionShard]]:
    """The shards of each split that has rows."""
    return {
        split: [
            CaptionShard(settings, split, start, min(start + rows_per_shard, size))
            for start in range(0, size, rows_per_shard)
        ]
        for split, size in _build(settings).split_sizes.items()
        if size
    }


@lru_cache(maxsize=1)
def _build(settings: CaptionSettings) -> CaptionedWorld:
    """The world of some settings; the last one is kept, since every shard of it needs it."""
    return CaptionedWorld(**asdict(settings))
