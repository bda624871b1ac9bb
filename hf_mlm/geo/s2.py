"""S2 cells of whole arrays, equal to ``s2sphere`` bit for bit.

A cell id is 64 bits: three of the face, two for each level down the Hilbert curve, a one, zeros. Its token is the id
in hexadecimal without the zeros at the end. Ids are made in blocks whose intermediate arrays stay in the cache.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hf_mlm.geo.coordinates import check_coordinates


IdArray = NDArray[np.uint64]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MAX_LEVEL = 30
FACES: IdArray = np.array([(face << 61) | (1 << 60) for face in range(6)], np.uint64)  # the cells of level 0
FACES.flags.writeable = False

_BLOCK = 8192
_ONE_BITS = np.uint64(0x1555555555555555)  # where the one at the end of an id may stand
_TOKEN = re.compile("[0-9a-f]{1,16}")


def cell_ids(latitudes: ArrayLike, longitudes: ArrayLike, level: int = MAX_LEVEL) -> IdArray:
    """Find the cell of one level that each place lies in.

    Args:
        latitudes: (N,) degrees in [-90, 90].
        longitudes: (N,) degrees in [-180, 180].
        level: 0 (a sixth of the earth) to 30 (about a square centimetre).

    Returns:
        (N,) uint64.

    Raises:
        ValueError: if a row is missing or off the earth, the sequences differ in length, or there is no such level.

    Example:
        >>> tokens(cell_ids([50.73, -33.87], [7.1, 151.21], level=10))
        ['47bee1', '6b12af']
    """
    lat, lon = check_coordinates(latitudes, longitudes)
    marker = _marker(level)
    ids = np.empty(lat.size, np.int64)
    for start in range(0, lat.size, _BLOCK):
        block = slice(start, start + _BLOCK)
        face, orientation, i, j = to_faces(lat[block], lon[block])
        ids[block] = face << 61 | positions(orientation, i, j, level) << 1
    return _cut(ids.view(np.uint64), marker)


def parents(cell_ids: ArrayLike, level: int) -> IdArray:
    """Find the cells of one level that contain the given cells.

    Args:
        cell_ids: (N,) uint64 of any levels from ``level`` down.
        level: 0 to 30.

    Returns:
        (N,) uint64.

    Raises:
        ValueError: if an id is none or is larger than a cell of ``level``; the message names the first such row.

    Example:
        >>> tokens(parents(from_tokens(["47bee7"]), level=4))
        ['47b']
    """
    ids, marker = check_ids(cell_ids), _marker(level)
    too_large = _lowest_bit(ids) > marker
    if too_large.any():
        row = int(np.argmax(too_large))
        raise ValueError(
            f"Row {row}: cell {tokens(ids[[row]])[0]!r} is of level {levels(ids[[row]])[0]} and has no parent of "
            f"level {level}; ask for a level no greater than that of every cell."
        )
    return _cut(ids, marker)


def children(cell_ids: ArrayLike) -> IdArray:
    """Split every cell into its four children, in the order of the curve.

    Args:
        cell_ids: (N,) uint64 above level 30.

    Returns:
        (N, 4) uint64.

    Raises:
        ValueError: if an id is none or is a leaf (level 30).

    Example:
        >>> tokens(children(FACES[:1])[0])
        ['04', '0c', '14', '1c']
    """
    ids = check_ids(cell_ids)
    marker = _lowest_bit(ids)
    if (marker == 1).any():
        raise ValueError(f"Row {int(np.argmax(marker == 1))} is a leaf cell (level {MAX_LEVEL}) and has no children.")
    steps = np.array([1, 3, 5, 7], np.uint64)
    return (ids - marker)[:, None] + (marker >> 2)[:, None] * steps  # (N, 4)


def ranges(cell_ids: ArrayLike) -> tuple[IdArray, IdArray]:
    """Give the ids of the first and the last leaf in each cell: every cell inside has an id between them.

    Args:
        cell_ids: (N,) uint64.

    Returns:
        First and last, both (N,) uint64.

    Raises:
        ValueError: if an id is none.
    """
    ids = check_ids(cell_ids)
    reach = _lowest_bit(ids) - np.uint64(1)
    return ids - reach, ids + reach


def levels(cell_ids: ArrayLike) -> IntArray:
    """Read the level of each cell.

    Args:
        cell_ids: (N,) uint64.

    Returns:
        (N,) int64, 0 to 30.

    Raises:
        ValueError: if an id is none.
    """
    zeros = np.bitwise_count(_lowest_bit(check_ids(cell_ids)) - np.uint64(1))
    return MAX_LEVEL - zeros.astype(np.int64) // 2


def tokens(cell_ids: ArrayLike) -> list[str]:
    """Write cell ids as S2 tokens; tokens sort as their ids do.

    Args:
        cell_ids: (N,) uint64.

    Returns:
        N strings of 1 to 16 hexadecimal digits.

    Raises:
        ValueError: if an id is none.
    """
    digits = check_ids(cell_ids).astype(">u8").tobytes().hex()
    return [digits[start : start + 16].rstrip("0") for start in range(0, len(digits), 16)]


def from_tokens(tokens: Iterable[str]) -> IdArray:
    """Read S2 tokens.

    Args:
        tokens: N strings of 1 to 16 hexadecimal digits, small letters.

    Returns:
        (N,) uint64.

    Raises:
        ValueError: if one is no token of a cell; the message names it and its row.

    Example:
        >>> from_tokens(["1", "47bee7"])
        array([1152921504606846976, 5169823409453924352], dtype=uint64)
    """
    if isinstance(tokens, str):
        raise ValueError(f"tokens has to be a sequence of S2 tokens, but is the string {tokens!r}; wrap it in a list.")
    words = list(tokens)
    for row, word in enumerate(words):
        if not isinstance(word, str) or not _TOKEN.fullmatch(word):
            raise ValueError(f"Row {row}: {word!r} is no S2 token; a token is 1 to 16 of the digits 0-9 and a-f.")
    packed = bytes.fromhex("".join(word.ljust(16, "0") for word in words))
    return check_ids(np.frombuffer(packed, ">u8").astype(np.uint64))


def centers(cell_ids: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Find the centre of each cell.

    Args:
        cell_ids: (N,) uint64.

    Returns:
        Latitudes and longitudes in degrees, both (N,) float64.

    Raises:
        ValueError: if an id is none.

    Example:
        >>> centers(FACES[[0, 2]])
        (array([ 0., 90.]), array([   0., -180.]))
    """
    face, i, j, size = _squares(check_ids(cell_ids))
    return to_degrees(face, 2 * i + size, 2 * j + size)


