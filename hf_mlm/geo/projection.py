"""The sphere on the six faces of S2's cube, with the very arithmetic of ``s2sphere``.

A place is a unit vector; the axis of its largest component names the face; the other two components over that one are
(u, v) in [-1, 1]; the quadratic transform makes cells of more equal area and gives (s, t) in [0, 1]; leaf cells (i, j)
are (s, t) in steps of 2^-30. A cell id has to be equal to everyone else's to the last bit, so the operations and their
order are fixed; where a step is left out, it is exact in binary floating point. NumPy 2 takes the sine and cosine of
float64 from the C library, as Python's ``math`` does, but not the arc tangent.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

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
