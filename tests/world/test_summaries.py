import random
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.world.imagery import COAST_KM, FAR_KM, INLAND, LAKE, LAND_KINDS, SEA, Surroundings
from hf_mlm.world.languages import SUMMARIES
from hf_mlm.world.places import BANDS, CAPITAL, SETTLEMENT, Facts
from hf_mlm.world.summaries import Draws, rounded, summary


NAMELESS = {"en": "Xyz", "de": "Xyz", "fr": "Xyz"}
BITS = st.integers(0, 2**64 - 1)


def every_template():
    for language, phrases in SUMMARIES.items():
        for field, value in phrases._asdict().items():
            if field != "thousands":
                texts = [value] if isinstance(value, str) else value.values() if isinstance(value, dict) else value
                yield from ((language, field, text) for text in texts)


@pytest.mark.parametrize("language", SUMMARIES)
def test_every_class_and_shore_has_words(language):
    assert set(SUMMARIES[language].kinds) == {CAPITAL, SETTLEMENT, *(name for _, name in BANDS)}
    assert set(SUMMARIES[language].waters) == {INLAND, SEA, LAKE}
    assert set(SUMMARIES[language].lands) == set(LAND_KINDS)
    assert set(SUMMARIES[language].heights) == {"low", "middle", "high"} and len(set(SUMMARIES[language].sides)) == 5


@pytest.mark.parametrize(("language", "field", "text"), every_template())
def test_templates_put_no_article_or_preposition_before_a_name(language, field, text):
    traps = {
        "en": r"\b(the|in|of|from|near)",
        "de": r"\b(in|im|aus|bei|nach|der|die|das|den|dem|von|vom)",
        "fr": r"\b(à|au|aux|en|de|du|des|le|la|les|l’|d’)",
    }
    names = r"{(name|country|state|seat|city)}"
    assert not re.search(rf"{traps[language]} ?{names}", text.lower())
    if field not in ("kinds", "waters", "lands", "sides"):
        assert text.endswith(".") and (text[0] == "{" or text[0].isupper())
        assert set(field_names(text)) <= {
            "name",
            "kind",
            "Kind",
            "water",
            "country",
            "number",
            "state",
            "seat",
            "city",
            "names",
            *("land", "other", "distance", "side"),
        }
    if language == "fr":
        assert not re.search(r"\S:", text)  # a space before the colon


def field_names(text: str) -> list[str]:
    return [name for _, name, _, _ in string.Formatter().parse(text) if name]


@given(BITS, st.sampled_from(["en", "de", "fr"]), st.sampled_from([0, 12, 7_300, 2_345_678]), st.booleans())
def test_texts_are_whole_sentences_that_hold_the_facts(bits, language, population, capital):
    facts = Facts(NAMELESS, population=population, capital=capital, around=Surroundings(SEA))
    text = summary(facts, language, bits, hints=False)
    assert text.endswith(".") and not re.search(r"[{}]|  |\.\.| \.", text)
    assert text.count("Xyz") == 1 and text[0].isupper()
    assert SUMMARIES[language].waters[SEA] in text
    digits = re.sub(r"\D", "", text)
    assert digits == {0: "", 12: "12", 7_300: "7300", 2_345_678: "2300000"}[population]


def test_wordings_and_order_vary_with_the_bits_and_with_nothing_else():
    facts = Facts(NAMELESS, population=50_000)
    generator = random.Random(0)
    draws = [generator.getrandbits(64) for _ in range(200)]
    assert len({summary(facts, "fr", bits, hints=False) for bits in draws}) == 9  # three openings, three populations
    assert summary(facts, "fr", draws[0], hints=False) == summary(facts, "fr", draws[0], hints=False)


def test_without_hints_nothing_but_name_size_and_shore_matters():
    bare = Facts(NAMELESS, population=50_000, around=Surroundings(LAKE))
    telling = bare._replace(
        country="CH",
        timezone="Europe/Zurich",
        state="Ohio",
        region_seat=dict(NAMELESS, de="Bern"),
        other_names=("Ab",),
    )
    for bits in range(100):
        for language in SUMMARIES:
            assert summary(telling, language, bits, hints=False) == summary(bare, language, bits, hints=False)


@given(BITS, st.sampled_from(list(SUMMARIES)), st.lists(st.sampled_from(LAND_KINDS), max_size=2, unique=True))
def test_the_land_the_height_and_the_way_to_the_sea_are_always_told(bits, language, land):
    phrases = SUMMARIES[language]
    for coast in (0, *COAST_KM, None):
        around = Surroundings(INLAND, tuple(land), "high", coast, 3)
        text = summary(Facts(NAMELESS, around=around), language, bits, hints=False)
        assert all(phrases.lands[kind] in text for kind in land) and phrases.heights["high"] in text
        assert (phrases.sides[3] in text) == (coast is not None)
        assert coast == 0 or f"{FAR_KM if coast is None else coast} km" in text


@pytest.mark.real
def test_with_hints_country_and_region_are_always_told_in_the_language():
    pytest.importorskip("babel")
    facts = Facts(
        {"en": "Vevey", "de": "Vevey", "fr": "Vevey"},
        country="CH",
        population=19_891,
        timezone="Europe/Zurich",
        region_seat={"en": "Lausanne", "de": "Lausanne", "fr": "Lausanne"},
        other_names=("Vivis", "Väväi", "Viviès"),
    )
    texts = {language: [summary(facts, language, bits * 7**20) for bits in range(200)] for language in SUMMARIES}
    for language, country in (("en", "Switzerland"), ("de", "Schweiz"), ("fr", "Suisse")):
        assert all(country in text and "Lausanne" in text for text in texts[language])
        assert 50 < sum("Vivis" in text for text in texts[language]) < 150  # other names are told half the time
    assert not any("Väväi" in text for text in texts["en"] + texts["fr"]) and any("Väväi" in t for t in texts["de"])
    assert not any("Viviès" in text for text in texts["en"] + texts["de"]) and any("Viviès" in t for t in texts["fr"])


@pytest.mark.real
def test_the_details_take_turns_at_coming_first():
    pytest.importorskip("babel")
    facts = Facts(NAMELESS, country="US", population=50_000, state="Ohio")
    texts = [summary(facts, "de", bits * 7**20) for bits in range(100)]
    assert {text.index("Ohio") < text.index("50.000") for text in texts} == {True, False}


@pytest.mark.real
def test_the_largest_place_of_its_region_says_so():
    pytest.importorskip("babel")
    facts = Facts(NAMELESS, country="CH", region_seat=NAMELESS)
    assert "It is the largest place in its region." in summary(facts, "en", 0)
    assert "State: Ohio." in summary(facts._replace(country="US", state="Ohio"), "en", 0)


@given(st.integers(1, 10**8))
def test_rounding_keeps_two_digits(number):
    text = rounded(number, ".")
    value = int(text.replace(".", ""))
    assert abs(value - number) <= 0.05 * number
    assert len(str(value).rstrip("0")) <= 2
    assert re.fullmatch(r"\d{1,3}(\.\d{3})*", text)


@given(BITS, st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_draws_are_the_digits_of_the_number(bits, bases):
    draws, rest = Draws(bits), bits
    for base in bases:
        assert draws.below(base) == rest % base
        rest //= base
