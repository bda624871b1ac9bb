"""Where entities come from: Wikidata's dumps or a SPARQL endpoint, behind one interface."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hf_mlm.construction.mlm.build_config import Edition
from hf_mlm.construction.mlm.dump import ReadDump, plan_parts
from hf_mlm.construction.mlm.items import CLASS_SCHEMA, NAME_SCHEMA, ClassesOfDump, NamesOfDump, item_schema
from hf_mlm.construction.mlm.selection import Folders, SelectPlaces, place_schema
from hf_mlm.construction.mlm.sparql import (
    INSTANCE_SCHEMA,
    ClassesOfEndpoint,
    EndpointSettings,
    InstancesOfEndpoint,
    ItemsOfEndpoint,
    NamesOfEndpoint,
)
from hf_mlm.construction.stage import ReadStage, Stage


class Source(Protocol):
    """Gives the stages ``classes``, ``places`` and ``names``, and whatever they need before them."""

    def stages(self, folders: Folders, edition: Edition, tasks: int) -> list[Stage]:
        """The stages in order; ``places`` has as many tasks as are asked for."""

    def describe(self) -> dict[str, Any]:
        """What identifies the source, as JSON."""


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
        """A source with the date that the first file's name tells, such as wikidata-20260105-all.json.bz2.

        Raises:
            FileNotFoundError: if a file is missing, or there is none.
        """
        plan_parts(paths, 1)
        found = re.search(r"\d{8}", paths[0].name)
        return cls(tuple(path.absolute() for path in paths), date or (found[0] if found else "unknown"))

    def stages(self, folders: Folders, edition: Edition, tasks: int) -> list[Stage]:
        """Items, classes, places, names."""
        languages = edition.languages
        items, places = folders["items"], folders["places"]
        classes = ClassesOfDump(items, edition.base_types, edition.hops)
        return [
            Stage(items, [ReadDump(self.paths, languages, self.date)], item_schema(languages), tasks),
            Stage(folders["classes"], [classes], CLASS_SCHEMA),
            Stage(places, [ReadStage(items), SelectPlaces(folders["classes"])], place_schema(languages), tasks),
            Stage(folders["names"], [NamesOfDump(places, items, languages)], NAME_SCHEMA),
        ]

    def describe(self) -> dict[str, Any]:
        """Names and sizes of the files; their hashes are in the manifest of ``items``."""
        return {"dump": {path.name: path.stat().st_size for path in self.paths}, "date": self.date}


@dataclass(frozen=True)
class EndpointSource:
    """A SPARQL endpoint with Wikidata's data model.

    Attributes:
        endpoint: how to reach it.
    """

    endpoint: EndpointSettings

    def stages(self, folders: Folders, edition: Edition, tasks: int) -> list[Stage]:
        """Classes, instances, places, names."""
        ask, languages = self.endpoint, edition.languages
        classes, instances, places = folders["classes"], folders["instances"], folders["places"]
        walk = ClassesOfEndpoint(ask, edition.base_types, edition.hops)
        items = ItemsOfEndpoint(ask, instances, languages)
        names = NamesOfEndpoint(ask, places, languages)
        return [
            Stage(classes, [walk], CLASS_SCHEMA, polite=True),
            Stage(instances, [InstancesOfEndpoint(ask, classes)], INSTANCE_SCHEMA, tasks, polite=True),
            Stage(places, [items, SelectPlaces(classes)], place_schema(languages), tasks, polite=True),
            Stage(folders["names"], [names], NAME_SCHEMA, polite=True),
        ]

    def describe(self) -> dict[str, Any]:
        """Its address."""
        return {"endpoint": self.endpoint.url}