def corners(cell_ids: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Find the four corners of each cell, counter-clockwise; its edges are great circles.

    Args:
        cell_ids: (N,) uint64.

    Returns:
        Latitudes and longitudes in degrees, both (N, 4) float64.

    Raises:
        ValueError: if an id is none.
    """
    face, i, j, size = (values[:, None] for values in _squares(check_ids(cell_ids)))  # (N, 1)
    right, up = np.array([0, 1, 1, 0]), np.array([0, 0, 1, 1])
    i, j = 2 * (i + size * right), 2 * (j + size * up)  # (N, 4)
    return to_degrees(np.broadcast_to(face, i.shape), i, j)


def check_ids(cell_ids: ArrayLike) -> IdArray:
    """Return the ids as (N,) uint64.

    Raises:
        ValueError: if they are not one-dimensional unsigned 64-bit integers, or one is no S2 cell id; the message
            names the first such row.
    """
    ids = np.asarray(cell_ids)
    if ids.ndim != 1 or (ids.dtype != np.uint64 and ids.size):
        raise ValueError(
            f"cell_ids has to be a one-dimensional uint64 array, but has shape {ids.shape} and dtype {ids.dtype}; "
            "make ids by cell_ids() or from_tokens()."
        )
    ids = ids.astype(np.uint64, copy=False)
    wrong = (ids >> 61 > 5) | (_lowest_bit(ids) & _ONE_BITS == 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(f"Row {row}: {int(ids[row])} (hexadecimal {int(ids[row]):016x}) is no S2 cell id.")
    return ids


def _squares(ids: IdArray) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Face, lower left leaf (i, j) and side in leaf cells of each cell, each (N,)."""
    face = (ids >> 61).astype(np.int64)
    size = np.int64(1) << (MAX_LEVEL - levels(ids))
    leaf = (ids >> 1).astype(np.int64) & ((1 << 60) - 1)  # a leaf inside: the position with the one at its end
    i, j = grid(face & 1, leaf)
    return face, i & -size, j & -size, size


def _marker(level: int) -> np.uint64:
    """The one that ends the ids of a level."""
    if not isinstance(level, (int, np.integer)) or not 0 <= level <= MAX_LEVEL:
        raise ValueError(f"level has to be an integer from 0 to {MAX_LEVEL}, but is {level!r}.")
    return np.uint64(1 << 2 * (MAX_LEVEL - int(level)))


def _cut(ids: IdArray, marker: np.uint64) -> IdArray:
    """End ids at a level: bits below the marker go, the marker is set."""
    return ids & ~(marker * np.uint64(2) - np.uint64(1)) | marker


def _lowest_bit(ids: IdArray) -> IdArray:
    return ids & (~ids + np.uint64(1))


SIDE = 1 << 30  # leaf cells along a face


def to_faces(latitudes: FloatArray, longitudes: FloatArray) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Project places onto the cube.

    Faces 3 to 5 lie opposite to faces 0 to 2 and have u and v exchanged. They are given with the axes of the opposite
    face instead, and their curve's orientation is exchanged to make up for it.

    Args:
        latitudes: (N,) degrees.
        longitudes: (N,) degrees.

    Returns:
        face 0 to 5, orientation of the Hilbert curve for these axes, and the leaf cell's i and j: each (N,) int64.
    """
    phi, theta = np.radians(latitudes), np.radians(longitudes)
    cos_phi = np.cos(phi)
    x, y, z = np.cos(theta) * cos_phi, np.sin(theta) * cos_phi, np.sin(phi)
    size_x, size_y, size_z = np.abs(x), np.abs(y), np.abs(z)
    on_x = (size_x > size_y) & (size_x > size_z)
    on_y = (size_y >= size_x) & (size_y > size_z)
    on_z = ~(on_x | on_y)

    main = np.where(on_x, x, np.where(on_y, y, z))
    u = np.where(on_x, y, -x) / main
    v = np.where(on_z, -y, z) / main
    orientation = on_y.astype(np.int64)  # that of faces 0, 1, 2; S2 exchanges the odd faces
    face = orientation + 2 * on_z + 3 * (main < 0)
    return face, orientation, _leaf(u), _leaf(v)


def _leaf(u: FloatArray) -> IntArray:
    """Grid coordinate of u: floor(2^30 s), s = ½√(1+3u) for u ≥ 0 and 1 - ½√(1-3u) below."""
    half = SIDE / 2
    grid = np.sqrt(3 * np.abs(u) + 1) * half  # 2^30 s of |u|
    grid = np.copysign(grid - half, u) + half  # mirrored at s = ½, exactly
    return np.minimum(grid.astype(np.int64), SIDE - 1)


def to_degrees(face: IntArray, i: IntArray, j: IntArray) -> tuple[FloatArray, FloatArray]:
    """Find the places of grid points.

    Args:
        face: (…) 0 to 5.
        i: (…) first grid coordinate in HALF leaf cells, 0 to 2^31, so that centres of leaf cells have one.
        j: (…) second grid coordinate.

    Returns:
        Latitudes and longitudes in degrees, both (…).
    """
    u, v, one = _stretch(i), _stretch(j), np.ones(i.shape)
    x = np.choose(face, [one, -u, -u, -one, v, v])
    y = np.choose(face, [u, one, -v, -v, -one, u])
    z = np.choose(face, [v, v, one, -u, -u, -one])
    return np.degrees(_angle(z, np.sqrt(x * x + y * y))), np.degrees(_angle(y, x))


def _stretch(half_cells: IntArray) -> FloatArray:
    """The coordinate u at s: ⅓(4s²-1) for s ≥ ½ and ⅓(1-4(1-s)²) below."""
    s = half_cells * (0.5 / SIDE)
    rest = 1 - s
    return (1 / 3) * np.where(s >= 0.5, 4 * s * s - 1, 1 - 4 * rest * rest)


def _angle(y: FloatArray, x: FloatArray) -> FloatArray:
    """Arc tangent of y/x by the C library: NumPy's own differs between processors in the last bit."""
    angles = map(math.atan2, y.ravel().tolist(), x.ravel().tolist())
    return np.fromiter(angles, np.float64, y.size).reshape(y.shape)


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
