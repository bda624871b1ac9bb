import xml.etree.ElementTree as ElementTree

from hf_mlm.reproduce.plot import RIGHT, WIDTH, Dot, dot_plot


SVG = "{http://www.w3.org/2000/svg}"


def drawing(*dots: Dot) -> ElementTree.Element:
    markup = dot_plot("F1", dots)
    assert markup is not None
    return ElementTree.fromstring(markup)


def names_end(figure: ElementTree.Element) -> float:
    return max(float(text.get("x", 0)) for text in figure.iter(f"{SVG}text") if text.get("class") == "end")


def test_longer_names_have_more_room() -> None:
    short, long = (names_end(drawing(Dot(name, 1, 2))) for name in ("fold 1", "irle-gr, image → text, single task"))
    assert short < long < 0.6 * WIDTH


def test_figures_lie_on_one_axis_in_their_order() -> None:
    figure = drawing(Dot("a", 10, 30, (20, 40)), Dot("b", 50, None))
    rings = [float(circle.get("cx", 0)) for circle in figure.iter(f"{SVG}circle") if circle.get("fill") == "none"]
    dots = [float(circle.get("cx", 0)) for circle in figure.iter(f"{SVG}circle") if circle.get("fill") is None]
    (line,) = (element.get("points", "") for element in figure.iter(f"{SVG}polyline"))
    low, high = (float(point.split(",")[0]) for point in line.split())
    assert names_end(figure) < rings[0] < low < dots[0] < high < rings[1] <= WIDTH - RIGHT
    assert abs((low + high) / 2 - dots[0]) < 0.1  # 30 lies in the middle of 20 and 40


def test_it_can_be_heard_and_names_are_escaped() -> None:
    figure = drawing(Dot("a < b", 1, 2))
    svg = figure.find(f"{SVG}svg")
    assert svg is not None and svg.get("aria-label") == "F1: a < b published 1, ours 2"


def test_one_figure_can_be_drawn_and_none_leaves_the_plot_out() -> None:
    assert drawing(Dot("a", 5, None)) is not None
    assert dot_plot("F1", [Dot("a", None, None)]) is None
