import numpy as np
import pytest

from hf_mlm.world.gazetteer import Gazetteer, load_gazetteer


pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def babel() -> None:
    pytest.importorskip("babel")


@pytest.fixture
def gazetteer(made_up) -> Gazetteer:
    towns = made_up(
        8,
        names=["Wels", "Vienna", "Vienna", "Astana", "Córdoba", "Salem", "Salem", "Nowhere"],
        countries=["AT", "AT", "AT", "KZ", "AR", "US", "US", "KZ"],
        regions=["04", "09", "04", "05", "05", "OR", "MA", ""],
        populations=[60_000, 1_700_000, 300, 350_000, 1_400_000, 170_000, 43_000, 3],
        timezones=["Europe/Vienna"] * 3
        + ["Asia/Almaty", "America/Argentina/Cordoba", "America/Los_Angeles", "America/New_York", "Asia/Almaty"],
        other_names=["", "Wien", "", "Akmola|Nur-Sultan", "", "", "", ""],
    )
    return Gazetteer(
        towns, capitals={"AT": "Vienna", "KZ": "Nur-Sultan", "AR": "", "US": "Washington"}, states={"OR": "Oregon"}
    )


@pytest.fixture
def facts(gazetteer):
    return list(gazetteer.facts(np.arange(8), np.zeros(8, dtype=np.int8)))


def test_capitals_are_the_most_populous_of_that_name_or_listed_under_it(facts):
    assert [fact.capital for fact in facts] == [False, True, False, True, False, False, False, False]


def test_only_the_city_that_a_zone_is_called_after_is_translated(facts):
    assert facts[1].names == {"en": "Vienna", "de": "Wien", "fr": "Vienne"}
    assert set(facts[2].names.values()) == {"Vienna"}
    assert set(facts[4].names.values()) == {"Córdoba"}  # the CLDR's English has no accent


def test_the_region_is_told_by_its_most_populous_place(facts):
    assert facts[2].region_seat["de"] == "Wels" and facts[1].region_seat["de"] == "Wien"
    assert facts[7].region_seat is None


def test_states_belong_to_the_united_states(facts):
    assert [fact.state for fact in facts] == [""] * 5 + ["Oregon", "", ""]  # Córdoba's region is 05, not a state


def test_a_handful_of_people_is_no_known_population(facts):
    assert facts[7].population == 0 and facts[0].population == 60_000
    assert facts[3].other_names == ("Akmola", "Nur-Sultan") and facts[0].other_names == ()


def test_knows_the_real_capitals(demo_packages):
    gazetteer = load_gazetteer()
    places = gazetteer.places
    chosen = np.flatnonzero(np.isin(places.names.astype(str), ["Paris", "New Delhi", "Delhi", "Brasília", "Astana"]))
    capitals = {
        (fact.names["de"], fact.country)
        for fact in gazetteer.facts(chosen, np.zeros(len(chosen), dtype=np.int8))
        if fact.capital
    }
    assert capitals == {("Paris", "FR"), ("New Delhi", "IN"), ("Brasília", "BR"), ("Astana", "KZ")}
