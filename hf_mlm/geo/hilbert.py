"""The Hilbert curve that numbers the leaf cells of one S2 face, six levels to a lookup.

A face is a grid of 2^30 × 2^30 leaf cells (i, j). The curve visits the four quadrants of a square in an order that the
square's *orientation* decides; bit 0 of it exchanges i and j, bit 1 turns both round. Descending one level takes one
step of that automaton. All steps over six levels are tabulated, which makes 30 levels five lookups.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


IntArray = NDArray[np.int64]

LEVELS = 30
BITS = 6  # levels to a lookup
_LOW = (1 << BITS) - 1
_STATE = 2 * BITS  # where the orientation stands, above the other bits of an index or of an entry
_BELOW_STATE = (1 << _STATE) - 1

_QUADRANT_TO_STEP = np.array([[0, 1, 3, 2], [0, 3, 1, 2], [2, 3, 1, 0], [2, 1, 3, 0]])  # (orientation, 2 i + j)
_STEP_TO_TURN = np.array([1, 0, 0, 3])  # what the orientation is XORed with below each step


def _tables() -> tuple[IntArray, IntArray]:
    """The automaton over six levels: orientation|i|j -> orientation'|position, and its inverse."""
    index = np.arange(4 << _STATE)
    start = state = index >> _STATE
    position = np.zeros_like(index)
    for bit in reversed(range(BITS)):
        step = _QUADRANT_TO_STEP[state, 2 * (index >> (bit + BITS) & 1) + (index >> bit & 1)]
        position = position * 4 + step
        state = state ^ _STEP_TO_TURN[step]
    inverse = np.empty_like(index)
    inverse[(start << _STATE) | position] = (state << _STATE) | (index & _BELOW_STATE)
    return (state << _STATE) | position, inverse


_TO_POSITION, _TO_IJ = _tables()


def positions(orientations: IntArray, i: IntArray, j: IntArray, levels: int = LEVELS) -> IntArray:
    """Number leaf cells along the curve.

    Args:
        orientations: (N,) of the whole face, 0 to 3.
        i: (N,) first grid coordinate, 0 to 2^30 - 1.
        j: (N,) second grid coordinate.
        levels: how many leading levels the caller needs; the bits below them are zero or right.

    Returns:
        (N,) int64, 0 to 2^60 - 1.
    """
    state = orientations << _STATE
    position = np.zeros_like(i)
    shift = LEVELS
    while shift > max(LEVELS - levels, 0):
        shift -= BITS
        entry = _TO_POSITION.take(state | ((i >> shift & _LOW) << BITS) | (j >> shift & _LOW))
        position = (position << _STATE) | (entry & _BELOW_STATE)
        state = entry & ~_BELOW_STATE
    return position << (2 * shift)


def grid(orientations: IntArray, positions: IntArray) -> tuple[IntArray, IntArray]:
    """Find the leaf cells (i, j) at positions of the curve: the inverse of `positions` with all levels.

    Args:
        orientations: (N,) of the whole face, 0 to 3.
        positions: (N,) 0 to 2^60 - 1.

    Returns:
        i and j, both (N,) int64.
    """
    state = orientations << _STATE
    i, j = np.zeros_like(positions), np.zeros_like(positions)
    for shift in range(LEVELS - BITS, -1, -BITS):
        entry = _TO_IJ.take(state | (positions >> (2 * shift) & _BELOW_STATE))
        i = (i << BITS) | (entry >> BITS & _LOW)
        j = (j << BITS) | (entry & _LOW)
        state = entry & ~_BELOW_STATE
    return i, j
