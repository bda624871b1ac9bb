import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from s2sphere import CellId, LatLng

from hf_mlm.geo import projection


FACES, HALF_CELLS = st.integers(0, 5), st.integers(0, 2**31 - 1)


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_faces_and_leaves_equal_s2sphere(latitude, longitude):
    face, orientation, i, j = (int(x[0]) for x in projection.to_faces(np.array([latitude]), np.array([longitude])))
    expected = CellId.from_lat_lng(LatLng.from_degrees(latitude, longitude)).to_face_ij_orientation()[:3]
    exchanged = face >= 3
    assert expected == ((face, j, i) if exchanged else (face, i, j))
    assert orientation == (face & 1) ^ exchanged


@given(FACES, HALF_CELLS, HALF_CELLS)
def test_grid_points_come_back_as_their_cells(face, i, j):
    (latitude,), (longitude,) = projection.to_degrees(np.array([face]), np.array([i | 1]), np.array([j | 1]))
    found = CellId.from_lat_lng(LatLng.from_degrees(float(latitude), float(longitude)))
    assert found.to_face_ij_orientation()[:3] == (face, i >> 1, j >> 1)


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_the_cell_of_a_place_is_less_than_two_centimetres_away(latitude, longitude):
    face, _, i, j = projection.to_faces(np.array([latitude]), np.array([longitude]))
    i, j = np.where(face >= 3, (j, i), (i, j))
    (lat,), (lon,) = projection.to_degrees(face, 2 * i + 1, 2 * j + 1)
    a, b = LatLng.from_degrees(latitude, longitude).to_point(), LatLng.from_degrees(float(lat), float(lon)).to_point()
    assert a.angle(b) * 6_371_008.8 < 0.02
