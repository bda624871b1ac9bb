"""The map of a partition, pixel by pixel."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hf_mlm.drawing.cell_map import COLOURS, cell_map, class_bounds, painted
from hf_mlm.drawing.maps import Window
from hf_mlm.geo.partition import GeoCellPartition


WINDOW = Window(south=-60, north=60, width=180)
PARTITION = GeoCellPartition.from_tokens(["1", "3", "9"], [20, 400, 50])


def test_a_pixel_has_the_colour_of_its_cells_class() -> None:
    bounds = class_bounds(PARTITION.counts)
    with Image.open(io.BytesIO(painted(PARTITION, bounds, WINDOW))) as opened:
        picture = np.asarray(opened.convert("RGBA"))
    assert picture.shape == (60, 180, 4)
    for latitude, longitude in [(10.0, 5.0), (5.0, 88.0), (-20.0, 200.0), (50.0, -120.0), (2.0, 175.0)]:
        column, row = int((longitude + 180) / 2) % 180, int((60 - latitude) / 2)
        cell = int(PARTITION.assign([latitude], [longitude - 360 * (longitude > 180)])[0])
        if cell < 0:
            assert picture[row, column, 3] == 0
        else:
            rank = sum(bound <= PARTITION.counts[cell] for bound in bounds) - 1
            assert tuple(picture[row, column, :3]) == tuple(bytes.fromhex(COLOURS[rank][1:]))


def test_a_cell_smaller_than_a_pixel_is_seen() -> None:
    partition = GeoCellPartition.from_tokens(["1", "47a1cbd5"], [20, 400])
    (latitude,), (longitude,) = (axis[1:] for axis in partition.centers)
    bounds = class_bounds(partition.counts)
    with Image.open(io.BytesIO(painted(partition, bounds, WINDOW))) as opened:
        picture = np.asarray(opened.convert("RGBA"))
    row, column = int((60 - latitude) / 2), int((longitude + 180) / 2)
    around = picture[row - 2 : row + 3, column - 2 : column + 3, :3].reshape(-1, 3)
    rank = sum(bound <= 400 for bound in bounds) - 1
    assert (around == tuple(bytes.fromhex(COLOURS[rank][1:]))).all()


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=30))
def test_every_count_has_a_class(counts: list[int]) -> None:
    bounds = class_bounds(np.array(counts))
    assert bounds == sorted(set(bounds)) and bounds[0] == min(counts) and len(bounds) <= len(COLOURS)
    assert bounds[-1] <= max(counts)


def test_the_figure_is_well_formed_and_says_its_cells() -> None:
    root = ElementTree.fromstring(cell_map(PARTITION, b"jpeg", "three cells", WINDOW))
    titles = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles == ["cell 1: 20 entities", "cell 3: 400 entities", "cell 9: 50 entities"]
    assert len(list(root.iter("{http://www.w3.org/2000/svg}image"))) == 2 and len(root.findall("ul/li")) == 5
