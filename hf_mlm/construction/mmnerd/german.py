"""Rules that propose entities in German, of which no model of spaCy can be had from a package registry."""

from __future__ import annotations


_NAME = r"[A-ZÄÖÜ][\w\u00df-]+"
_MONTH = "Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember"
_LAND = "Nord|Süd|Ost|West|Mittel|Zentral"

GERMAN_RULES: dict[str, tuple[str, ...]] = {
    "PER": (
        rf"\b(?:(?:Herrn?|Frau|Dr\.|Prof\.|Präsident(?:in)?|Kanzler(?:in)?|König(?:in)?|Papst)\s+)+"
        rf"(?P<entity>{_NAME}(?:\s(?:von|van|zu|de)\b)?(?:\s{_NAME})?)",
    ),
    "ORG": (
        rf"\b{_NAME}(?:\s(?:&\s)?{_NAME})*\s(?:GmbH|AG|KG|SE|e\.V\.)",
        rf"\b(?:Universität|Hochschule|Ministerium|Bank)\s(?:von\s|für\s)?{_NAME}",
        r"\b(?:FC|SV|VfB|VfL|TSV|TSG)\s" + _NAME,
    ),
    "LOC": (
        rf"\b(?:in|aus|nach|bei)\s(?P<entity>(?:{_LAND})?{_NAME}(?:land|burg|berg|stadt|heim|furt|dorf|hausen|münde))\b",
        r"\b[A-ZÄÖÜ]\w+(?:straße|platz|allee|see|gebirge)\b",
    ),
    "DATE": (
        rf"\b\d{{1,2}}\.\s(?:{_MONTH})(?:\s\d{{4}})?\b",
        rf"\b(?:{_MONTH})\s\d{{4}}\b",
        r"\b(?:1[0-9]|20)\d{2}\b",
    ),
    "CARDINAL": (r"\b\d+(?:[.,]\d+)*\b",),
}
