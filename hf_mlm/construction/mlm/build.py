"""The construction of MLM: build config, sources of entities, stages, and the build in a folder (MLM §3)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

from hf_mlm.construction.executors import RECORD, ExecutorSettings, Watch, read_mapping, run_build
from hf_mlm.construction.http import HttpSettings, ResponseCache
from hf_mlm.construction.mlm.dataset import SELECTION_SCHEMA, DatasetStage, Folders, JoinStages, Select
from hf_mlm.construction.mlm.dump import ReadDump, plan_parts
from hf_mlm.construction.mlm.items import (
    CLASS_SCHEMA,
    IMAGE,
    NAME_SCHEMA,
    ClassesOfDump,
    NamesOfDump,
    SelectEntities,
    entity_schema,
    is_item_id,
    item_schema,
)
from hf_mlm.construction.mlm.languages import site_of
from hf_mlm.construction.mlm.sparql import (
    INSTANCE_SCHEMA,
    ClassesOfEndpoint,
    EndpointSettings,
    InstancesOfEndpoint,
    ItemsOfEndpoint,
    NamesOfEndpoint,
)
from hf_mlm.construction.mlm.wikimedia import (
    COMMONS,
    IMAGE_SCHEMA,
    WIKIPEDIA,
    FetchImages,
    FetchSummaries,
    ImageRules,
    summary_schema,
)
from hf_mlm.construction.stage import MANIFEST, ReadStage, Stage, StageManifest, code_version
from hf_mlm.files import full_disk_in_words, write_text
from hf_mlm.geo.partition import RULES
from hf_mlm.geo.quotas import EU_POPULATION_SHARES


# Widths that Wikimedia keeps thumbnails of; others are made on request, and refused when there are many.
THUMBNAIL_WIDTHS = (20, 40, 60, 120, 250, 330, 500, 960, 1280, 1920, 3840)
IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp", "image/tiff")
DRAWING_WORDS = (
    *("map", "maps", "locator", "karte", "karten", "lagekarte", "carte", "cartes", "diagram", "logo", "emblem"),
    *("flag", "flagge", "drapeau", "coat of arms", "wappen", "blason"),
)
DRAWING_CATEGORIES = ("Maps of", "Locator maps", "Old maps", "SVG", "Coats of arms", "Flags of", "Logos of")


@dataclass(frozen=True)
class BuildConfig:
    """Parameters of the construction, everything that decides about the data; the defaults are those of MLM (§3).

    Attributes:
        base_types: Wikidata classes whose subclasses' instances are wanted; Q486972 is "human settlement".
        hops: the most subclass-of steps below a base type, 0 for the base types alone.
        languages: of summaries and labels; the first that has a label names an entity.
        min_summary_characters: a shorter summary counts as none.
        thumbnail_width: pixels, one of `THUMBNAIL_WIDTHS`; MLM's images are 256 wide.
        image_properties: of Wikidata, whose values are files on Commons; MLM's authors also took P41, P94, P242,
            P948, P1943, P2716 and P3451: flags, arms, maps, banners, collages, views by night.
        images_per_entity: the most that are fetched.
        image_types: media types that are kept, of the original file; SVG is not among them (MLM §3.3.5).
        drawing_words: words of a file's name that give away a map, a flag or a coat of arms.
        drawing_categories: beginnings of Commons categories that do so.
        max_entities: T_max of `GeoCellPartition.fit`.
        min_entities: T_min of the same.
        rule: of the same, ``"paper"`` or ``"authors"``.
        sample_size: of the geo-representative sample, before rounding.
        country_shares: ISO 3166 alpha-2 code -> per cent of the sample; empty for no such sample.
        ratios: of train, validation and test.
        seed: of splits and sample.

    Raises:
        ValueError: if a value makes no sense; the message names it.
    """

    base_types: tuple[str, ...] = ("Q486972",)
    hops: int = 3
    languages: tuple[str, ...] = ("en", "de", "fr")
    min_summary_characters: int = 1
    thumbnail_width: int = 330
    image_properties: tuple[str, ...] = (IMAGE,)
    images_per_entity: int = 10
    image_types: tuple[str, ...] = IMAGE_TYPES
    drawing_words: tuple[str, ...] = DRAWING_WORDS
    drawing_categories: tuple[str, ...] = DRAWING_CATEGORIES
    max_entities: int = 500
    min_entities: int = 20
    rule: str = "paper"
    sample_size: int = 24_000
    country_shares: Mapping[str, float] = field(default_factory=lambda: dict(EU_POPULATION_SHARES))
    ratios: tuple[float, float, float] = (0.8, 0.1, 0.1)
    seed: int = 0

    def __post_init__(self) -> None:
        for each in fields(self):
            _check_type(each.name, getattr(self, each.name), each.type)
            if isinstance(getattr(self, each.name), list):
                object.__setattr__(self, each.name, tuple(getattr(self, each.name)))
        wrong = [base for base in self.base_types if not is_item_id(base)]
        if wrong or not self.base_types:
            raise ValueError(f"Expected Wikidata items such as 'Q486972', found base_types={list(self.base_types)}.")
        if not self.languages or len(set(self.languages)) < len(self.languages):
            raise ValueError(f"Expected one language or more, none twice, found languages={list(self.languages)}.")
        if len({*map(site_of, self.languages)}) < len(self.languages):
            raise ValueError(f"Expected languages with Wikipedias of their own, found {', '.join(self.languages)}.")
        least = {"hops": 0, "images_per_entity": 0, "min_summary_characters": 1}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"Expected at least {bound}, found {name}={getattr(self, name)}.")
        if self.thumbnail_width not in THUMBNAIL_WIDTHS:
            raise ValueError(
                f"Expected one of the widths that Wikimedia serves, {', '.join(map(str, THUMBNAIL_WIDTHS))}, found "
                f"thumbnail_width={self.thumbnail_width}, which is rendered on request and refused in bulk."
            )
        if self.rule not in RULES:
            raise ValueError(f"Expected one of {', '.join(map(repr, RULES))}, found rule={self.rule!r}.")

    def to_json(self) -> dict[str, Any]:
        """All values as JSON knows them."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain


