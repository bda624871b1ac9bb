import math
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.drawing.charts import PLOT_RIGHT, PLOT_WIDTH, Dot, bar_chart, dot_plot, line_chart, spread, ticks


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


def plotted(*dots: Dot) -> ElementTree.Element:
    markup = dot_plot("F1", dots)
    assert markup is not None
    return ElementTree.fromstring(markup)


def names_end(figure: ElementTree.Element) -> float:
    return max(float(text.get("x", 0)) for text in figure.iter(f"{SVG}text") if text.get("class") == "end")


def test_longer_names_have_more_room() -> None:
    short, long = (names_end(plotted(Dot(name, 1, 2))) for name in ("fold 1", "irle-gr, image → text, single task"))
    assert short < long < 0.6 * PLOT_WIDTH


def test_figures_lie_on_one_axis_in_their_order() -> None:
    figure = plotted(Dot("a", 10, 30, (20, 40)), Dot("b", 50, None))
    rings = [float(circle.get("cx", 0)) for circle in figure.iter(f"{SVG}circle") if circle.get("fill") == "none"]
    dots = [float(circle.get("cx", 0)) for circle in figure.iter(f"{SVG}circle") if circle.get("fill") is None]
    (line,) = (element.get("points", "") for element in figure.iter(f"{SVG}polyline"))
    low, high = (float(point.split(",")[0]) for point in line.split())
    assert names_end(figure) < rings[0] < low < dots[0] < high < rings[1] <= PLOT_WIDTH - PLOT_RIGHT
    assert abs((low + high) / 2 - dots[0]) < 0.1  # 30 lies in the middle of 20 and 40


def test_it_can_be_heard_and_names_are_escaped() -> None:
    figure = plotted(Dot("a < b", 1, 2))
    svg = figure.find(f"{SVG}svg")
    assert svg is not None and svg.get("aria-label") == "F1: a < b published 1, ours 2"


def test_one_figure_can_be_drawn_and_none_leaves_the_plot_out() -> None:
    assert plotted(Dot("a", 5, None)) is not None
    assert dot_plot("F1", [Dot("a", None, None)]) is None


def test_bars_are_as_long_as_their_shares() -> None:
    chart = ElementTree.fromstring(bar_chart("time", "a & b: 2 s", [("half", 0.5, "50%"), ("quarter", 0.25, "25%")]))
    half, quarter = (float(bar.get("width", 0)) for bar in chart.iter(f"{SVG}rect"))
    assert half == 2 * quarter > 0
    assert [text.text for text in chart.iter(f"{SVG}text")] == ["a & b: 2 s", "half", "50%", "quarter", "25%"]
