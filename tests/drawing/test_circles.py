from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw

from hf_mlm.drawing.circles import circle_area, circle_outline
from hf_mlm.geo.distance import great_circle_distance


LATITUDES, LONGITUDES = st.floats(-89, 89), st.floats(-180, 180)
RADII = st.floats(1, 19_000)


@given(LATITUDES, LONGITUDES, RADII)
def test_the_outline_keeps_its_distance_and_does_not_jump(latitude: float, longitude: float, radius: float) -> None:
    outline = circle_outline(latitude, longitude, radius)
    assert great_circle_distance(latitude, longitude, *outline.T) == pytest.approx(radius, abs=0.01)
    assert np.abs(np.diff(outline[:, 1])).max() <= 180


# From no pole over one to both, also across the antimeridian.
@pytest.mark.parametrize("radius", [800, 4000, 9000, 14_000, 18_000])
@pytest.mark.parametrize(("latitude", "longitude"), [(0, 0), (35, 170), (-60, -175), (80, 20)])
def test_the_area_holds_what_is_near(latitude: float, longitude: float, radius: float) -> None:
    inside = Image.new("1", (360, 180))  # a pixel a degree
    for ring in circle_area(latitude, longitude, radius):
        for turn in (-360, 0, 360):
            copy = Image.new("1", inside.size)
            ImageDraw.Draw(copy).polygon([(lon + turn + 180, 90 - lat) for lat, lon in ring], fill=1)
            inside = ImageChops.logical_xor(inside, copy)  # the even-odd rule
    rows, columns = np.mgrid[0:180, 0:360]
    distances = great_circle_distance(latitude, longitude, 89.5 - rows, columns - 179.5)
    clear = np.abs(distances - radius) > 200  # away from the outline, and from the seams of the copies
    east = np.abs((columns - 179.5 - longitude + 180) % 360 - 180)
    clear &= (east > 3) & (east < 177)
    assert (np.asarray(inside)[clear] == (distances < radius)[clear]).mean() > 0.999