_KINDS: dict[str, tuple[Any, Any, str]] = {
    "tuple[str, ...]": ((list, tuple), str, "a list of words"),
    "tuple[float, float, float]": ((list, tuple), (int, float), "a list of numbers"),
    "Mapping[str, float]": (Mapping, str, "a mapping of words to numbers"),
    "int": (int, None, "a whole number"),
    "str": (str, None, "a word"),
}


def _check_type(name: str, value: Any, kind: Any) -> None:
    """Refuse a value of another type than a setting's, such as a single word in place of a list."""
    outer, inner, expected = _KINDS[kind]
    if not isinstance(value, outer) or inner and not all(isinstance(each, inner) for each in value):
        raise ValueError(f"Expected {expected}, found {name}={value!r}.")


def load_build_config(path: Path | None = None, **changes: Any) -> BuildConfig:
    """Read a build config from YAML, a mapping from the names of `BuildConfig` to values.

    Args:
        path: the file; MLM's own values when omitted.
        **changes: values that override the file's; None changes nothing.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no mapping, or a name or value is wrong.

    Example:
        >>> load_build_config(languages=("en", "es"), hops=None).languages
        ('en', 'es')
    """
    content = {} if path is None else read_mapping(path, "languages: [en, es]")
    values = content | {name: value for name, value in changes.items() if value is not None}
    names = [each.name for each in fields(BuildConfig)]
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise ValueError(f"Expected settings of {', '.join(names)}, found {', '.join(map(repr, unknown))}.")
    return BuildConfig(**values)


class Source(Protocol):
    """Stages ``classes``, ``entities`` and ``names``, and whatever has to run before them."""

    def stages(self, folders: Folders, config: BuildConfig, tasks: int) -> list[Stage]:
        """The stages in order; ``entities`` has as many tasks as are asked for."""

    def describe(self) -> dict[str, Any]:
        """Facts that identify the source, as JSON."""


