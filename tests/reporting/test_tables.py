import xml.etree.ElementTree as ElementTree

import pytest

from hf_mlm.reporting.tables import bar_table, figure_table


def test_figures_stand_under_their_columns() -> None:
    table = ElementTree.fromstring(
        figure_table(
            "Scores", ["measure", "ours", "chance"], [("Retrieval", [["medR", "4", "250"]]), ("", [["R@1", "1", "0"]])]
        )
    ).find("table")
    assert table is not None and table.findtext("caption") == "Scores"
    assert [cell.text for cell in table.iterfind("thead/tr/th")] == ["measure", "ours", "chance"]
    first, second = table.findall("tbody")
    assert [cell.text for row in first for cell in row] == ["Retrieval", "medR", "4", "250"]
    assert [cell.text for row in second for cell in row] == ["R@1", "1", "0"]
    assert [cell.text for cell in table.iter("td") if cell.get("class") == "ours"] == ["4", "1"]


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="has 2 cells for 3 columns"):
        figure_table("Scores", ["a", "b", "c"], [("", [["x", "1"]])])


def test_bars_share_one_scale_and_the_longest_fills_it() -> None:
    table = ElementTree.fromstring(bar_table("Errors", ["group", "a", "b"], [("x", [50, 200]), ("y", [100, 0])], "km"))
    widths = [bar.get("style") for bar in table.iter("span") if str(bar.get("class")).startswith("bar")]
    lengths = [span.text for span in table.iter("span") if span.get("class") == "length"]
    assert widths == ["width:25.0%", "width:100.0%", "width:50.0%", "width:0.0%"]
    assert lengths == ["50 km", "200 km", "100 km", "0 km"]


def test_a_table_can_be_scrolled_by_keyboard() -> None:
    region = ElementTree.fromstring(bar_table("Errors", ["group", "a"], [], "km"))
    assert (region.get("role"), region.get("tabindex"), region.get("aria-label")) == ("region", "0", "Errors")
