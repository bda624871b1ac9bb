import pytest

from hf_mlm.world.places import load_places
from hf_mlm.world.territories import LANGUAGES, country_name, timezone_city


pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def babel() -> None:
    pytest.importorskip("babel")


def test_countries_have_the_languages_names():
    assert [country_name("CH", language) for language in LANGUAGES] == ["Switzerland", "Schweiz", "Suisse"]
    assert [country_name("CI", language) for language in LANGUAGES] == ["Côte d’Ivoire"] * 3
    assert country_name("MM", "en") == "Myanmar"  # without "(Burma)"
    assert country_name("??", "en") == ""


@pytest.mark.parametrize(
    ("zone", "cities"),
    [
        ("Europe/Vienna", ["Vienna", "Wien", "Vienne"]),
        ("Asia/Kolkata", ["Kolkata", "Kalkutta", "Calcutta"]),  # filed under its old name
        ("Europe/Kyiv", ["Kyiv", "Kiew", "Kiev"]),
        ("Atlantic/Reykjavik", ["Reykjavik", "Reykjavík", "Reykjavik"]),  # without soft hyphens
        ("Africa/Tripoli", ["Tripoli", "Tripolis", "Tripoli"]),
        ("America/New_York", ["New York"] * 3),
    ],
)
def test_zones_are_called_after_cities(zone, cities):
    assert [timezone_city(zone, language) for language in LANGUAGES] == cities


def test_every_country_and_zone_of_geonames_has_a_name(demo_packages):
    places = load_places()
    for language in LANGUAGES:
        assert all(country_name(code, language) for code in set(places.countries))
        assert all(timezone_city(zone, language).strip() for zone in set(places.timezones))
