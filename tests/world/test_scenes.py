import numpy as np
import pytest

from hf_mlm.world.scenes import CLEAR_SHARE, DESERT, GREEN, UNCLEAR, WATER, scenes


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
