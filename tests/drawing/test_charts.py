import math
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.drawing.charts import line_chart, spread, ticks


SVG = "{http://www.w3.org/2000/svg}"
numbers = st.floats(-1e6, 1e6, allow_subnormal=False)


@given(numbers, st.floats(1e-3, 1e6), st.integers(2, 10))
def test_ticks_span_the_range_in_equal_steps(low: float, width: float, about: int) -> None:
    found = ticks(low, low + width, about)
    steps = [b - a for a, b in zip(found, found[1:], strict=False)]
    assert found[0] <= low + 1e-9 * abs(low) and found[-1] >= low + width - 1e-6 * max(abs(low), width)
    assert max(steps) - min(steps) <= 1e-6 * max(abs(low), width)
    assert 2 <= len(found) <= 3 * about + 2


@given(st.lists(st.floats(0, 200), min_size=1, max_size=5))
def test_labels_keep_their_distance_and_stay_above_the_bottom(positions: list[float]) -> None:
    moved = sorted(spread(positions, gap=30, bottom=200))
    assert moved[-1] <= 200
    assert all(b - a >= 30 - 1e-9 for a, b in zip(moved, moved[1:], strict=False))


def test_labels_that_do_not_touch_stay() -> None:
    assert spread([150, 20, 80], gap=30, bottom=200) == [150, 20, 80]


def test_lines_run_from_left_to_right_and_down_as_values_fall() -> None:
    chart = line_chart("loss", {"train": [(1, 4.0), (2, 2.0), (3, 1.0)], "validation": [(1, math.nan), (3, 3.0)]})
    drawing = ElementTree.fromstring(chart).find(f"{SVG}svg")
    assert drawing is not None and drawing.get("aria-label") == "loss: train ends at 1; validation ends at 3"
    train, validation = (
        [tuple(map(float, point.split(","))) for point in line.get("points", "").split()]
        for line in drawing.iter(f"{SVG}polyline")
    )
    assert len(train) == 3 and len(validation) == 1  # a loss that is not a number has no place
    assert train == sorted(train, key=lambda point: point[0]) == sorted(train, key=lambda point: point[1])
    assert train[2][0] == validation[0][0] and train[2][1] > validation[0][1]


def test_nothing_to_draw_is_said() -> None:
    with pytest.raises(ValueError, match="no finite point in any series of 'loss'"):
        line_chart("loss", {"train": [], "validation": [(1, math.inf)]})
