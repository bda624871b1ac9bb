"""The sentences of the captions, as words with {slots}; none needs a contraction before a name."""

from __future__ import annotations

from typing import NamedTuple


class CaptionPhrases(NamedTuple):
    """One language's sentences. Slots: {person} {place} {country} {company} {event}, and {name}, a bare surname."""

    told: tuple[str, ...]  # every entity is told by the words
    shown: tuple[str, ...]  # what {name} stands for is told by the image alone
    events: tuple[str, ...]  # {place}


ENGLISH = CaptionPhrases(
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
)

GERMAN = CaptionPhrases(
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
)

FRENCH = CaptionPhrases(
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
)

SPANISH = CaptionPhrases(
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
)

CAPTION_PHRASES = {"en": ENGLISH, "de": GERMAN, "fr": FRENCH, "es": SPANISH}