@dataclass(frozen=True)
class DumpSource:
    """Wikidata's JSON dumps, read once.

    Attributes:
        paths: ``….json``, ``….json.bz2`` or ``….json.gz``; bzip2 files of many streams are read in parallel.
        date: of the dump.
    """

    paths: tuple[Path, ...]
    date: str = ""

    @classmethod
    def of(cls, paths: Sequence[Path], date: str | None = None) -> DumpSource:
        """Make a source with the date in the files' names, such as wikidata-20260105-all.json.bz2.

        Raises:
            FileNotFoundError: if a file is missing, or there is none.
            ValueError: if the names tell several dates.
        """
        plan_parts(paths, 1)
        dates = {found[0] for path in paths if (found := re.search(r"\d{8}", path.name))}
        if len(dates) > 1 and date is None:
            raise ValueError(f"Expected files of one dump, found the dates {', '.join(sorted(dates))}; give one dump.")
        return cls(tuple(path.absolute() for path in paths), date or min(dates, default="unknown"))

    def stages(self, folders: Folders, config: BuildConfig, tasks: int) -> list[Stage]:
        """Items, classes, entities, names."""
        languages = config.languages
        items, entities = folders["items"], folders["entities"]
        read = ReadDump(self.paths, languages, self.date, config.image_properties)
        classes = ClassesOfDump(items, config.base_types, config.hops)
        select = SelectEntities(folders["classes"])
        names = NamesOfDump(entities, items, languages, config.base_types)
        return [
            Stage(items, [read], item_schema(languages), tasks, required=True),
            Stage(folders["classes"], [classes], CLASS_SCHEMA),
            Stage(entities, [ReadStage(items), select], entity_schema(languages), tasks, required=True),
            Stage(folders["names"], [names], NAME_SCHEMA),
        ]

    def describe(self) -> dict[str, Any]:
        """Names and sizes of the files; their hashes are in the manifest of ``items``."""
        return {"dump": {path.name: path.stat().st_size for path in self.paths}, "date": self.date}


@dataclass(frozen=True)
class EndpointSource:
    """A SPARQL endpoint with Wikidata's data model.

    Attributes:
        endpoint: its address and manners.
    """

    endpoint: EndpointSettings

    def stages(self, folders: Folders, config: BuildConfig, tasks: int) -> list[Stage]:
        """Classes, instances, entities, names."""
        ask, languages = self.endpoint, config.languages
        classes, instances, entities = folders["classes"], folders["instances"], folders["entities"]
        walk = ClassesOfEndpoint(ask, config.base_types, config.hops)
        items = ItemsOfEndpoint(ask, instances, languages, config.image_properties)
        names = NamesOfEndpoint(ask, entities, languages, config.base_types)
        select = SelectEntities(classes)
        return [
            Stage(classes, [walk], CLASS_SCHEMA, polite=True),
            Stage(instances, [InstancesOfEndpoint(ask, classes)], INSTANCE_SCHEMA, tasks, polite=True, required=True),
            Stage(entities, [items, select], entity_schema(languages), tasks, polite=True, required=True),
            Stage(folders["names"], [names], NAME_SCHEMA, polite=True),
        ]

    def describe(self) -> dict[str, Any]:
        """Its address."""
        return {"endpoint": self.endpoint.url}


@dataclass(frozen=True)
class Wikimedia:
    """Services that give summaries and images."""

    http: HttpSettings
    wikipedia: str = WIKIPEDIA
    commons: str = COMMONS


_FORMAT = "hf_mlm build of MLM, version 1"
FAILURES = "failures.tsv"  # images that were given up


