"""The page of a build: every figure in words that fit it, with and without what only an extra brings."""

from __future__ import annotations

import html
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from typing import Any

import pytest


pytest.importorskip("datatrove")

from hf_mlm.geo.partition import GeoCellPartition  # noqa: E402
from hf_mlm.reporting import construction_report  # noqa: E402
from hf_mlm.reporting.construction_findings import BuildFindings, Losses, Texts  # noqa: E402
from hf_mlm.reporting.construction_paper import PublishedCounts  # noqa: E402
from hf_mlm.reporting.construction_report import Ground, render_build  # noqa: E402


FINDINGS = BuildFindings(
    {
        "source": {"dump": {"a.json": 1}, "date": "20260105"},
        "edition": {"languages": ["en", "de"], "base_types": ["Q486972"], "hops": 1},
        "code": "0.1.0+abc",
    },
    {"mlm": 30, "irle": 28, "irle-gr": 20},
    {"DE": 20, "FR": 7, "": 3},
    {"en": Texts(30, 300), "de": Texts(15, 90)},
    {"CC BY-SA 4.0": 25, "not stated": 5},
    {"irle": GeoCellPartition.from_tokens(["47a1"], [28])},
    [Losses("places", "rows", 30, {"no image": 10}), Losses("images", "images", 30, {"of 0 bytes": 1})],
)
GROUND = Ground(None, {"DE": "Europe", "FR": "Europe"}, {"DE": "Germany", "FR": "France"})


@pytest.fixture(autouse=True)
def ground(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(construction_report, "_ground", lambda countries: GROUND)
    monkeypatch.delenv("HF_MLM_SHARED_DATA", raising=False)


def text_of(findings: BuildFindings, **arguments: Any) -> str:
    page = render_build(findings, ["try this"], **arguments)
    ElementTree.fromstring(page.partition("\n")[2])
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page.partition("<body")[2])).split())


def test_figures() -> None:
    text = text_of(FINDINGS)
    assert "30 settlements with 45 summaries and 30 images" in text and "dump of 2026-01-05" in text
    assert "1 hop ·" in text and "1 cell in irle" in text and "1.50" in text
    assert "Germany 20 66.7 %" in text and "3 entities have no country." in text and "more countries" not in text
    assert "Europe (27) 90.0 %" in text and "Both columns" not in text
    assert re.search(r"28 entities in 1 cell of S2 level \d+\.", text) and "28 entities irle, all" in text
    assert "en 10; de 6" in text and "40 rows came in" in text and "no image (10) 25.0 %" in text
    assert "31 images came in" in text and "not stated" in text and "try this" in text


def test_beside_the_papers() -> None:
    published = PublishedCounts({"DE": 1, "US": 3}, {"data points": 100, "summaries": 300, "images": 150})
    text = text_of(FINDINGS, published=published)
    assert "MLM v1" in text and "3.00" in text and "Both columns count countries by the same list" in text
    assert "Germany 20 66.7 % 1 25.0 %" in text


def test_a_build_without_cells_countries_or_losses() -> None:
    text = text_of(replace(FINDINGS, partitions={}, losses=[], licences={}, countries={"": 30}))
    assert "There are no cells" in text and "Nothing was dropped." in text and "Licences of the images" not in text
