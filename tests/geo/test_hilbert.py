"""The curve against s2sphere's tables and against what makes it a Hilbert curve."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from s2sphere import CellId

from hf_mlm.geo import hilbert


SIDE = 1 << 30
CELLS = st.tuples(st.integers(0, 3), st.integers(0, SIDE - 1), st.integers(0, SIDE - 1))


@given(st.integers(0, 5), st.integers(0, SIDE - 1), st.integers(0, SIDE - 1))
def test_positions_equal_s2sphere(face, i, j):
    (position,) = hilbert.positions(np.array([face & 1]), np.array([i]), np.array([j]))
    assert position == CellId.from_face_ij(face, i, j).id() >> 1 & (1 << 60) - 1


@given(st.lists(CELLS, min_size=1, max_size=20))
def test_grid_is_the_inverse(cells):
    orientations, i, j = np.array(cells).T
    back = hilbert.grid(orientations, hilbert.positions(orientations, i, j))
    assert np.array_equal(back, [i, j])


@given(st.lists(CELLS, min_size=1, max_size=20), st.integers(0, 30))
def test_few_levels_give_the_leading_bits(cells, levels):
    orientations, i, j = np.array(cells).T
    low = 60 - 2 * levels
    exact = hilbert.positions(orientations, i, j)
    assert np.array_equal(hilbert.positions(orientations, i, j, levels) >> low, exact >> low)


@pytest.mark.parametrize("orientation", range(4))
def test_neighbours_on_the_curve_are_neighbours_on_the_grid(orientation):
    position = np.arange(1 << 14) << 46  # every cell of level 7
    i, j = hilbert.grid(np.full_like(position, orientation), position)
    steps = np.abs(np.diff(i >> 23)) + np.abs(np.diff(j >> 23))
    assert (steps == 1).all()
    assert len(set(zip((i >> 23).tolist(), (j >> 23).tolist(), strict=True))) == 1 << 14
