"""The map of cells: pixels against the partition, and what the page says of them."""

from __future__ import annotations

import html
import io
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hf_mlm.construction import report  # noqa: E402
from hf_mlm.construction.findings import BuildFindings, Losses, Texts  # noqa: E402
from hf_mlm.construction.report import (  # noqa: E402
    COLOURS,
    Ground,
    PublishedCounts,  # noqa: E402
    cell_map,
    class_bounds,
    painted,
    published_counts,
    render_build,
)
from hf_mlm.drawing.maps import Window
from hf_mlm.geo.partition import GeoCellPartition


WINDOW = Window(south=-60, north=60, width=180)
PARTITION = GeoCellPartition.from_tokens(["1", "3", "9"], [20, 400, 50])


def test_a_pixel_has_the_colour_of_its_cells_class() -> None:
    bounds = class_bounds(PARTITION.counts)
    with Image.open(io.BytesIO(painted(PARTITION, bounds, WINDOW))) as opened:
        picture = np.asarray(opened.convert("RGBA"))
    assert picture.shape == (60, 180, 4)
    for latitude, longitude in [(10.0, 5.0), (5.0, 88.0), (-20.0, 200.0), (50.0, -120.0), (2.0, 175.0)]:
        column, row = int((longitude + 180) / 2) % 180, int((60 - latitude) / 2)
        cell = int(PARTITION.assign([latitude], [longitude - 360 * (longitude > 180)])[0])
        if cell < 0:
            assert picture[row, column, 3] == 0
        else:
            rank = sum(bound <= PARTITION.counts[cell] for bound in bounds) - 1
            assert tuple(picture[row, column, :3]) == tuple(bytes.fromhex(COLOURS[rank][1:]))


def test_a_cell_smaller_than_a_pixel_is_seen() -> None:
    partition = GeoCellPartition.from_tokens(["1", "47a1cbd5"], [20, 400])
    (latitude,), (longitude,) = (axis[1:] for axis in partition.centers)
    bounds = class_bounds(partition.counts)
    with Image.open(io.BytesIO(painted(partition, bounds, WINDOW))) as opened:
        picture = np.asarray(opened.convert("RGBA"))
    row, column = int((60 - latitude) / 2), int((longitude + 180) / 2)
    around = picture[row - 2 : row + 3, column - 2 : column + 3, :3].reshape(-1, 3)
    rank = sum(bound <= 400 for bound in bounds) - 1
    assert (around == tuple(bytes.fromhex(COLOURS[rank][1:]))).all()


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=30))
def test_every_count_has_a_class(counts: list[int]) -> None:
    bounds = class_bounds(np.array(counts))
    assert bounds == sorted(set(bounds)) and bounds[0] == min(counts) and len(bounds) <= len(COLOURS)
    assert bounds[-1] <= max(counts)


def test_the_figure_is_well_formed_and_says_its_cells() -> None:
    root = ElementTree.fromstring(cell_map(PARTITION, b"jpeg", "three cells", WINDOW))
    titles = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles == ["cell 1: 20 entities", "cell 3: 400 entities", "cell 9: 50 entities"]
    assert len(list(root.iter("{http://www.w3.org/2000/svg}image"))) == 2 and len(root.findall("ul/li")) == 5


def test_their_layout(tmp_path: Path) -> None:
    (tmp_path / "mlm").mkdir()
    assert published_counts(tmp_path) is None
    parts = ["Total data: 7", "FR: 4\nUS: 3", "EU: 4\nNA: 3", "EU: 4\nOther: 3"]
    (tmp_path / "mlm" / "MLM_v1_coord_stats.txt").write_text("\n----------\n".join(parts))
    lines = "==>Num of data points: {0}\n==>Num of summaries: {1}\n==>Num of images: {2}\n==>Size: 9.8G"
    stats = [f"MLM {version} stats:\n{lines.format(*numbers)}" for version, numbers in _VERSIONS.items()]
    (tmp_path / "mlm" / "mlm_stats.txt").write_text("\n\n".join(stats))
    counts = published_counts(tmp_path)
    assert counts is not None and counts.countries == {"FR": 4, "US": 3}
    assert counts.totals == {"data points": 7, "summaries": 14, "images": 12}


_VERSIONS = {"v2 dataset": (8, 9, 10), "v1 dataset": (7, 14, 12), "v1 sample dataset": (1, 2, 3)}


@pytest.mark.real
def test_their_files(shared_data: Path) -> None:
    counts = published_counts(shared_data)
    assert counts is not None and counts.totals == {"data points": 236_496, "summaries": 497_899, "images": 412_422}
    assert counts.countries["FR"] == 38_793 and "EU" not in counts.countries and "NA" in counts.countries  # Namibia
    assert 0 <= 236_496 - sum(counts.countries.values()) < 100


pytest.importorskip("datatrove")


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
    monkeypatch.setattr(report, "_ground", lambda countries: GROUND)
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
