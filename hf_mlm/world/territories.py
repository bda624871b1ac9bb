"""Countries and time zones' cities in English, German, French and Spanish, from the Unicode CLDR (package babel)."""

from __future__ import annotations

from functools import cache
from typing import Any

from hf_mlm.world.sources import require


LANGUAGES = ("en", "de", "fr")


@cache
def country_name(code: str, language: str) -> str:
    """Name of a country or territory.

    Args:
        code: ISO 3166 alpha-2, or "XK".
        language: "en", "de", "fr" or "es".

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
        language: "en", "de", "fr" or "es".

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
