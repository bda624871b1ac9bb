"""The map of a geo-cell partition: every S2 cell in the colour of the number of its entities."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hf_mlm.drawing.html import Markup, data_uri, drawing, element
from hf_mlm.drawing.maps import Window
from hf_mlm.geo.partition import GeoCellPartition


COLOURS = ("#46327e", "#2c718e", "#1fa187", "#7fd34e", "#fde725")  # dark is few, bright is many
_BORDER = (12, 20, 28)
_OPACITY = 205  # of 255, so that coasts show through
_SEEN, _REACH = 4, 2  # a cell of fewer pixels becomes a square that reaches so far around its centre


def cell_map(partition: GeoCellPartition, earth: bytes | None, title: str, window: Window | None = None) -> Markup:
    """Draw cells and a legend.

    The cells are painted pixel by pixel, by asking the partition for the cell of each, so that no shape has to be cut
    at the antimeridian or at a pole.

    Args:
        partition: with counts.
        earth: a JPEG as `hf_mlm.drawing.maps.background` makes it, of the same window; none for a plain ground.
        title: what a screen reader says instead of the picture.
        window: the part of the world that is shown; the inhabited part when omitted.

    Returns:
        A ``<figure>`` element that needs nothing else.
    """
    window = window or Window()
    bounds = class_bounds(partition.counts)
    size = {"width": f"{window.width:.0f}", "height": f"{window.height:.0f}"}
    layer = element(
        "image", href=data_uri(painted(partition, bounds, window), "image/png"), style="filter:none", **size
    )
    ground = element("image", href=data_uri(earth, "image/jpeg"), **size) if earth else None
    labels = _labels(partition, window)
    svg = drawing(window.width, window.height, title, ground, layer, *labels, class_="map")
    return element("figure", svg, _legend(bounds, int(partition.counts.max())), element("figcaption", title))


def class_bounds(counts: NDArray[np.integer[Any]]) -> list[int]:
    """Lower bounds of the classes of counts: equal steps of the logarithm, rounded; the first is the least count.

    Example:
        >>> class_bounds(np.array([20, 33, 480]))
        [20, 38, 71, 130, 250]
    """
    least, most = max(1, int(counts.min())), max(1, int(counts.max()))
    steps = np.geomspace(least, most, len(COLOURS) + 1)[1:-1]
    rounded = {int(float(f"{step:.2g}")) for step in steps}
    return [least, *sorted(bound for bound in rounded if least < bound <= most)]


def painted(partition: GeoCellPartition, bounds: list[int], window: Window) -> bytes:
    """The layer of cells as a PNG: a palette colour for each class, dark borders, the rest transparent."""
    width, height = round(window.width), round(window.height)
    longitudes = (np.arange(width) + 0.5) / width * 360 - 180
    latitudes = window.north - (np.arange(height) + 0.5) / height * (window.north - window.south)
    grid = np.broadcast_arrays(latitudes[:, None], longitudes[None, :])  # (height, width) each
    cells = partition.assign(*(axis.ravel() for axis in grid)).reshape(height, width)
    classes = np.searchsorted(bounds, partition.counts, side="right")  # (cells,) from 1
    picture = np.where(cells < 0, 0, np.append(classes, 0)[cells]).astype(np.uint8)
    picture[_borders(cells)] = len(COLOURS) + 1
    _mark_small(picture, np.bincount(cells[cells >= 0], minlength=len(classes)), classes, partition, window)
    image = Image.fromarray(picture, "P")
    colours = [tuple(bytes.fromhex(colour[1:])) for colour in COLOURS]
    image.putpalette([value for colour in ((0, 0, 0), *colours, _BORDER) for value in colour])
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True, transparency=bytes([0, *[_OPACITY] * (len(COLOURS) + 1)]))
    return file.getvalue()


def _mark_small(
    picture: NDArray[np.uint8],
    pixels: NDArray[np.intp],
    classes: NDArray[np.intp],
    partition: GeoCellPartition,
    window: Window,
) -> None:
    """Paint a square where a cell has too few pixels to be seen; cells with more entities lie on top."""
    places = window.project(*partition.centers).astype(int)  # (cells, 2)
    small = np.flatnonzero(pixels < _SEEN)
    for cell in small[np.argsort(classes[small], kind="stable")]:
        column, row = np.maximum(places[cell] - _REACH, 0)
        picture[row : row + 2 * _REACH + 1, column : column + 2 * _REACH + 1] = classes[cell]


def _borders(cells: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Pixels whose right or lower neighbour is of another cell."""
    borders = np.zeros(cells.shape, bool)
    borders[:, :-1] |= cells[:, :-1] != cells[:, 1:]
    borders[:-1] |= cells[:-1] != cells[1:]
    return borders


def _labels(partition: GeoCellPartition, window: Window) -> list[Markup]:
    """What shows when the pointer rests on the middle of a cell."""
    points = window.project(*partition.centers)
    return [
        element(
            "circle",
            element("title", f"cell {token}: {count:,} entities"),
            cx=f"{x:.1f}",
            cy=f"{y:.1f}",
            r="7",
            fill_opacity="0",
        )
        for token, count, (x, y) in zip(partition.tokens, partition.counts.tolist(), points, strict=True)
    ]


def _legend(bounds: list[int], most: int) -> Markup:
    texts = [f"{low:,} to {high - 1:,}" for low, high in zip(bounds, bounds[1:], strict=False)]
    last = f"{most:,}" if bounds[-1] == most else f"{bounds[-1]:,} or more"
    items = [
        element("li", f"{text} entities", style=f"--swatch:{colour}")
        for text, colour in zip([*texts, last], COLOURS, strict=False)
    ]
    return element("ul", *items, class_="legend")
