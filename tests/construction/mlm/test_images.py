"""Thumbnails from a Commons that has broken, empty, gigantic and drawn images."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import wikimedia

from hf_mlm.construction.http import HttpSettings, PoliteClient
from hf_mlm.construction.mlm.build_config import Edition
from hf_mlm.construction.mlm.images import ImageRules, _fetch
from hf_mlm.construction.mlm.summaries import ApiError


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
        "image: of 0 bytes": 1,
        "image: unreadable": 2,
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
    with pytest.raises(ApiError, match="a.jpg is refused to us .status 403"):
        fetch()
    assert fetch() == (wiki.answer("/thumb/a.jpg")[1], None)


def test_a_standard_width_is_asked_for(build_here: Any, wiki: Any) -> None:
    build_here(until="images")
    asked = [path for path in wiki.requests if "/commons/" in path]
    assert asked and all("iiurlwidth=330" in path for path in asked)


def test_drawings_are_known_by_whole_words() -> None:
    rules = ImageRules.of(Edition())
    drawings = ["Lagekarte Bonn.png", "Coat of arms of X.jpg", "X-map.jpg", "Flag_of_X.png", "DEU Bonn COA Wappen.jpg"]
    photographs = ["Bonn.jpg", "Mapuche market.jpg", "Kartause.jpg", "Flagstaff.jpg"]
    assert all(rules.is_drawing(name, "") for name in drawings)
    assert not any(rules.is_drawing(name, "Bonn|Views of Bonn") for name in photographs)
