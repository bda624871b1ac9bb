"""Introductions and thumbnails of a stand-in for Wikimedia."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import graph
import pyarrow.parquet as pq
import pytest
import wikimedia

from hf_mlm.construction.http import HttpSettings, PoliteClient
from hf_mlm.construction.mlm.build import DRAWING_CATEGORIES, DRAWING_WORDS, IMAGE_TYPES, BuildConfig, DumpSource
from hf_mlm.construction.mlm.wikimedia import ApiError, ImageRules, Pages, _fetch, query_pages


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


def test_long_titles_take_several_requests(http: HttpSettings, wiki: Any) -> None:
    titles = [f"File:Площадь в городе Новосибирске зимой, {number}.jpg" for number in range(50)]
    pages = query_pages(PoliteClient(http), wiki.commons, titles, {}, 50)
    assert [pages.find(title)[0]["title"] for title in titles] == titles  # type: ignore[index]
    assert sum(wiki.requests.values()) == 2 and max(map(len, wiki.requests)) < 8192


@pytest.mark.parametrize("refused", ["403", "error"])
def test_a_refusal_is_an_error_and_not_remembered(refused: str, http: HttpSettings, wiki: Any) -> None:
    ask = lambda: query_pages(PoliteClient(http), wiki.commons, ["File:A.jpg"], {}, 50)  # noqa: E731
    answer = wiki.answer
    if refused == "error":
        wiki.answer = lambda address: (200, b'{"error": {"code": "blocked", "info": "status 403"}}')
    else:
        wiki.faults = [refused]
    with pytest.raises(ApiError, match="found .*status 403"):
        ask()
    wiki.answer = answer
    assert ask().find("File:A.jpg")[0]


def summaries(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()}


def test_gaps_are_counted_and_redirects_followed(build_here: Any, wiki: Any, tmp_path: Path) -> None:
    wiki.redirects = {"Place 1003": "Place of Fame", "Place 1005": "District#Place 1005"}
    wiki.missing = {"Ort 1003", "Ort 1004", "Place 1004"}  # Q1004 has no French article
    wiki.texts = {"Lieu 1003": "  ", "Place of Fame": "Famous."}
    manifest = build_here(until="summaries")["summaries"]
    rows = summaries(tmp_path / "build" / "summaries")
    assert rows["Q1003"]["summaries"] == {"en": "Famous.", "de": None, "fr": None}
    assert rows["Q1005"]["summaries"]["en"] is None and rows["Q1005"]["summaries"]["de"] is not None
    assert rows["Q1003"]["revisions"]["en"] > 0 and rows["Q1003"]["revisions"]["de"] is None
    assert manifest.dropped == {"no summary": 1} and "Q1004" not in rows
    assert manifest.noted == {
        "article is a section of another (en)": 1,
        "empty summary (fr)": 1,
        "missing article (de)": 2,
        "missing article (en)": 1,
    }


def test_troubles_change_nothing(build_here: Any, wiki: Any, tmp_path: Path) -> None:
    build_here("calm", until="summaries")
    expected = summaries(tmp_path / "calm" / "summaries")
    (tmp_path / "traffic" / "responses.sqlite").unlink()
    wiki.extracts_at_once = 3
    wiki.faults = ["429", "", "maxlag", "503", "", "half", "cut", "", "slow", "429", "maxlag", ""] * 2
    build_here("troubled", until="summaries")
    assert wiki.faults == [] and summaries(tmp_path / "troubled" / "summaries") == expected


@pytest.mark.parametrize("language", ["xx"])
def test_other_languages_are_a_parameter(language: str, build_here: Any, tmp_path: Path) -> None:

    config = BuildConfig(languages=("de", language))
    build_here("other", until="summaries", config=config)
    rows = summaries(tmp_path / "other" / "summaries")
    assert rows["Q913"]["summaries"] == {"de": "Ohne Namen is a settlement.", language: None}


def test_what_is_wrong_with_images(build_here: Any, wiki: Any, tmp_path: Path) -> None:
    photo = wikimedia.photograph("x")
    wiki.images = {
        "Place 1000.jpg": b"",
        "Place 1001.jpg": photo[: len(photo) // 2],
        "Place 1002.jpg": b"<html>error</html>",
        "Place 1003.jpg": wikimedia.gigantic_png(),
        "Place 1004.jpg": b"404",
    }
    categories = {"extmetadata": {"Categories": {"value": "Bonn|Maps of Bonn"}}}
    wiki.infos = {"Place 1005.jpg": {"mime": "image/svg+xml"}, "Place 1006.jpg": categories}
    wiki.missing = {"Place 1007.jpg"}
    manifest = build_here(until="images")["images"]
    assert manifest.dropped == {
        "image: given up, damaged": 3,
        "image: gigantic": 1,
        "image: status 404": 1,
        "image: of type image/svg+xml": 1,
        "image: a map, flag or coat of arms": 1,
        "image: not on Commons": 1,
    }
    files = sorted((tmp_path / "build" / "images").glob("*.parquet"))
    rows = {row["id"]: row["images"] for path in files for row in pq.read_table(path).to_pylist()}
    assert [rows[f"Q{number}"] for number in range(1000, 1008)] == [[]] * 8
    (image,) = rows["Q912"]
    assert image["bytes"] == wikimedia.photograph("Été à Köln & Bonn?.jpg")
    credit = {"author": "Jo & Co", "licence": "CC BY-SA 4.0", "mime": "image/jpeg"}
    assert credit.items() <= image.items() and image["page"].endswith(
        "File%3A%C3%89t%C3%A9%20%C3%A0%20K%C3%B6ln%20%26%20Bonn%3F.jpg"
    )


def test_a_server_that_turns_us_away_costs_no_image(http: HttpSettings, wiki: Any) -> None:
    fetch = lambda: _fetch(PoliteClient(http), f"{wiki.url}/thumb/a.jpg")  # noqa: E731
    wiki.faults = ["403"]
    with pytest.raises(ApiError, match="found status 403 at .*a.jpg"):
        fetch()
    assert fetch() == (wiki.answer("/thumb/a.jpg")[1], None)


def test_a_standard_width_is_asked_for(build_here: Any, wiki: Any) -> None:
    build_here(until="images")
    asked = [path for path in wiki.requests if "/commons/" in path]
    assert asked and all("iiurlwidth=330" in path for path in asked)


def test_drawings_are_known_by_whole_words() -> None:
    rules = ImageRules(330, 10, IMAGE_TYPES, DRAWING_WORDS, DRAWING_CATEGORIES)
    drawings = ["Lagekarte Bonn.png", "Coat of arms of X.jpg", "X-map.jpg", "Flag_of_X.png", "DEU Bonn COA Wappen.jpg"]
    photographs = ["Bonn.jpg", "Mapuche market.jpg", "Kartause.jpg", "Flagstaff.jpg"]
    assert all(rules.is_drawing(name, "") for name in drawings)
    assert not any(rules.is_drawing(name, "Bonn|Views of Bonn") for name in photographs)


@pytest.mark.parametrize("original", ["image/tiff", "image/svg+xml"])
def test_a_thumbnail_has_its_own_type(original: str, build_here: Any, wiki: Any, tmp_path: Path) -> None:
    wiki.infos = {"Place 1000.jpg": {"mime": original}}
    config = BuildConfig(image_types=("image/jpeg", original), country_shares={}, min_entities=1)
    build_here(config=config)
    licences = [
        row
        for path in sorted((tmp_path / "build" / "dataset" / "image_licences").glob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]
    (row,) = [row for row in licences if row["entity_id"] == "Q1000"]
    assert (row["image"], row["mime"]) == ("Q1000_0.jpg", "image/jpeg")


def test_image_properties_are_a_setting(build_here: Any, tmp_path: Path) -> None:
    config = BuildConfig(image_properties=("P18", "P948"), country_shares={})
    items = [graph.with_statements(graph.place(1000, 50, 7), graph.Statement("P948", "Banner.jpg")), *graph.classes()]
    path = tmp_path / "wikidata-20260105-all.json"
    path.write_bytes(graph.dump_text(items))
    build_here(source=DumpSource.of([path]), until="entities", config=config)
    (row,) = summaries(tmp_path / "build" / "entities").values()
    assert row["images"] == ["Banner.jpg", "Place 1000.jpg"]
