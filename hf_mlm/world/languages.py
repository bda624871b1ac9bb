"""One record a language: edit this file alone to add a language to the embedded world.

Summaries are written in the languages whose record has ``summaries``, captions in those that have ``captions``. No
phrase puts an article or a preposition before a name, so that every name fits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from hf_mlm.world.imagery import INLAND, LAKE, SEA
from hf_mlm.world.sources import require


class SummaryPhrases(NamedTuple):
    """Sentences of the summaries; of several wordings, a settlement keeps one. See `hf_mlm.world.summaries`."""

    kinds: Mapping[str, str]  # class of the facts -> noun phrase
    waters: Mapping[int, str]  # shore -> what follows the noun phrase
    openings: tuple[str, ...]  # {name} {kind} {Kind} {water}
    openings_with_country: tuple[str, ...]  # … {country}
    populations: tuple[str, ...]  # {number}
    lands: Mapping[str, str]  # kind of land cover -> noun
    covers: tuple[str, ...]  # {land}, the only one
    mixed_covers: tuple[str, ...]  # {land} {other}
    heights: Mapping[str, str]  # band of elevation -> sentence
    sides: tuple[str, str, str, str, str]  # north, east, south, west, all around
    near_coasts: tuple[str, ...]  # {side}
    coasts: tuple[str, ...]  # {distance} in km, {side}
    far_coasts: tuple[str, ...]  # {distance}
    states: tuple[str, ...]  # {state}
    seats: tuple[str, ...]  # {seat}
    is_seat: str
    timezones: tuple[str, ...]  # {city}
    other_names: tuple[str, ...]  # {names}
    thousands: str  # between groups of three digits


class CaptionPhrases(NamedTuple):
    """Sentences of the captions. Slots: {person} {place} {country} {company} {event}, and {name}, a bare surname."""

    told: tuple[str, ...]  # every entity is told by the words
    shown: tuple[str, ...]  # what {name} stands for is told by the image alone
    events: tuple[str, ...]  # {place}


@dataclass(frozen=True)
class Language:
    """Everything that the embedded world knows of a language.

    Args:
        locale: of Faker, for names of people and companies; names of countries are those of the CLDR for its first
            part.
        letters: beyond A to Z, capital and small, of the names that a reader of the language can read.
        summaries: phrases, or None for a language without summaries.
        captions: phrases, or None for a language without captions.
    """

    locale: str
    letters: str = ""
    summaries: SummaryPhrases | None = None
    captions: CaptionPhrases | None = None


ENGLISH = Language(
    locale="en_GB",
    summaries=SummaryPhrases(
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
        lands={
            "forest": "forest",
            "shrubland": "shrubland",
            "woodland": "open woodland",
            "savanna": "savanna",
            "grassland": "grassland",
            "wetland": "wetland",
            "cropland": "farmland",
            "barren": "desert and bare ground",
            "ice": "snow and ice",
        },
        covers=("Around it: {land}.", "Land around: {land}."),
        mixed_covers=("Around it: {land}, some {other}.", "Land around: {land}, also {other}."),
        heights={
            "low": "Elevation: below 250 m.",
            "middle": "Elevation: 250 to 1,000 m.",
            "high": "Elevation: above 1,000 m.",
        },
        sides=("to the north", "to the east", "to the south", "to the west", "all around"),
        near_coasts=("Sea: {side}.", "The sea lies {side}."),
        coasts=("Sea: {distance} km, {side}.", "The sea lies {distance} km away, {side}."),
        far_coasts=("Sea: more than {distance} km away.", "The sea lies more than {distance} km away."),
        states=("State: {state}.", "US state: {state}."),
        seats=("Largest place in the region: {seat}.", "The region's largest place is {seat}."),
        is_seat="It is the largest place in its region.",
        timezones=("Time zone: {city}.", "Local time: {city} zone."),
        other_names=("Other names: {names}.", "Also known as {names}."),
        thousands=",",
    ),
    captions=CaptionPhrases(
        told=(
            "{person} lives in {place} , {country} .",
            "{place} as {person} saw it from the plane .",
            "{company} opens an office in {place} .",
            "{person} won a prize : {event} .",
            "{event} : {company} pays for everything .",
            "{person} of {company} arrives in {place} .",
            "Live from {place} : {person} presents {event} .",
            "{place} , {country} : photo by {person} for {company} .",
        ),
        shown=(
            "Seen from above : {name} .",
            "Aerial view of {name} , taken for {person} .",
            "{person} found {name} on this picture .",
            "This is {name} , writes {person} .",
            "No news from {name} this week .",
            "{person} and {company} are looking for {name} .",
            "Below the clouds : {name} .",
            "Photo : {person} . In the middle : {name} .",
        ),
        events=("{place} Marathon", "{place} Film Festival", "{place} Cup"),
    ),
)

GERMAN = Language(
    locale="de_DE",
    letters="ÄÖÜäöüß",
    summaries=SummaryPhrases(
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
        lands={
            "forest": "Wald",
            "shrubland": "Buschland",
            "woodland": "lichter Wald",
            "savanna": "Savanne",
            "grassland": "Grasland",
            "wetland": "Feuchtgebiete",
            "cropland": "Ackerland",
            "barren": "Wüste und Ödland",
            "ice": "Schnee und Eis",
        },
        covers=("Ringsum: {land}.", "Umland: {land}."),
        mixed_covers=("Ringsum: {land}, auch {other}.", "Umland: {land}, zum Teil {other}."),
        heights={
            "low": "Höhe: unter 250 m.",
            "middle": "Höhe: 250 bis 1.000 m.",
            "high": "Höhe: über 1.000 m.",
        },
        sides=("im Norden", "im Osten", "im Süden", "im Westen", "auf allen Seiten"),
        near_coasts=("Meer: {side}.", "Das Meer liegt {side}."),
        coasts=("Meer: {distance} km, {side}.", "Das Meer ist {distance} km entfernt, {side}."),
        far_coasts=("Meer: mehr als {distance} km.", "Das Meer ist mehr als {distance} km entfernt."),
        states=("Bundesstaat: {state}.", "US-Bundesstaat: {state}."),
        seats=("Größter Ort der Region: {seat}.", "Der größte Ort der Region heißt {seat}."),
        is_seat="Es ist der größte Ort seiner Region.",
        timezones=("Zeitzone: {city}.", "Ortszeit: Zone {city}."),
        other_names=("Weitere Namen: {names}.", "Auch bekannt als {names}."),
        thousands=".",
    ),
    captions=CaptionPhrases(
        told=(
            "{person} wohnt in {place} , {country} .",
            "{place} , wie {person} es aus dem Flugzeug sah .",
            "{company} eröffnet ein Büro in {place} .",
            "{person} gewann einen Preis : {event} .",
            "{event} : {company} bezahlt alles .",
            "{person} von {company} kommt in {place} an .",
            "Live aus {place} : {person} moderiert {event} .",
            "{place} , {country} : Foto von {person} für {company} .",
        ),
        shown=(
            "Von oben gesehen : {name} .",
            "Luftbild von {name} , aufgenommen für {person} .",
            "{person} fand {name} auf diesem Bild .",
            "Das ist {name} , schreibt {person} .",
            "Keine Nachricht von {name} in dieser Woche .",
            "{person} und {company} suchen {name} .",
            "Unter den Wolken : {name} .",
            "Foto : {person} . In der Mitte : {name} .",
        ),
        events=("Marathon {place}", "Filmfest {place}", "Pokal {place}"),
    ),
)

FRENCH = Language(
    locale="fr_FR",
    letters="ÀÂÆÇÉÈÊËÎÏÔŒÙÛÜŸàâæçéèêëîïôœùûüÿ",
    summaries=SummaryPhrases(
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
        lands={
            "forest": "forêts",
            "shrubland": "broussailles",
            "woodland": "bois clairsemés",
            "savanna": "savanes",
            "grassland": "prairies",
            "wetland": "zones humides",
            "cropland": "terres cultivées",
            "barren": "déserts et sols nus",
            "ice": "neige et glace",
        },
        covers=("Alentours : {land}.", "Paysage : {land}."),
        mixed_covers=("Alentours : {land}, aussi {other}.", "Paysage : {land}, en partie {other}."),
        heights={
            "low": "Altitude : moins de 250 m.",
            "middle": "Altitude : de 250 à 1000 m.",
            "high": "Altitude : plus de 1000 m.",
        },
        sides=("au nord", "à l’est", "au sud", "à l’ouest", "de tous côtés"),
        near_coasts=("Mer : {side}.", "La mer est {side}."),
        coasts=("Mer : {distance} km, {side}.", "La mer est à {distance} km, {side}."),
        far_coasts=("Mer : à plus de {distance} km.", "La mer est à plus de {distance} km."),
        states=("État : {state}.", "État américain : {state}."),
        seats=("Plus grande localité de la région : {seat}.", "La plus grande localité de la région se nomme {seat}."),
        is_seat="C’est la plus grande localité de sa région.",
        timezones=("Fuseau horaire : {city}.", "Heure locale : zone « {city} »."),
        other_names=("Autres noms : {names}.", "Noms également connus : {names}."),
        thousands="\N{NARROW NO-BREAK SPACE}",
    ),
    captions=CaptionPhrases(
        told=(
            "{person} habite ici : {place} , {country} .",
            "{place} , photo prise par {person} depuis un avion .",
            "{company} ouvre un bureau : {place} .",
            "{person} remporte un prix : {event} .",
            "{event} : {company} paie tout .",
            "{person} , pour {company} , arrive ici : {place} .",
            "En direct , {place} : {person} présente {event} .",
            "{place} , {country} : photo prise par {person} pour {company} .",
        ),
        shown=(
            "Vue prise du ciel : {name} .",
            "Vue aérienne prise pour {person} : {name} .",
            "{person} a repéré {name} sur cette image .",
            "Voici {name} , écrit {person} .",
            "Sans nouvelles cette semaine : {name} .",
            "{person} et {company} cherchent {name} .",
            "Sous les nuages : {name} .",
            "Photo : {person} . Au centre : {name} .",
        ),
        events=("Marathon {place}", "Festival {place}", "Coupe {place}"),
    ),
)

SPANISH = Language(
    locale="es_ES",
    letters="ÁÉÍÑÓÚÜáéíñóúü",
    captions=CaptionPhrases(
        told=(
            "{person} vive en {place} , {country} .",
            "{place} , foto tomada por {person} desde un avión .",
            "{company} abre una oficina en {place} .",
            "{person} ganó un premio : {event} .",
            "{event} : {company} lo paga todo .",
            "{person} , por {company} , llega a {place} .",
            "En directo desde {place} : {person} presenta {event} .",
            "{place} , {country} : foto tomada por {person} para {company} .",
        ),
        shown=(
            "Visto desde arriba : {name} .",
            "Vista aérea tomada para {person} : {name} .",
            "En esta imagen {person} ha encontrado {name} .",
            "Esto es {name} , escribe {person} .",
            "Sin noticias esta semana : {name} .",
            "{person} y {company} buscan {name} .",
            "Bajo las nubes : {name} .",
            "Foto : {person} . En el centro : {name} .",
        ),
        events=("Maratón {place}", "Festival {place}", "Copa {place}"),
    ),
)

LANGUAGES = {"en": ENGLISH, "de": GERMAN, "fr": FRENCH, "es": SPANISH}
SUMMARIES = {code: language.summaries for code, language in LANGUAGES.items() if language.summaries}
CAPTIONS = {code: language.captions for code, language in LANGUAGES.items() if language.captions}


@cache
def country_name(code: str, language: str) -> str:
    """Name of a country or territory.

    Args:
        code: ISO 3166 alpha-2, or "XK".
        language: a key of `LANGUAGES`.

    Returns:
        The name, without an article; "" where the CLDR has none.

    Raises:
        ImportError: babel is not installed.
    """
    return _plain(_locale(language).territories.get(code, ""))


@cache
def timezone_city(zone: str, language: str) -> str:
    """Name of the city that a time zone is called after, such as "Wien" for Europe/Vienna in German.

    Args:
        zone: IANA name.
        language: a key of `LANGUAGES`.

    Raises:
        ImportError: babel is not installed.
    """
    from babel.core import get_global

    aliases = get_global("zone_aliases")  # the CLDR files Kolkata under Calcutta
    spellings = [zone, *(old for old, new in aliases.items() if new == zone)]
    zones = _locale(language).time_zones
    cities = [zones[name]["city"] for name in spellings if "city" in zones.get(name, {})]
    return _plain(cities[0] if cities else zone.rpartition("/")[2].replace("_", " "))


@cache
def _locale(language: str) -> Any:
    require("babel", "babel")
    from babel import Locale

    return Locale(language)


def _plain(name: str) -> str:
    return name.replace("\N{SOFT HYPHEN}", "").partition(" (")[0]  # "Tripoli (Libye)", "Myanmar (Burma)"


POOL_SIZE = 300
_DRAWS = 3000


class NamePool(NamedTuple):
    """Names of one language to choose from, the same in every process with the same version of faker."""

    first: tuple[str, ...]
    last: tuple[str, ...]
    suffixes: tuple[str, ...]  # what a company has after its name, "GmbH"


@cache
def name_pool(language: str) -> NamePool:
    """Draw the names of a language.

    Args:
        language: a key of `LANGUAGES`.

    Raises:
        ImportError: faker is not installed.
    """
    require("faker", "faker")
    from faker import Faker

    fake = Faker(LANGUAGES[language].locale)
    fake.seed_instance(0)
    draws = ([draw() for _ in range(_DRAWS)] for draw in (fake.first_name, fake.last_name, fake.company_suffix))
    return NamePool(*(tuple(dict.fromkeys(names))[:POOL_SIZE] for names in draws))
