import xml.etree.ElementTree as ElementTree

from hf_mlm.reproduce.catalog import find_table
from hf_mlm.reproduce.experiments import TaggerSpec
from hf_mlm.reproduce.page import RIGHT, WIDTH, Dot, dot_plot, render
from hf_mlm.reproduce.runs import Outcome
from hf_mlm.reproduce.tables import fill


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


def test_a_page_is_well_formed_and_needs_no_other_file() -> None:
    table = find_table("2m-ner", "controls")
    found = {
        TaggerSpec("2M-NER", "en"): {1: Outcome({"test_f1": 0.9}, [[2, 2, 2]] * 20)},
        TaggerSpec("2M-NER", "en", images="blank"): {1: Outcome({"test_f1": 0.5}, [[1, 2, 2]] * 20)},
    }
    document = render(table, fill(table, found), ["seeds 1"])
    root = ElementTree.fromstring(document.removeprefix("<!DOCTYPE html>\n"))
    assert "http://" not in document.replace("http://www.w3.org/2000/svg", "") and "src=" not in document
    cells = [[cell.text for cell in row] for row in root.iter("tr")]
    assert ["blank images", "50.00 [50.00, 50.00]", "-50.00 [-50.00, -50.00], p = 0.002"] in cells
    assert ["blank images", "not run", "–"] in cells  # of another language
    assert len(list(root.iter("{http://www.w3.org/2000/svg}svg"))) == 1  # English alone has figures


def test_columns_that_would_be_empty_are_left_out() -> None:
    heads = {}
    for number in ("controls", "9", "6", "grid"):
        table = find_table("2m-ner", number)
        document = render(table, fill(table, {}), [])
        root = ElementTree.fromstring(document.removeprefix("<!DOCTYPE html>\n"))
        heads[number] = [head.text for head in root.findall(".//thead/tr/th")][1:]
        assert table.note in "".join(root.itertext())
        assert ("Side by side" in document) == (number == "9")  # nothing has been run; Table 9 has published figures
    assert heads == {
        "controls": ["ours", "difference to 2M-NER"],
        "9": ["ours", "published", "difference to 2M-NER"],
        "6": ["ours", "published"],
        "grid": ["ours"],
    }


def test_the_authors_curves_are_drawn_where_they_are_known() -> None:
    table = find_table("mlm", "3")
    curves = {name: [3.0, 2.0, 1.0] for name in ("medR", "img_F1", "txt_F1")}
    with_curves, without = (render(table, fill(table, {}), [], known) for known in (curves, None))
    assert "The authors' training" in with_curves and "The authors' training" not in without
