"""Titles traced through what a MediaWiki says about them."""

from hf_mlm.construction.mlm.mediawiki import Pages


def test_normalised_then_redirected_then_found() -> None:
    pages = Pages()
    pages.add({"normalized": [{"from": "bonn", "to": "Bonn"}], "redirects": [{"from": "Bonn", "to": "Bonn am Rhein"}]})
    pages.add({"pages": [{"title": "Bonn am Rhein", "extract": "A city."}]})
    assert pages.find("bonn") == ({"title": "Bonn am Rhein", "extract": "A city."}, False)
    assert pages.find("Köln") == (None, False)


def test_a_section_of_another_page_is_told() -> None:
    pages = Pages()
    pages.add({"redirects": [{"from": "Beuel", "to": "Bonn", "tofragment": "Beuel"}], "pages": [{"title": "Bonn"}]})
    assert pages.find("Beuel") == ({"title": "Bonn"}, True) and pages.find("Bonn") == ({"title": "Bonn"}, False)


def test_what_is_not_there() -> None:
    pages = Pages()
    pages.add({"pages": [{"title": "A", "missing": True}, {"title": "B|", "invalid": True}]})
    assert pages.find("A")[0] is None and pages.find("B|")[0] is None


def test_a_circle_of_redirects_ends() -> None:
    pages = Pages()
    pages.add({"redirects": [{"from": "A", "to": "B"}, {"from": "B", "to": "A"}]})
    assert pages.find("A") == (None, False)


def test_properties_come_over_several_answers() -> None:
    pages = Pages()
    pages.add({"pages": [{"title": "A", "revisions": [{"revid": 1}]}]})
    pages.add({"pages": [{"title": "A", "extract": "text", "revisions": [{"revid": 2}]}]})
    page, _ = pages.find("A")
    assert page == {"title": "A", "extract": "text", "revisions": [{"revid": 1}, {"revid": 2}]}
