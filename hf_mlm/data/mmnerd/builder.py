"""The dataset builder ``mmnerd``: `load_dataset("mmnerd", "en", data_dir=…)`.

Sentences in four languages with PER, LOC, ORG and MISC, most with an image. The same builder reads files of one's own,
of any language, kind, label scheme and entity types: `load_dataset("mmnerd", "hi", data_files={"train": "a.conll"})`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
from datasets import Features

from hf_mlm.data.mmnerd.layout import LANGUAGES, SPLIT_NAMES, MMNERDLayout, find_mmnerd
from hf_mlm.data.mmnerd.rows import FEATURES, SentenceFile, features_of, plan_shards
from hf_mlm.data.mmnerd.schemes import TAGS
from hf_mlm.data.shards import ShardBuilder, ShardConfig, Splits, pack_rows
from hf_mlm.world.captions import CaptionedWorld
from hf_mlm.world.sources import ATTRIBUTION


UNDETERMINED = "und"  # BCP 47

_LANGUAGE = re.compile(r"(?:[a-z]{2,3}|x)(?:-[a-z0-9]{1,8})*", re.IGNORECASE)  # the form of a BCP 47 code


@dataclass
class MMNERDConfig(ShardConfig):
    """Settings of `load_dataset` beside the name of the config, ``data_dir`` and ``data_files``.

    Attributes:
        language: BCP-47 code of ``data_files``; the name of the config may be one as well. Undetermined when neither
            tells.
        image_dir: folder of the images, named after the image ids; by default the authors', where ``data_dir`` holds
            it.
        label_column: column of the labels, where a file has several: its number from 0, or its name.
        columns: other columns or fields that need not be found, as in ``{"token": 1, "sentence": "Sentence #"}``; see
            `hf_mlm.data.mmnerd.records.read_sentences`.
        repair: whether labels that violate their scheme are read as conlleval reads them, instead of being refused.
        type_map: entity types to rename, ``{"GPE": "LOC"}``, or drop, ``{"DATE": "O"}``.
        labels: entity types, ``["SHIP", "DATE"]``, or all labels in the order of their ids, ``["O", "B-SHIP",
            "I-SHIP"]``; by default MMNERD's, or of ``data_files`` those in the files.
        size: number of places of the ``demo``, each of which is in four sentences.
        seed: of the ``demo``.
    """

    language: str | None = None
    image_dir: str | None = None
    label_column: int | str | None = None
    columns: dict[str, int | str] | None = None
    repair: bool = False
    type_map: dict[str, str] | None = None
    labels: list[str] | None = None
    size: int = 1500
    seed: int = 0

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages that the config is about."""
        if self.language is not None:
            return (self.language,)
        if self.name == "default":
            return (UNDETERMINED,)
        return LANGUAGES if self.name in ("all", "demo") else tuple(self.name.split("+"))

    @property
    def is_custom(self) -> bool:
        """Whether the config needs no name, or has one of its own."""
        return bool(self.language or self.data_files)

    def find(self) -> MMNERDLayout:
        """Find the files in ``data_dir``; raises as `find_mmnerd`."""
        return find_mmnerd(str(self.data_dir), self.languages)

    def stamp(self) -> str:
        """Give the state of the main files; raises as `find_mmnerd`."""
        return self.find().stamp()

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Features | None = None) -> str:
        """Name the cache, which images that were added renew."""
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
        name = config_name and "+".join(parts)  # "de+en" is "en+de"
        if name is not None and name not in self.builder_configs and _LANGUAGE.fullmatch(name):
            kwargs, name = {"name": name, "language": name, **kwargs}, None
        super().__init__(*args, config_name=name, **kwargs)

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
        config = self.config
        if config.language is not None and not _LANGUAGE.fullmatch(config.language):
            raise ValueError(f"Expected language to be a BCP 47 code, such as hi or pt-BR; found {config.language!r}.")
        if config.name == "demo" and not config.data_files:
            if config.labels is not None:
                raise ValueError(f"Expected no labels for the demo, which has MMNERD's; found {config.labels!r}.")
            return FEATURES, caption_shards(config.size, config.seed)
        images = Path(config.image_dir).expanduser() if config.image_dir else None
        labels = config.labels
        if config.data_files:
            files = self._given_files(dl_manager)
        elif config.data_dir:
            layout = config.find()
            files = {
                split: [(language, str(paths[split])) for language, paths in layout.files.items() if split in paths]
                for split in SPLIT_NAMES.values()
            }
            images, labels = images or layout.images, labels or list(TAGS)
        else:
            raise ValueError(_NO_DATA.format(name=config.name))
        columns = {**(config.columns or {})} | ({} if config.label_column is None else {"tag": config.label_column})
        given = tuple(columns.items()), tuple(config.labels or ())
        listed = {
            split: [SentenceFile(path, language, *given) for language, path in part] for split, part in files.items()
        }
        tags, shards = plan_shards(listed, images, labels=labels, type_map=config.type_map, repair=config.repair)
        return features_of(tags), shards

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
class CaptionShard:
    """Sentences ``start … stop − 1`` of a split of the captioned world, which ``size`` and ``seed`` tell."""

    size: int
    seed: int
    split: str
    start: int
    stop: int

    def tables(self) -> Iterator[pa.Table]:
        """Build the rows."""
        rows = _build(self.size, self.seed).rows(self.split, self.start, self.stop)
        return pack_rows((row | {"ner_tags": [TAGS.index(tag) for tag in row["tags"]]} for row in rows), FEATURES)


def caption_shards(size: int, seed: int, rows_per_shard: int = 2000) -> dict[str, list[CaptionShard]]:
    """Plan the shards of each split that has rows."""
    return {
        split: [
            CaptionShard(size, seed, split, start, min(start + rows_per_shard, rows))
            for start in range(0, rows, rows_per_shard)
        ]
        for split, rows in _build(size, seed).split_sizes.items()
        if rows
    }


@lru_cache(maxsize=1)
def _build(size: int, seed: int) -> CaptionedWorld:
    """Build the world; the last one is kept, since every shard of it needs it."""
    return CaptionedWorld(size=size, seed=seed)
