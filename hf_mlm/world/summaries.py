"""Short texts about a settlement, from its facts alone, in every language that has phrases for them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hf_mlm.world.imagery import FAR_KM
from hf_mlm.world.languages import LANGUAGES, SUMMARIES, SummaryPhrases, country_name, timezone_city
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
    """Put a settlement into two to nine short sentences.

    Without hints a text tells the name, the size, whether the settlement is a capital, and what lies around it: water,
    the kind of land, its elevation and the way to the sea. Hints add the country, the first-level region, the time
    zone and other names, which nearly give the cell away.

    Args:
        facts: of the settlement.
        language: a key of `hf_mlm.world.languages.SUMMARIES`.
        bits: 64 random bits, which choose among the wordings and the order of the sentences.
        hints: whether to tell what gives the cell away.

    Example:
        >>> from hf_mlm.world.imagery import LAKE, Surroundings
        >>> around = Surroundings(LAKE, ("cropland", "forest"), "middle")
        >>> thun = Facts({"de": "Thun"}, population=42_136, around=around)
        >>> summary(thun, "de", bits=0, hints=False)
        'Thun ist eine mittelgroße Stadt an einem See. Einwohner: rund 42.000. Ringsum: Ackerland, auch Wald. ...'
    """
    phrases, draws = SUMMARIES[language], Draws(bits)
    country = country_name(facts.country, language) if hints and facts.country else ""
    kind = phrases.kinds[CAPITAL if facts.capital else band(facts.population)]
    opening = draws.one_of(phrases.openings_with_country if country else phrases.openings).format(
        name=facts.names[language],
        kind=kind,
        Kind=kind[0].upper() + kind[1:],
        water=phrases.waters[facts.around.shore],
        country=country,
    )
    details = _population(facts, phrases, draws) + _around(facts, phrases, draws)
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


def _population(facts: Facts, phrases: SummaryPhrases, draws: Draws) -> list[str]:
    if not facts.population:
        return []
    return [draws.one_of(phrases.populations).format(number=rounded(facts.population, phrases.thousands))]


def _around(facts: Facts, phrases: SummaryPhrases, draws: Draws) -> list[str]:
    """Kind of land, elevation and the way to the sea, as far as they are known."""
    around, sentences = facts.around, []
    if around.land:
        land, *others = (phrases.lands[kind] for kind in around.land)
        wordings = phrases.mixed_covers if others else phrases.covers
        sentences.append(draws.one_of(wordings).format(land=land, other=others[0] if others else ""))
    if not around.height:
        return sentences
    sentences.append(phrases.heights[around.height])
    wordings = phrases.far_coasts if around.coast_km is None else phrases.coasts
    wordings = phrases.near_coasts if around.coast_km == 0 else wordings
    distance = FAR_KM if around.coast_km is None else around.coast_km
    sentences.append(draws.one_of(wordings).format(distance=distance, side=phrases.sides[around.coast_side]))
    return sentences


def _region(facts: Facts, language: str, draws: Draws) -> list[str]:
    phrases = SUMMARIES[language]
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
    return [draws.one_of(SUMMARIES[language].timezones).format(city=city)]


def _other_names(facts: Facts, language: str, draws: Draws) -> list[str]:
    readable = re.compile(rf"[A-Za-z{LANGUAGES[language].letters} '’-]+")
    fitting = [name for name in facts.other_names if readable.fullmatch(name)]
    if not fitting or draws.below(2):
        return []
    start = draws.below(len(fitting))
    names = (fitting[start:] + fitting[:start])[:2]
    return [draws.one_of(SUMMARIES[language].other_names).format(names=", ".join(names))]
