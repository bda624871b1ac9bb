from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from hf_mlm.app.circle import circle_outline
from hf_mlm.app.region import Region


@given(st.floats(-75, 75), st.floats(-180, 180), st.floats(1, 1900))
def test_a_circle_fits_and_looks_round(latitude: float, longitude: float, radius: float) -> None:
    region = Region.around(latitude, longitude, radius)
    assume(region is not None)
    assert region is not None
    x, y = region.project(*circle_outline(latitude, longitude, radius).T).T
    assert x.min() >= 0 and y.min() >= 0 and x.max() <= region.width and y.max() <= region.height
    assert region.project(latitude, longitude) == pytest.approx([region.width / 2, region.height / 2])
    if radius < 300 and abs(latitude) < 60:
        assert np.ptp(x) == pytest.approx(np.ptp(y), rel=0.03)


def test_the_world_shows_what_is_too_large_or_at_a_pole() -> None:
    assert Region.around(0, 0, 5000) is None
    assert Region.around(84, 0, 300) is None


def test_the_background_is_the_region_also_across_the_antimeridian() -> None:
    rows, columns = np.mgrid[0:180, 0:360]
    shades = [(rows + 30) % 256, np.where(columns < 180, columns, 359 - columns), 0 * rows]  # lines at 180° fit
    earth = np.stack(shades, axis=-1).astype(np.uint8)
    region = Region(south=-10, north=10, west=170, span=20, width=320)
    with Image.open(io.BytesIO(region.background(earth, quality=95))) as picture:
        assert picture.size == (320, 320)
        pixels = np.asarray(picture, np.float64)
    assert pixels[[0, -1], 160, 0] == pytest.approx([110, 129], abs=3)  # 10° north to 10° south
    assert pixels[160, [0, 160, -1], 1] == pytest.approx([9, 0, 9], abs=3)
