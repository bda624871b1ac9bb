import xml.etree.ElementTree as ElementTree

from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.drawing.html import Markup, data_uri, drawing, element, join, page


# What XML can hold at all: no control characters and no lone surrogates.
words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=40)


@given(words, words)
def test_a_parser_reads_back_what_was_put_in(text: str, attribute: str) -> None:
    parsed = ElementTree.fromstring(element("p", text, title=attribute))
    assert (parsed.text or "") == text and parsed.get("title") == attribute


@given(st.binary(max_size=50))
def test_a_data_uri_holds_the_bytes(content: bytes) -> None:
    from urllib.request import urlopen  # reads data: addresses without a network

    with urlopen(data_uri(content, "image/png")) as answer:
        assert answer.read() == content and answer.headers["content-type"] == "image/png"


def test_markup_stays_and_text_is_escaped() -> None:
    assert join("<b>", Markup("<b>"), None, separator="|") == "&lt;b&gt;|<b>"


def test_a_page_is_one_well_formed_document() -> None:
    document = page("A & B", element("p", "<script>"), language="de")
    root = ElementTree.fromstring(document.removeprefix("<!DOCTYPE html>"))
    assert root.get("lang") == "de" and root.findtext("head/title") == "A & B"
    assert root.findtext("body/main/p") == "<script>"
    assert not list(root.iter("script")) and not list(root.iter("link"))


def test_a_drawing_is_svg_that_a_screen_reader_can_tell() -> None:
    root = ElementTree.fromstring(drawing(8.4, 4, "a < b", element("circle", r=2), None, class_="map"))
    svg = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{svg}svg" and [child.tag for child in root] == [f"{svg}circle"]
    assert root.attrib == {"class": "map", "viewBox": "0 0 8 4", "role": "img", "aria-label": "a < b"}
