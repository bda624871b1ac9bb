from __future__ import annotations

import io
import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw

from hf_mlm.drawing.maps import (
    Region,
    Window,
    background,
    circle_area,
    circle_outline,
    error_class,
    error_map,
    great_circle_arc,
)
from hf_mlm.geo.distance import great_circle_distance


SVG = "{http://www.w3.org/2000/svg}"
places = st.tuples(st.floats(-85, 85), st.floats(-179.9, 179.9))


@given(places, places)
def test_an_arc_is_as_long_as_the_shortest_way(start: tuple[float, float], end: tuple[float, float]) -> None:
    distance = float(great_circle_distance(*start, *end))
    parts = great_circle_arc(start, end)
    length = sum(float(great_circle_distance(*part[:-1].T, *part[1:].T).sum()) for part in parts)
    if distance < 19_900:  # near the antipode every way is the shortest
        assert abs(length - distance) <= 1e-3 * distance + 3.0  # a cut moves the line by some km at most
    np.testing.assert_allclose(parts[0][0], start)
    np.testing.assert_allclose(parts[-1][-1], end)


@given(places, places)
def test_no_piece_of_an_arc_crosses_the_map(start: tuple[float, float], end: tuple[float, float]) -> None:
    parts = great_circle_arc(start, end)
    assert len(parts) <= 2
    assert all((np.abs(np.diff(part[:, 1])) <= 180).all() for part in parts)
    if len(parts) == 2:
        assert abs(parts[0][-1, 1]) == 180 and parts[1][0, 1] == -parts[0][-1, 1]
        assert parts[0][-1, 0] == parts[1][0, 0]


def test_from_fiji_to_samoa_eastwards() -> None:
    first, second = great_circle_arc((-18.1, 178.4), (-13.8, -171.8))
    assert first[0, 1] > 0 and second[-1, 1] < 0
    assert -18.1 < first[-1, 0] < -13.8


def test_the_window_maps_corners_to_corners() -> None:
    window = Window(south=-60, north=80, width=360)
    assert window.height == 140
    np.testing.assert_allclose(window.project([80, -60, 90], [-180, 180, 0]), [[0, 0], [360, 140], [180, 0]])


def test_the_background_is_cut_at_the_windows_latitudes() -> None:
    earth = np.zeros((180, 360, 3), np.uint8)
    earth[90:] = 255  # the southern half is white
    window = Window(south=-30, north=30, width=120)
    with Image.open(io.BytesIO(background(earth, window))) as picture:
        grey = np.asarray(picture.convert("L"))
    assert grey.shape == (20, 120)
    assert (grey[:9] < 20).all() and (grey[11:] > 235).all()


def test_the_map_draws_every_place_and_says_its_error() -> None:
    truth = np.array([[48.2, 16.4], [-18.1, 178.4], [0.0, 0.0]])
    predicted = np.array([[48.1, 17.1], [-13.8, -171.8], [0.0, 40.0]])
    root = ElementTree.fromstring(
        error_map(b"jpeg", truth, predicted, ["Wien", "Suva", "<Null>"], title="three places")
    )
    groups = {group.findtext(f"{SVG}title"): group for group in root.iter(f"{SVG}g")}
    assert root.get("role") == "img" and root.get("aria-label") == "three places"
    south, north = math.radians(-18.1), math.radians(-13.8)
    cosine = math.sin(south) * math.sin(north) + math.cos(south) * math.cos(north) * math.cos(
        math.radians(178.4 + 171.8)
    )
    suva = 6371.0088 * math.acos(cosine)
    assert set(groups) == {"Wien: 53 km", f"Suva: {suva:,.0f} km", "<Null>: 4,448 km"}
    assert {title.split(":")[0]: group.get("class") for title, group in groups.items()} == {
        "Wien": "near",
        "Suva": "far",
        "<Null>": "far",
    }
    crossing = next(group for title, group in groups.items() if title.startswith("Suva")).find(f"{SVG}path")
    assert crossing is not None and crossing.get("d", "").count("M") == 2


def test_error_classes_meet_at_their_bounds() -> None:
    assert [error_class(km) for km in (0, 250, 250.1, 1000, 1000.1)] == ["near", "near", "middling", "middling", "far"]


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
