"""Every function against s2sphere, compared for equality to the last bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from s2sphere import Cell, CellId, LatLng

from hf_mlm.geo import s2


LATITUDES, LONGITUDES = st.floats(-90, 90), st.floats(-180, 180)
PLACES = st.lists(st.tuples(LATITUDES, LONGITUDES), min_size=1, max_size=30)
LEVELS = st.integers(0, 30)


@pytest.fixture(scope="module")
def cells(sample_places) -> np.ndarray:
    """3,000 ids of all levels."""
    rng = np.random.default_rng(3)
    leaves = s2.cell_ids(*sample_places(3_000, 0, 3))
    levels = rng.integers(0, 31, leaves.size)
    return np.concatenate([s2.FACES, *(s2.parents(leaves[levels == level], level) for level in range(31))])


def test_leaf_cells_of_200_000_places_equal_s2sphere(sample_places, reference_ids):
    latitudes, longitudes = sample_places(180_000, 15_000, 0)
    assert np.array_equal(s2.cell_ids(latitudes, longitudes), reference_ids(latitudes, longitudes))


@pytest.mark.heavy
def test_leaf_cells_of_two_million_places_equal_s2sphere(sample_places, reference_ids):
    latitudes, longitudes = sample_places(2_000_000, 20_000, 1)
    assert np.array_equal(s2.cell_ids(latitudes, longitudes), reference_ids(latitudes, longitudes))


@pytest.mark.parametrize("level", [0, 1, 6, 7, 18, 30])
def test_poles_antimeridian_edges_and_corners_equal_s2sphere(odd_places, reference_ids, level):
    assert np.array_equal(s2.cell_ids(*odd_places, level), reference_ids(*odd_places, level))


@given(PLACES, LEVELS)
def test_cell_ids_equal_s2sphere(reference_ids, places, level):
    latitudes, longitudes = zip(*places, strict=True)
    assert np.array_equal(s2.cell_ids(latitudes, longitudes, level), reference_ids(latitudes, longitudes, level))


def test_blocks_meet_without_a_seam(sample_places):
    latitudes, longitudes = sample_places(2 * s2._BLOCK + 5, 0, 2)
    singly = [s2.cell_ids([lat], [lon])[0] for lat, lon in zip(latitudes[-9:], longitudes[-9:], strict=True)]
    assert s2.cell_ids(latitudes, longitudes)[-9:].tolist() == singly
    assert s2.cell_ids([], []).shape == (0,)


@given(PLACES, LEVELS)
def test_parents_of_leaves_are_the_cells_of_that_level(places, level):
    latitudes, longitudes = zip(*places, strict=True)
    assert np.array_equal(
        s2.parents(s2.cell_ids(latitudes, longitudes), level), s2.cell_ids(latitudes, longitudes, level)
    )


def test_levels_tokens_children_and_ranges_equal_s2sphere(cells):
    reference = [CellId(int(cell)) for cell in cells]
    assert s2.levels(cells).tolist() == [cell.level() for cell in reference]
    assert s2.tokens(cells) == [cell.to_token() for cell in reference]
    first, last = s2.ranges(cells)
    assert first.tolist() == [cell.range_min().id() for cell in reference]
    assert last.tolist() == [cell.range_max().id() for cell in reference]
    splittable = [cell for cell in reference if not cell.is_leaf()]
    assert s2.children(cells[s2.levels(cells) < 30]).tolist() == [[c.id() for c in p.children()] for p in splittable]


def test_centers_equal_s2sphere(cells):
    reference = [CellId(int(cell)).to_lat_lng() for cell in cells]
    latitudes, longitudes = s2.centers(cells)
    assert latitudes.tolist() == [place.lat().degrees for place in reference]
    assert longitudes.tolist() == [place.lng().degrees for place in reference]


def test_corners_are_those_of_s2sphere(cells):
    latitudes, longitudes = s2.corners(cells)
    for cell, lat, lon in zip(cells[:500], latitudes, longitudes, strict=False):
        corners = [Cell(CellId(int(cell))).get_vertex(k) for k in range(4)]
        ours = [LatLng.from_degrees(*place).to_point() for place in zip(lat.tolist(), lon.tolist(), strict=True)]
        assert max(a.angle(b) for a, b in zip(ours, corners, strict=True)) < 1e-14  # radians: less than 0.0001 mm


def test_tokens_read_back_and_sort_like_ids(cells):
    assert np.array_equal(s2.from_tokens(s2.tokens(cells)), cells)
    assert sorted(s2.tokens(cells)) == s2.tokens(np.sort(cells))
    assert s2.from_tokens([]).shape == (0,) and s2.tokens(np.array([], np.uint64)) == []


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        ("47bee1g", "Row 1: '47bee1g' is no S2 token"),
        ("", "Row 1: '' is no S2 token"),
        ("47 b", "Row 1: '47 b' is no S2 token"),
        (71, "Row 1: 71 is no S2 token"),
        ("d", r"Row 1: .* \(hexadecimal d000000000000000\) is no S2 cell id"),  # a seventh face
        ("f", "Row 1: .* is no S2 cell id"),  # an eighth
        ("47a", "Row 1: .* is no S2 cell id"),  # ends with a one between two levels
        ("0", "Row 1: .* is no S2 cell id"),
    ],
)
def test_bad_tokens_are_named(token, sentence):
    with pytest.raises(ValueError, match=sentence):
        s2.from_tokens(["1", token])


def test_a_string_is_not_taken_for_a_list_of_tokens():
    with pytest.raises(ValueError, match="wrap it in a list"):
        s2.from_tokens("47b")


@pytest.mark.parametrize("level", [-1, 31, 2.5])
def test_impossible_levels_are_refused(level):
    with pytest.raises(ValueError, match=f"integer from 0 to 30, but is {level}"):
        s2.cell_ids([0], [0], level)


def test_wrong_ids_are_named():
    with pytest.raises(ValueError, match=r"Row 1: cell '479' is of level 4 and has no parent of level 5"):
        s2.parents(s2.from_tokens(["47bee1", "479"]), 5)
    with pytest.raises(ValueError, match="Row 0 is a leaf cell"):
        s2.children(s2.cell_ids([0], [0]))
    with pytest.raises(ValueError, match="shape .* and dtype int64"):
        s2.levels([1, 2])
    with pytest.raises(ValueError, match=r"shape \(1, 1\)"):
        s2.tokens(np.ones((1, 1), np.uint64))


FACES, HALF_CELLS = st.integers(0, 5), st.integers(0, 2**31 - 1)


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_faces_and_leaves_equal_s2sphere(latitude, longitude):
    face, orientation, i, j = (int(x[0]) for x in s2.to_faces(np.array([latitude]), np.array([longitude])))
    expected = CellId.from_lat_lng(LatLng.from_degrees(latitude, longitude)).to_face_ij_orientation()[:3]
    exchanged = face >= 3
    assert expected == ((face, j, i) if exchanged else (face, i, j))
    assert orientation == (face & 1) ^ exchanged


@given(FACES, HALF_CELLS, HALF_CELLS)
def test_grid_points_come_back_as_their_cells(face, i, j):
    (latitude,), (longitude,) = s2.to_degrees(np.array([face]), np.array([i | 1]), np.array([j | 1]))
    found = CellId.from_lat_lng(LatLng.from_degrees(float(latitude), float(longitude)))
    assert found.to_face_ij_orientation()[:3] == (face, i >> 1, j >> 1)


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_the_cell_of_a_place_is_less_than_two_centimetres_away(latitude, longitude):
    face, _, i, j = s2.to_faces(np.array([latitude]), np.array([longitude]))
    i, j = np.where(face >= 3, (j, i), (i, j))
    (lat,), (lon,) = s2.to_degrees(face, 2 * i + 1, 2 * j + 1)
    a, b = LatLng.from_degrees(latitude, longitude).to_point(), LatLng.from_degrees(float(lat), float(lon)).to_point()
    assert a.angle(b) * 6_371_008.8 < 0.02


SIDE = 1 << 30
CELLS = st.tuples(st.integers(0, 3), st.integers(0, SIDE - 1), st.integers(0, SIDE - 1))


@given(st.integers(0, 5), st.integers(0, SIDE - 1), st.integers(0, SIDE - 1))
def test_positions_equal_s2sphere(face, i, j):
    (position,) = s2.positions(np.array([face & 1]), np.array([i]), np.array([j]))
    assert position == CellId.from_face_ij(face, i, j).id() >> 1 & (1 << 60) - 1


@given(st.lists(CELLS, min_size=1, max_size=20))
def test_grid_is_the_inverse(cells):
    orientations, i, j = np.array(cells).T
    back = s2.grid(orientations, s2.positions(orientations, i, j))
    assert np.array_equal(back, [i, j])


@given(st.lists(CELLS, min_size=1, max_size=20), st.integers(0, 30))
def test_few_levels_give_the_leading_bits(cells, levels):
    orientations, i, j = np.array(cells).T
    low = 60 - 2 * levels
    exact = s2.positions(orientations, i, j)
    assert np.array_equal(s2.positions(orientations, i, j, levels) >> low, exact >> low)


@pytest.mark.parametrize("orientation", range(4))
def test_neighbours_on_the_curve_are_neighbours_on_the_grid(orientation):
    position = np.arange(1 << 14) << 46  # every cell of level 7
    i, j = s2.grid(np.full_like(position, orientation), position)
    steps = np.abs(np.diff(i >> 23)) + np.abs(np.diff(j >> 23))
    assert (steps == 1).all()
    assert len(set(zip((i >> 23).tolist(), (j >> 23).tolist(), strict=True))) == 1 << 14