def mlm_stages(
    target: Path, source: Source, wikimedia: Wikimedia, config: BuildConfig | None = None, tasks: int = 8
) -> list[Stage]:
    """The stages of a build, in order; each can be run alone once those before it are finished.

    Args:
        target: folder of the build.
        source: of entities.
        wikimedia: of summaries and images.
        config: decides about the data; MLM's own values when omitted.
        tasks: into how many parts the work is divided.
    """
    config, folders = config or BuildConfig(), Folders(target)
    languages, entities = config.languages, folders["entities"]
    rules = ImageRules(
        config.thumbnail_width,
        config.images_per_entity,
        config.image_types,
        config.drawing_words,
        config.drawing_categories,
    )
    summaries = FetchSummaries(wikimedia.http, languages, config.min_summary_characters, wikimedia.wikipedia)
    images = FetchImages(wikimedia.http, rules, wikimedia.commons)
    return [
        *source.stages(folders, config, tasks),
        Stage(
            folders["summaries"],
            [ReadStage(entities), summaries],
            summary_schema(languages),
            tasks,
            True,
            required=True,
        ),
        Stage(folders["images"], [ReadStage(entities), images], IMAGE_SCHEMA, tasks, polite=True),
        Stage(folders["selection"], [Select(folders, config)], SELECTION_SCHEMA),
        DatasetStage(
            folders["dataset"], [JoinStages(folders, languages)], SELECTION_SCHEMA, tasks, languages=languages
        ),
    ]


def build_mlm(
    target: Path,
    source: Source,
    wikimedia: Wikimedia,
    config: BuildConfig | None = None,
    tasks: int = 8,
    executor: ExecutorSettings | None = None,
    watch: Watch | None = None,
    ask_again: bool = False,
) -> dict[str, StageManifest]:
    """Build MLM, or go on with a build that was interrupted.

    A finished task is not done again; an unfinished one starts over, but asks nobody for responses that were
    recorded. So nothing is lost and nothing is there twice.

    Args:
        target: folder of the build; its folder ``dataset`` is what can be published, card and Croissant included.
        source: of entities.
        wikimedia: of summaries and images.
        config: decides about the data; MLM's own values when omitted.
        tasks: into how many parts the work is divided; the result has that many files a split.
        executor: as of `run_build`, which also tells the returned manifests and what is raised.
        watch: the same.
        ask_again: ask for the images again that were given up.
    """
    if tasks < 1:
        raise ValueError(f"Expected at least 1 part of the work, found tasks={tasks}.")
    config, target = config or BuildConfig(), Path(target).expanduser().absolute()
    record = {"format": _FORMAT, "code": code_version("mlm"), "tasks": tasks, "edition": config.to_json()}
    record |= {"source": source.describe()}
    record |= {"services": {"wikipedia": wikimedia.wikipedia, "commons": wikimedia.commons}}
    stages = mlm_stages(target, source, wikimedia, config, tasks)
    cache = ResponseCache(wikimedia.http.cache)
    if ask_again:
        cache.clear_failures()
        _reset_given_up(Folders(target))
    done = run_build(target, record, stages, executor, watch)
    if len(done) == len(stages):
        from hf_mlm.construction.cards.builds import describe_folder  # late: it takes seconds to import

        with full_disk_in_words(target, "and run the same command again"):
            describe_folder(target / "dataset", json.loads((target / RECORD).read_text(encoding="utf-8")), done)
            lines = [f"{url}\t{reason}\n" for url, reason in cache.failures().items()]
            write_text(target / FAILURES, "".join(lines))
    return done


def _reset_given_up(folders: Folders) -> None:
    """Take back the tasks that gave images up, and the stages after them."""
    tasks = [path for path in folders["images"].glob("[0-9]*.json") if _gave_up(StageManifest.load(path))]
    if tasks:
        later = [path for stage in ("selection", "dataset") for path in folders[stage].glob("*.json")]
        for path in [*tasks, folders["images"] / MANIFEST, *later]:
            path.unlink(missing_ok=True)


def _gave_up(manifest: StageManifest) -> bool:
    return any(reason.startswith("image: given up") for reason in manifest.dropped)
