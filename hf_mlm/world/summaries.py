"""Short texts about a place in English, German and French, from its facts alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hf_mlm.world.languages import PHRASES, Phrases, country_name, timezone_city
from hf_mlm.world.places import CAPITAL, Facts, band


class Draws:
    """Small choices cut from one 64-bit number, digit by digit; the same number gives the same choices.

    Example:
        >>> draws = Draws(17)
        >>> draws.below(3), draws.below(2)
        (2, 1)
    """

    def __init__(self, bits: int) -> None:
        self._bits = bits

    def below(self, count: int) -> int:
        """The next choice, 0 … count − 1."""
        self._bits, choice = divmod(self._bits, count)
        return choice

    def one_of(self, options: Sequence[str]) -> str:
        """The next choice among some options."""
        return options[self.below(len(options))]


def summary(facts: Facts, language: str, bits: int, hints: bool = True) -> str:
    """Put a place into two to six short sentences.

    Without hints a text tells the name, the size, and whether the place is a capital or lies by water. Hints add the
    country, the first-level region, the time zone and other names, which nearly give the cell away.

    Args:
        facts: what is known of the place.
        language: "en", "de" or "fr".
        bits: 64 random bits, which choose among the wordings and the order of the sentences.
        hints: whether to tell what gives the cell away.

    Example:
        >>> thun = Facts(dict.fromkeys(("en", "de", "fr"), "Thun"), population=42_136, shore=2)
        >>> summary(thun, "de", bits=0, hints=False)
        'Thun ist eine mittelgroße Stadt an einem See. Einwohner: rund 42.000.'
    """
    phrases, draws = PHRASES[language], Draws(bits)
    country = country_name(facts.country, language) if hints and facts.country else ""
    kind = phrases.kinds[CAPITAL if facts.capital else band(facts.population)]
    opening = draws.one_of(phrases.openings_with_country if country else phrases.openings).format(
        name=facts.names[language],
        kind=kind,
        Kind=kind[0].upper() + kind[1:],
        water=phrases.waters[facts.shore],
        country=country,
    )
    details = _population(facts, phrases, draws)
    if hints:
        details += _region(facts, language, draws) + _timezone(facts, language, draws)
        details += _other_names(facts, language, draws)
    turn = draws.below(len(details)) if details else 0
    return " ".join([opening, *details[turn:], *details[:turn]])


def rounded(number: int, thousands: str) -> str:
    """A number to two significant digits.

    Example:
        >>> rounded(1_234_567, ",")
        '1,200,000'
    """
    return f"{float(f'{number:.2g}'):,.0f}".replace(",", thousands)


def _population(facts: Facts, phrases: Phrases, draws: Draws) -> list[str]:
    if not facts.population:
        return []
    return [draws.one_of(phrases.populations).format(number=rounded(facts.population, phrases.thousands))]


def _region(facts: Facts, language: str, draws: Draws) -> list[str]:
    phrases = PHRASES[language]
    if facts.state:
        return [draws.one_of(phrases.states).format(state=facts.state)]
    if facts.region_seat is None:
        return []
    if facts.region_seat == facts.names:
        return [phrases.is_seat]
    return [draws.one_of(phrases.seats).format(seat=facts.region_seat[language])]


def _timezone(facts: Facts, language: str, draws: Draws) -> list[str]:
    city = timezone_city(facts.timezone, language) if facts.timezone else ""
    if not city or city == facts.names[language] or draws.below(2):
        return []
    return [draws.one_of(PHRASES[language].timezones).format(city=city)]


_ALPHABETS = {
    "en": re.compile(r"[A-Za-z '’-]+"),
    "de": re.compile(r"[A-Za-zÄÖÜäöüß '’-]+"),
    "fr": re.compile(r"[A-Za-zÀÂÆÇÉÈÊËÎÏÔŒÙÛÜŸàâæçéèêëîïôœùûüÿ '’-]+"),
}


def _other_names(facts: Facts, language: str, draws: Draws) -> list[str]:
    fitting = [name for name in facts.other_names if _ALPHABETS[language].fullmatch(name)]
    if not fitting or draws.below(2):
        return []
    start = draws.below(len(fitting))
    names = (fitting[start:] + fitting[:start])[:2]
    return [draws.one_of(PHRASES[language].other_names).format(names=", ".join(names))]
