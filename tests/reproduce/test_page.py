import xml.etree.ElementTree as ElementTree

from hf_mlm.reproduce.catalog import find_table
from hf_mlm.reproduce.experiments import TaggerSpec
from hf_mlm.reproduce.page import render
from hf_mlm.reproduce.runs import Outcome
from hf_mlm.reproduce.tables import fill


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
    assert ["blank images", *["not told"] * 6, "50.00 [50.00, 50.00]"] in cells
    assert ["blank images", "-50.00 [-50.00, -50.00], p = 0.002"] in cells
    assert ["blank images", *["not run"] * 7] in cells  # of another language
    assert len(list(root.iter("{http://www.w3.org/2000/svg}svg"))) == 1  # English alone has figures


def test_lines_that_would_be_empty_are_left_out() -> None:
    heads = {}
    for number in ("controls", "5", "6", "grid"):
        table = find_table("2m-ner", number)
        document = render(table, fill(table, {}), [])
        root = ElementTree.fromstring(document.removeprefix("<!DOCTYPE html>\n"))
        heads[number] = [head.text for head in root.findall(".//thead/tr/th")]
        assert table.note in "".join(root.itertext())
        assert ("Side by side" in document) == (number in ("5", "6"))  # nothing has been run; these are published
    seven = ["PER", "LOC", "ORG", "MISC", "precision", "recall", "F1"]
    assert heads["controls"] == [None, *seven] and heads["5"] == heads["6"] == [None, None, *seven]
    assert heads["grid"] == [None, "1e-05", "5e-05", "0.0001", "0.0005"]


def test_the_authors_curves_are_drawn_where_they_are_known() -> None:
    table = find_table("mlm", "3")
    curves = {name: [3.0, 2.0, 1.0] for name in ("medR", "img_F1", "txt_F1")}
    with_curves, without = (render(table, fill(table, {}), [], known) for known in (curves, None))
    assert "The authors' training" in with_curves and "The authors' training" not in without
