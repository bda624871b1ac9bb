import subprocess
import sys

import pytest

from hf_mlm.world.languages import LANGUAGES, POOL_SIZE, country_name, name_pool, timezone_city
from hf_mlm.world.places import load_places


pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def babel() -> None:
    pytest.importorskip("babel")


def test_countries_have_the_languages_names():
    assert [country_name("CH", language) for language in LANGUAGES] == ["Switzerland", "Schweiz", "Suisse", "Suiza"]
    assert [country_name("CI", language) for language in LANGUAGES] == ["Côte d’Ivoire"] * 4
    assert country_name("MM", "en") == "Myanmar"  # without "(Burma)"
    assert country_name("??", "en") == ""


@pytest.mark.parametrize(
    ("zone", "cities"),
    [
        ("Europe/Vienna", ["Vienna", "Wien", "Vienne", "Viena"]),
        ("Asia/Kolkata", ["Kolkata", "Kalkutta", "Calcutta", "Calcuta"]),  # filed under its old name
        ("Europe/Kyiv", ["Kyiv", "Kiew", "Kiev", "Kiev"]),
        ("Atlantic/Reykjavik", ["Reykjavik", "Reykjavík", "Reykjavik", "Reikiavik"]),  # without soft hyphens
        ("Africa/Tripoli", ["Tripoli", "Tripolis", "Tripoli", "Trípoli"]),
        ("America/New_York", ["New York", "New York", "New York", "Nueva York"]),
    ],
)
def test_zones_are_called_after_cities(zone, cities):
    assert [timezone_city(zone, language) for language in LANGUAGES] == cities


def test_every_country_and_zone_of_geonames_has_a_name(demo_packages):
    places = load_places()
    for language in LANGUAGES:
        assert all(country_name(code, language) for code in set(places.countries))
        assert all(timezone_city(zone, language).strip() for zone in set(places.timezones))


pytestmark = pytest.mark.real
pytest.importorskip("faker")


@pytest.mark.parametrize("language", LANGUAGES)
def test_pools_are_full_and_have_no_repeats(language):
    pool = name_pool(language)
    assert len(pool.first) >= 200 and len(pool.last) == POOL_SIZE and len(pool.suffixes) >= 5
    assert all(len(set(names)) == len(names) and all(name.strip() == name for name in names) for names in pool)


def test_names_are_those_of_the_language():
    assert "GmbH" in name_pool("de").suffixes and "Ltd" in name_pool("en").suffixes
    assert len({name_pool(language).last for language in LANGUAGES}) == len(LANGUAGES)


def test_the_same_in_another_process():
    code = "from hf_mlm.world.languages import name_pool; print(name_pool('fr').last[::30])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == str(name_pool("fr").last[::30])


def test_a_missing_package_is_named_with_the_way_out(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'needs the package faker: pip install "hf-mlm\[demo\]"'):
        name_pool.__wrapped__("de")
