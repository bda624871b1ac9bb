"""The report of a build: counts of its Parquet files, and the authors' counts beside them."""

from __future__ import annotations

import html
import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hf_mlm.construction import report  # noqa: E402
from hf_mlm.construction.report import (
    BuildFindings,
    Ground,
    Losses,
    PublishedCounts,
    Texts,
    find_in_build,
    published_counts,
    render_build,
)
from hf_mlm.construction.stage import Ledger, OutputFile, StageManifest
from hf_mlm.geo.partition import GeoCellPartition


TABLES = {
    "mlm/train": {
        "country": ["DE", None, "DE"],
        "summaries": [{"en": "ab", "de": None}, {"en": "ö", "de": "c"}] + [None],
    },
    "irle/train": {"geo_cell": [0, 1, 1]},
    "image_licences/image_licences": {"licence": ["CC0", None]},
}


@pytest.fixture
def small_dataset(tmp_path: Path) -> Path:
    files = []
    for name, columns in TABLES.items():
        path = tmp_path / f"{name}-00000-of-00001.parquet"
        path.parent.mkdir()
        pq.write_table(pa.table(columns), path)
        files.append(OutputFile.of(path, len(next(iter(columns.values()))), tmp_path))
    StageManifest.of_task("dataset", files, Ledger()).save(tmp_path / "manifest.json")
    dropped = {"no summary": 2, "image: of 0 bytes": 3, "image beyond the limit": 4}
    stages = {
        "entities": {"dropped": dropped, "files": [{"rows": 3}, {"rows": 4}]},
        "selection": {"dropped": {}, "files": [], "facts": {"irle: cells": ["47a1", "89c1"]}},
    }
    (tmp_path / "provenance.json").write_text(json.dumps({"build": {"code": "x", "edition": {}}, "stages": stages}))
    return tmp_path


def test_findings(small_dataset: Path) -> None:
    found = find_in_build(small_dataset)
    assert found.sizes == {"mlm": 3, "irle": 3, "irle-gr": 0} and found.countries == {"DE": 2, "": 1}
    assert found.languages == {"en": Texts(2, 3), "de": Texts(1, 1)} and (found.summaries, found.images) == (3, 2)
    assert found.licences == {"CC0": 1, "not stated": 1}
    assert found.partitions["irle"].counts.tolist() == [1, 2] and list(found.partitions) == ["irle"]
    assert list(found.losses) == [
        Losses("entities", "rows", 7, {"no summary": 2}),
        Losses("entities", "images", 2, {"of 0 bytes": 3, "beyond the limit": 4}),
    ]


def test_a_folder_without_a_build(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"Expected provenance.json in .*; finish the build by running it again"
    ):
        find_in_build(tmp_path)


_VERSIONS = {"v2 dataset": (8, 9, 10), "v1 dataset": (7, 14, 12), "v1 sample dataset": (1, 2, 3)}


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


@pytest.mark.real
def test_their_files(shared_data: Path) -> None:
    counts = published_counts(shared_data)
    assert counts is not None and counts.totals == {"data points": 236_496, "summaries": 497_899, "images": 412_422}
    assert counts.countries["FR"] == 38_793 and "EU" not in counts.countries and "NA" in counts.countries  # Namibia
    assert 0 <= 236_496 - sum(counts.countries.values()) < 100


FINDINGS = BuildFindings(
    {
        "source": {"dump": {"a.json": 1}, "date": "20260105"},
        "edition": {"languages": ["en", "de"], "base_types": ["Q486972"], "hops": 1},
        "code": "0.1.0+abc",
    },
    "settlements",
    {"mlm": 30, "irle": 28, "irle-gr": 20},
    {"DE": 20, "FR": 7, "": 3},
    {"en": Texts(30, 300), "de": Texts(15, 90)},
    {"CC BY-SA 4.0": 25, "not stated": 5},
    {"irle": GeoCellPartition.from_tokens(["47a1"], [28])},
    [
        Losses("entities", "rows", 30, {"no image": 10, "no instance of the classes": 900}),
        Losses("images", "images", 30, {"of 0 bytes": 1}),
    ],
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
