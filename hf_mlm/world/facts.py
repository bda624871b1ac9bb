"""What may be said about a place, and the classes that follow from it."""

from __future__ import annotations

from typing import NamedTuple

from hf_mlm.world.shores import INLAND, LAKE, SEA


# Lower bounds of the bands, those of the German statistical offices. Their names tell sizes and no legal status.
BANDS = (
    (1_000_000, "city with millions of inhabitants"),
    (100_000, "big city"),
    (20_000, "town"),
    (5_000, "small town"),
    (10, "small settlement"),
)
SETTLEMENT = "human settlement"  # Wikidata's root class of them all; here also the band of an unknown population
CAPITAL = "capital city"
WATERSIDE = {SEA: "coastal settlement", LAKE: "lakeside settlement"}


class Facts(NamedTuple):
    """Everything that a summary of one place may say; what is not known is empty, 0 or False."""

    names: dict[str, str]  # language -> name
    country: str = ""  # ISO 3166 alpha-2
    population: int = 0
    capital: bool = False  # of its country or territory
    shore: int = INLAND
    timezone: str = ""  # IANA name
    state: str = ""  # of the United States, in English
    region_seat: dict[str, str] | None = None  # names of the most populous place of the same first-level region
    other_names: tuple[str, ...] = ()


def band(population: int) -> str:
    """The class of a population.

    Example:
        >>> band(33_886), band(0)
        ('town', 'human settlement')
    """
    return next((name for bound, name in BANDS if population >= bound), SETTLEMENT)


def classes(facts: Facts) -> list[str]:
    """Class labels of a place in English, as in MLM, the most general first.

    Example:
        >>> classes(Facts({"en": "Funchal"}, population=100_847, shore=SEA))
        ['human settlement', 'big city', 'coastal settlement']
    """
    labels = [SETTLEMENT, band(facts.population)]
    if facts.capital:
        labels.append(CAPITAL)
    if facts.shore != INLAND:
        labels.append(WATERSIDE[facts.shore])
    return list(dict.fromkeys(labels))
