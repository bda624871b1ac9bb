"""The sentences of the summaries. None puts an article or a preposition before a name, so all fit every name."""

from __future__ import annotations

from typing import NamedTuple

from hf_mlm.world.shores import INLAND, LAKE, SEA


class Phrases(NamedTuple):
    """One language's sentences; of several, a place takes one for good. See ``hf_mlm.world.summaries``."""

    kinds: dict[str, str]  # class of the facts -> noun phrase
    waters: dict[int, str]  # shore -> what follows the noun phrase
    openings: tuple[str, ...]  # {name} {kind} {Kind} {water}
    openings_with_country: tuple[str, ...]  # … {country}
    populations: tuple[str, ...]  # {number}
    states: tuple[str, ...]  # {state}
    seats: tuple[str, ...]  # {seat}
    is_seat: str
    timezones: tuple[str, ...]  # {city}
    other_names: tuple[str, ...]  # {names}
    thousands: str  # between groups of three digits


ENGLISH = Phrases(
    kinds={
        "capital city": "a capital city",
        "city with millions of inhabitants": "a city of more than a million inhabitants",
        "big city": "a big city",
        "town": "a medium-sized town",
        "small town": "a small town",
        "small settlement": "a small settlement",
        "human settlement": "a settlement",
    },
    waters={INLAND: "", SEA: " by the sea", LAKE: " by a lake"},
    openings=("{name} is {kind}{water}.", "{name}: {kind}{water}.", "{Kind}{water}: {name}."),
    openings_with_country=(
        "{name} is {kind}{water}. Country: {country}.",
        "{name}, {country}: {kind}{water}.",
        "{Kind}{water}: {name}, {country}.",
    ),
    populations=(
        "Population: about {number}.",
        "About {number} people live here.",
        "It has some {number} inhabitants.",
    ),
    states=("State: {state}.", "US state: {state}."),
    seats=("Largest place in the region: {seat}.", "The region's largest place is {seat}."),
    is_seat="It is the largest place in its region.",
    timezones=("Time zone: {city}.", "Local time: {city} zone."),
    other_names=("Other names: {names}.", "Also known as {names}."),
    thousands=",",
)

GERMAN = Phrases(
    kinds={
        "capital city": "eine Hauptstadt",
        "city with millions of inhabitants": "eine Millionenstadt",
        "big city": "eine Großstadt",
        "town": "eine mittelgroße Stadt",
        "small town": "eine Kleinstadt",
        "small settlement": "ein kleiner Ort",
        "human settlement": "ein Ort",
    },
    waters={INLAND: "", SEA: " am Meer", LAKE: " an einem See"},
    openings=("{name} ist {kind}{water}.", "{name}: {kind}{water}.", "{Kind}{water}: {name}."),
    openings_with_country=(
        "{name} ist {kind}{water}. Land: {country}.",
        "{name}, {country}: {kind}{water}.",
        "{Kind}{water}: {name}, {country}.",
    ),
    populations=(
        "Einwohner: rund {number}.",
        "Hier leben etwa {number} Menschen.",
        "Der Ort hat rund {number} Einwohner.",
    ),
    states=("Bundesstaat: {state}.", "US-Bundesstaat: {state}."),
    seats=("Größter Ort der Region: {seat}.", "Der größte Ort der Region heißt {seat}."),
    is_seat="Es ist der größte Ort seiner Region.",
    timezones=("Zeitzone: {city}.", "Ortszeit: Zone {city}."),
    other_names=("Weitere Namen: {names}.", "Auch bekannt als {names}."),
    thousands=".",
)

FRENCH = Phrases(
    kinds={
        "capital city": "une capitale",
        "city with millions of inhabitants": "une ville de plus d’un million d’habitants",
        "big city": "une grande ville",
        "town": "une ville moyenne",
        "small town": "une petite ville",
        "small settlement": "une petite localité",
        "human settlement": "une localité",
    },
    waters={INLAND: "", SEA: " au bord de la mer", LAKE: " au bord d’un lac"},
    openings=("{name} est {kind}{water}.", "{name} : {kind}{water}.", "{Kind}{water} : {name}."),
    openings_with_country=(
        "{name} est {kind}{water}. Pays : {country}.",
        "{name}, {country} : {kind}{water}.",
        "{Kind}{water} : {name}, {country}.",
    ),
    populations=(
        "Population : environ {number} habitants.",
        "Environ {number} personnes y vivent.",
        "On y compte quelque {number} habitants.",
    ),
    states=("État : {state}.", "État américain : {state}."),
    seats=("Plus grande localité de la région : {seat}.", "La plus grande localité de la région se nomme {seat}."),
    is_seat="C’est la plus grande localité de sa région.",
    timezones=("Fuseau horaire : {city}.", "Heure locale : zone « {city} »."),
    other_names=("Autres noms : {names}.", "Noms également connus : {names}."),
    thousands="\N{NARROW NO-BREAK SPACE}",
)

PHRASES = {"en": ENGLISH, "de": GERMAN, "fr": FRENCH}
