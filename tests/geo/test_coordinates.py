import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.geo.coordinates import check_coordinates, position_of


@given(st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180))))
def test_every_place_on_the_earth_passes_unchanged(places):
    latitudes, longitudes = check_coordinates([p[0] for p in places], [p[1] for p in places])
    assert latitudes.dtype == longitudes.dtype == np.float64
    assert list(zip(latitudes.tolist(), longitudes.tolist(), strict=True)) == places


@pytest.mark.parametrize("bad", [(90.5, 0.0), (0.0, -180.001), (float("nan"), 0.0), (0.0, float("inf")), (0.0, None)])
def test_the_first_row_off_the_earth_is_named(bad):
    rows = [(90.0, 180.0), (-90.0, -180.0), bad, (99.0, 999.0)]
    with pytest.raises(ValueError, match=r"^Row 2 is off the earth: latitude .* longitude .* degrees\. Drop rows"):
        check_coordinates([row[0] for row in rows], [row[1] for row in rows])


@pytest.mark.parametrize(("latitudes", "longitudes"), [([1, 2], [1]), (1.0, 2.0), ([[1]], [[1]])])
def test_shapes_have_to_be_one_dimensional_and_equal(latitudes, longitudes):
    with pytest.raises(ValueError, match="two sequences of equal length, but their shapes are"):
        check_coordinates(latitudes, longitudes)


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_a_written_position_can_be_read_back(latitude, longitude):
    north, letter, east, other = position_of(latitude, longitude).replace("°", "").split()
    assert letter in "NS" and other in "EW" and float(north) >= 0 and float(east) >= 0
    assert float(north) * (1 if letter == "N" else -1) == pytest.approx(latitude, abs=0.00501)
    assert float(east) * (1 if other == "E" else -1) == pytest.approx(longitude, abs=0.00501)


@pytest.mark.parametrize("place", [(None, None), (None, 1.0), (1.0, None)])
def test_half_a_position_is_unknown(place):
    assert position_of(*place) == "unknown"
