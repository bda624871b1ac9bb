"""Line charts, dot plots and bars: small SVG drawings that a screen reader can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hf_mlm.drawing.html import Markup, drawing, element, join


Points = Sequence[tuple[float, float]]


# Of a line chart: its size, the margins around the plotting area, the height of a name and a value at a line's end.
WIDTH, HEIGHT = 360, 230
LEFT, RIGHT, TOP, BOTTOM = 48, 106, 14, 34
LINE = 34.0


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


# Of a dot plot, narrow so that a phone does not shrink the names: its size, margins, the height of a row, the width of
# a letter.
PLOT_WIDTH, PLOT_RIGHT, PLOT_TOP, ROW, LETTER = 460, 16, 10, 24, 7.4


@dataclass(frozen=True)
class Dot:
    """A row of a dot plot.

    Args:
        name: at its left.
        published: value of the ring; None if unknown.
        ours: value of the dot; None if unknown.
        interval: low and high of ours; None if unknown.
    """

    name: str
    published: float | None
    ours: float | None
    interval: tuple[float, float] | None = None

    @property
    def values(self) -> list[float]:
        """All that must fit on the axis."""
        return [value for value in (self.published, self.ours, *(self.interval or ())) if value is not None]


def dot_plot(title: str, dots: Sequence[Dot]) -> Markup | None:
    """Draw one row a dot: a ring for the published value, a dot with its interval for ours.

    Args:
        title: what the axis shows.
        dots: from top to bottom.

    Returns:
        A ``<figure>``; None if there is nothing to draw.
    """
    every = [value for dot in dots for value in dot.values]
    if not every:
        return None
    marks = ticks(min(every), max(every) if max(every) > min(every) else min(every) + 1, 5)
    bottom = PLOT_TOP + ROW * len(dots)
    scale = _Scale(marks[0], marks[-1], 16 + LETTER * max(len(dot.name) for dot in dots))
    plot = drawing(
        PLOT_WIDTH,
        bottom + 26,
        f"{title}: " + "; ".join(_spoken(dot) for dot in dots),
        *(_plot_tick(scale, mark, bottom) for mark in marks),
        *(_plot_row(scale, dot, PLOT_TOP + ROW * (number + 0.5)) for number, dot in enumerate(dots)),
    )
    caption = element(
        "figcaption", element("b", title), " ring: published; dot and line: ours, with its 95 % interval"
    )
    return element("figure", caption, plot, class_="chart", style="max-width:42rem")


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    left: float

    def x(self, value: float) -> str:
        return f"{self.left + (value - self.low) / (self.high - self.low) * (PLOT_WIDTH - self.left - PLOT_RIGHT):.1f}"


def _plot_tick(scale: _Scale, value: float, bottom: float) -> Markup:
    x = scale.x(value)
    line = element("line", class_="grid", x1=x, x2=x, y1=PLOT_TOP, y2=bottom)
    return element("g", line, element("text", f"{value:g}", class_="tick middle", x=x, y=bottom + 18))


def _plot_row(scale: _Scale, dot: Dot, y: float) -> Markup:
    parts: list[Markup] = [
        element("text", dot.name, class_="end", x=f"{scale.left - 12:.1f}", y=f"{y:.1f}", dy="0.32em")
    ]
    if dot.interval is not None:
        low, high = (scale.x(end) for end in dot.interval)
        parts.append(element("polyline", points=f"{low},{y:.1f} {high},{y:.1f}"))
    if dot.ours is not None:
        parts.append(element("circle", cx=scale.x(dot.ours), cy=f"{y:.1f}", r=4))
    if dot.published is not None:
        ring: Mapping[str, object] = {"fill": "none", "stroke": "currentColor", "stroke_width": 1.6}
        parts.append(element("circle", cx=scale.x(dot.published), cy=f"{y:.1f}", r=6, style="fill:none", **ring))
    return element("g", *parts, class_="series series-0")


def _spoken(dot: Dot) -> str:
    sides = (("published", dot.published), ("ours", dot.ours))
    return f"{dot.name} " + ", ".join(f"{side} {value:.4g}" for side, value in sides if value is not None)


BARS_WIDTH, BAR, BARS_LEFT, BARS_RIGHT = 720, 22, 280, 110


def bar_chart(title: str, heading: str, bars: Sequence[tuple[str, float, str]]) -> Markup:
    """Draw horizontal bars, with colours of its own, so that the file stands alone.

    Args:
        title: what a screen reader says instead of the picture.
        heading: above the bars.
        bars: (name, length as a share of the longest possible, 0 to 1, text behind the bar), from top to bottom.

    Returns:
        One ``<svg>`` element.
    """
    height = BAR * (len(bars) + 2)
    return drawing(
        BARS_WIDTH,
        height,
        title,
        element("text", heading, x=8, y=18, font_weight="bold"),
        *(_bar(BAR * (number + 1.5), *bar) for number, bar in enumerate(bars)),
        width=BARS_WIDTH,
        height=height,
        font_family="sans-serif",
        font_size=13,
        style="background: #fff",  # on dark pages too
    )


def _bar(top: float, name: str, share: float, text: str) -> Markup:
    length = (BARS_WIDTH - BARS_LEFT - BARS_RIGHT) * share
    return element(
        "g",
        element("text", name[-40:], x=BARS_LEFT - 8, y=top + 13, text_anchor="end"),
        element("rect", x=BARS_LEFT, y=top, width=f"{max(length, 1):.1f}", height=BAR - 6, fill="#3b6ea5"),
        element("text", text, x=f"{BARS_LEFT + length + 6:.1f}", y=top + 13, fill="#444"),
    )
