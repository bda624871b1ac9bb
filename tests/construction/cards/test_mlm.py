"""The description of a build: what its manifests say, and a Croissant file that opens."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from hf_mlm.construction.cards.card import images_by_licence
from hf_mlm.construction.cards.mlm import describe_folder


RECORD = {
    "code": "0.1.0+abc",
    "tasks": 2,
    "edition": {"languages": ["en", "de", "fr"], "hops": 3},
    "source": {"dump": {"wikidata-20260105-all.json": 5}, "date": "20260105"},
    "services": {"wikipedia": "https://{language}.wikipedia.org/w/api.php", "commons": "https://commons.example/api"},
}


@pytest.fixture
def dataset(build_here: Any, wiki: Any, tmp_path: Path) -> Path:
    """A described build, whose images have two licences, one of them unknown."""
    wiki.infos = {f"Place {1000 + n}.jpg": {"extmetadata": {"Artist": {"value": "Jo"}}} for n in range(0, 36, 4)}
    wiki.missing = {"Ort 1003"}
    describe_folder(tmp_path / "build" / "dataset", RECORD, build_here())
    return tmp_path / "build" / "dataset"


def test_card_provenance_and_credits(dataset: Path) -> None:
    card = (dataset / "README.md").read_text()
    licences = [row["licence"] for row in rows(dataset, "image_licences")]
    expected = Counter(licence or "not stated" for licence in licences)
    assert images_by_licence(sorted(dataset.glob("image_licences/*.parquet"))) == expected
    assert expected["not stated"] == 9 and "| not stated | 9 |" in card and "Do not pass on images" in card
    assert f"| CC BY-SA 4.0 | {expected['CC BY-SA 4.0']} |" in card and "dump of 2026-01-05" in card
    assert "1 off the earth" in card and "languages: [en, de, fr]" in card
    provenance = json.loads((dataset / "provenance.json").read_text())
    assert provenance["build"] == RECORD and provenance["stages"]["places"]["dropped"]["off the earth"] == 1
    assert set(provenance["stages"]["summaries"]["facts"]) == {"wikipedia"}
    _whom_to_credit(dataset)


def _whom_to_credit(dataset: Path) -> None:
    published = {row["entity_id"]: row for row in rows(dataset, "mlm")}
    for row in rows(dataset, "image_licences"):
        assert row["image"] in [image["path"] for image in published[row["entity_id"]]["images"]]
    articles = {(row["entity_id"], row["language"]): row for row in rows(dataset, "summary_sources")}
    texts = {(entity, code) for entity, row in published.items() for code, text in row["summaries"].items() if text}
    assert set(articles) == texts and ("Q1003", "de") not in texts
    assert articles["Q1003", "en"]["article"] == "Place 1003" and articles["Q1003", "en"]["revision"] > 0


def test_it_opens_without_the_builder_and_by_croissant(dataset: Path, tmp_path: Path) -> None:
    opened = load_dataset(str(dataset), "irle", cache_dir=str(tmp_path / "cache"))
    ids = {entity for split in opened.values() for entity in split["entity_id"]}
    croissant = pytest.importorskip("mlcroissant").Dataset(jsonld=dataset / "croissant.json")
    assert not croissant.metadata.ctx.issues.errors
    assert {record["irle/entity_id"].decode() for record in croissant.records("irle")} == ids
    assert len(list(croissant.records("image_licences"))) == len(rows(dataset, "image_licences"))


def rows(dataset: Path, config: str) -> list[dict[str, Any]]:
    return [row for path in sorted(dataset.glob(f"{config}/*.parquet")) for row in pq.read_table(path).to_pylist()]
