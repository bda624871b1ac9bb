import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hf_mlm.world.imagery import CLEAR_SHARE, DESERT, GREEN, UNCLEAR, WATER, blue_marble, encode, patches, scenes


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
