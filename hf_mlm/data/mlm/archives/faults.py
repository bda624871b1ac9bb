"""Faults of an archive's records: what each kind costs, and its remedy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple


Severity = Literal["error", "warning", "note"]


class Kind(NamedTuple):
    """A kind of fault.

    Args:
        severity: ``"error"``: something that was given is wrong, and left out where that shows in the record alone;
            ``"warning"``: it is taken as it is, or repaired; ``"note"``: it is absent, as it may be.
        remedy: the way out.
    """

    severity: Severity
    remedy: str


KINDS = {
    "damaged file": Kind("error", "copy it again from its source, or write it again"),
    "malformed record": Kind("error", "write it like the others"),
    "empty record": Kind("error", "give it a text, an image or a position, or take it out"),
    "not as MLM's files": Kind("error", "correct it, or read the folder as the config 'archive'"),
    "missing image": Kind("error", "put the file into the folder, or take its name out"),
    "unreadable image": Kind("error", "copy it again from its source, or replace it"),
    "coordinates in the other order": Kind("error", "swap latitude and longitude, or set longitude_first: true"),
    "coordinates off the earth": Kind("error", "give degrees, -90 to 90 and -180 to 180, of WGS 84"),
    "coordinates 0, 0": Kind("error", "leave unknown coordinates empty"),
    "truth values as coordinates": Kind("error", "give degrees"),
    "unreadable coordinates": Kind("error", "give degrees such as 52.52, 13.405, DMS, WKT or GeoJSON"),
    "coordinates of another globe": Kind("error", "take the record out, or give its place on earth"),
    "another reference system": Kind("error", "transform it to WGS 84 (EPSG:4326)"),
    "duplicate id": Kind("warning", "read as one entity; give each record its own id if they are several"),
    "longitude from 0 to 360": Kind("warning", "read as longitude - 360; subtract 360 in the source"),
    "far from its country": Kind("warning", "correct the coordinates or the country"),
    "blank text": Kind("warning", "write a text or leave the cell empty"),
    "half a character": Kind("warning", "read as �; write the whole character"),
    "unknown language": Kind("warning", "read as 'und'; give a BCP 47 tag such as de or pt-BR"),
    "near-duplicate image": Kind("warning", "keep one of them, or let the records share an id"),
    "GPS in an image": Kind("warning", "pushing strips it; strip it too where you publish otherwise"),
    "no licence": Kind("warning", "give a licence column, or --licence when you push"),
    "unknown licence": Kind("warning", "give an SPDX id such as CC-BY-4.0, or its address"),
    "column name twice": Kind("warning", "the second goes to extra; rename it"),
    "no id": Kind("note", "named after its image or number"),
    "no coordinates": Kind("note", "it is to be located"),
    "no image": Kind("note", "it trains and queries as a text"),
    "no text": Kind("note", "it trains and queries as an image"),
    "no cell": Kind("note", "too few records lie around it: lower min_entities"),
}
ORDER = {kind: number for number, kind in enumerate(KINDS)}


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with a record.

    Attributes:
        kind: of ``KINDS``.
        where: table and line or number, and the record's id.
        found: what was found.
    """

    kind: str
    where: str
    found: str = ""

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return KINDS[self.kind].severity

    def __str__(self) -> str:
        return f"{self.where}: {self.kind}" + (f" ({self.found})" if self.found else "")


def count_faults(faults: Iterable[Fault]) -> dict[str, int]:
    """Count faults by kind, the worst first."""
    counts = Counter(fault.kind for fault in faults)
    return {kind: counts[kind] for kind in sorted(counts, key=ORDER.__getitem__)}


def summary_of(counts: dict[str, int], severities: Sequence[Severity] = ("error", "warning")) -> str:
    """Put counts into words: ``3 × missing image, 1 × duplicate id``."""
    return ", ".join(f"{number:,} × {kind}" for kind, number in counts.items() if KINDS[kind].severity in severities)
