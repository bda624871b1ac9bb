"""Line charts for training curves: small, labelled at the lines' ends, readable by keyboard and screen reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hf_mlm.drawing.html import Markup, drawing, element, join


WIDTH, HEIGHT = 360, 230
LEFT, RIGHT, TOP, BOTTOM = 48, 106, 14, 34  # margins around the plotting area
LINE = 34.0  # height of a name and a value at the end of a line

Points = Sequence[tuple[float, float]]


def line_chart(title: str, series: Mapping[str, Points], note: str = "", x_label: str = "epoch") -> Markup:
    """Draw one chart with a line a series.

    Args:
        title: what the vertical axis shows; it stands above the chart.
        series: name -> (x, y) points in order of x; points whose y is not finite are left out.
        note: a remark beside the title, such as which way is better.
        x_label: name of the horizontal axis.

    Returns:
        A ``<figure>`` element.

    Raises:
        ValueError: if no series has a finite point.
    """
    lines = {name: _finite(points) for name, points in series.items()}
    lines = {name: points for name, points in lines.items() if len(points)}
    if not lines:
        raise ValueError(f"line_chart: no finite point in any series of {title!r}; leave the chart out.")
    every = np.concatenate(list(lines.values()))  # (points, 2)
    x_ticks = ticks(every[:, 0].min(), every[:, 0].max(), 6)
    y_ticks = ticks(min(0.0, every[:, 1].min()), every[:, 1].max(), 5)
    axes = _Axes(every[:, 0].min(), every[:, 0].max(), y_ticks[0], max(y_ticks[-1], every[:, 1].max()))
    ends = "; ".join(f"{name} ends at {points[-1, 1]:.3g}" for name, points in lines.items())
    chart = drawing(
        WIDTH,
        HEIGHT,
        f"{title}: {ends}",
        _grid(axes, x_ticks, y_ticks, x_label),
        *(_line(axes, number, points) for number, points in enumerate(lines.values())),
        _names(axes, lines),
    )
    caption = element("figcaption", element("b", title), f" {note}" if note else None)
    return element("figure", caption, chart, class_="chart")


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers that span [low, high], about as many as asked for.

    Example:
        >>> ticks(0, 0.93, 5)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
        >>> ticks(1, 12, 6)
        [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0]
    """
    rough = max(high - low, 1e-9) / about
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * min((1, 2, 5, 10), key=lambda factor: abs(factor * power - rough))
    first, last = np.floor(low / step), np.ceil(round(high / step, 9))
    return [round(float(number * step), 9) for number in np.arange(first, last + 1)]


class _Axes:
    """From data to drawing units."""

    def __init__(self, x_low: float, x_high: float, y_low: float, y_high: float) -> None:
        self.x_low, self.x_high, self.y_low, self.y_high = x_low, x_high, y_low, y_high

    def x(self, value: float) -> float:
        span = (self.x_high - self.x_low) or 1.0
        return LEFT + (value - self.x_low) / span * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        span = (self.y_high - self.y_low) or 1.0
        return HEIGHT - BOTTOM - (value - self.y_low) / span * (HEIGHT - TOP - BOTTOM)


def _grid(axes: _Axes, x_ticks: Sequence[float], y_ticks: Sequence[float], x_label: str) -> Markup:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    marks: list[Markup] = []
    for tick in y_ticks:
        y = f"{axes.y(tick):.1f}"
        marks.append(element("line", class_="grid", x1=LEFT, x2=right, y1=y, y2=y))
        marks.append(element("text", f"{tick:g}", class_="tick end", x=LEFT - 8, y=y, dy="0.32em"))
    for tick in x_ticks:
        if axes.x_low <= tick <= axes.x_high:
            marks.append(element("text", f"{tick:g}", class_="tick middle", x=f"{axes.x(tick):.1f}", y=bottom + 16))
    marks.append(element("text", x_label, class_="tick end", x=LEFT - 8, y=bottom + 16))
    return element("g", *marks)


def _line(axes: _Axes, number: int, points: NDArray[np.float64]) -> Markup:
    path = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in points)
    end = element("circle", cx=f"{axes.x(points[-1, 0]):.1f}", cy=f"{axes.y(points[-1, 1]):.1f}", r="3")
    return element("g", element("polyline", points=path), end, class_=f"series series-{number}")


def _names(axes: _Axes, lines: Mapping[str, NDArray[np.float64]]) -> Markup:
    """Each line's name and last value at its end, pushed apart where they would touch."""
    ends = [axes.y(points[-1, 1]) for points in lines.values()]
    labels: list[Markup] = []
    for number, ((name, points), y) in enumerate(
        zip(lines.items(), spread(ends, LINE, HEIGHT - BOTTOM - 8), strict=True)
    ):
        x = WIDTH - RIGHT + 10
        first = element("tspan", name, x=x, class_=f"name name-{number}")
        second = element("tspan", f"{points[-1, 1]:.3g}", x=x, dy="1.15em", class_="value")
        labels.append(element("text", first, second, y=f"{y:.1f}"))
    return join(*labels)


def spread(positions: Sequence[float], gap: float, bottom: float) -> list[float]:
    """Push positions down until each is at least ``gap`` below the one above it, then all up that pass ``bottom``.

    Example:
        >>> spread([50, 20, 52], gap=10, bottom=58)
        [48, 20, 58]
    """
    moved = list(positions)
    order = sorted(range(len(moved)), key=moved.__getitem__)
    for above, below in zip(order, order[1:], strict=False):
        moved[below] = max(moved[below], moved[above] + gap)
    limit = bottom
    for index in reversed(order):
        moved[index] = min(moved[index], limit)
        limit = moved[index] - gap
    return moved


def _finite(points: Points) -> NDArray[np.float64]:
    array = np.asarray(points, np.float64).reshape(-1, 2)
    return array[np.isfinite(array).all(axis=1)]
