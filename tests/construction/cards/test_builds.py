"""Card, Croissant and provenance of builds of MLM and MMNERD, which open the folders."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from hf_mlm.construction.cards.builds import NERBuild, describe_folder, describe_ner_folder
from hf_mlm.construction.cards.card import images_by_licence
from hf_mlm.construction.mmnerd.dataset import write_dataset
from hf_mlm.construction.mmnerd.records import Record, Span
from hf_mlm.construction.mmnerd.sources import words_of
from hf_mlm.construction.stage import Ledger, OutputFile, StageManifest


RECORD = {
    "code": "0.1.0+abc",
    "tasks": 2,
    "edition": {"languages": ["en", "de", "fr"], "hops": 3},
    "source": {"dump": {"wikidata-20260105-all.json": 5}, "date": "20260105"},
    "services": {"wikipedia": "https://{language}.wikipedia.org/w/api.php", "commons": "https://commons.example/api"},
}


@pytest.fixture
def build_folder(build_here: Any, wiki: Any, tmp_path: Path) -> Path:
    """A described build, whose images have two licences, one of them unknown."""
    wiki.infos = {f"Place {1000 + n}.jpg": {"extmetadata": {"Artist": {"value": "Jo"}}} for n in range(0, 36, 4)}
    wiki.missing = {"Ort 1003"}
    describe_folder(tmp_path / "build" / "dataset", RECORD, build_here())
    return tmp_path / "build" / "dataset"


def test_card_provenance_and_credits(build_folder: Path) -> None:
    card = (build_folder / "README.md").read_text()
    licences = [row["licence"] for row in rows(build_folder, "image_licences")]
    expected = Counter(licence or "not stated" for licence in licences)
    assert images_by_licence(sorted(build_folder.glob("image_licences/*.parquet"))) == expected
    assert expected["not stated"] == 9 and "| not stated | 9 |" in card and "Do not pass on images" in card
    assert f"| CC BY-SA 4.0 | {expected['CC BY-SA 4.0']} |" in card and "dump of 2026-01-05" in card
    assert "1 off the earth" in card and "languages: [en, de, fr]" in card
    provenance = json.loads((build_folder / "provenance.json").read_text())
    assert provenance["build"] == RECORD and provenance["stages"]["entities"]["dropped"]["off the earth"] == 1
    assert set(provenance["stages"]["summaries"]["facts"]) == {"wikipedia"}
    _whom_to_credit(build_folder)


def _whom_to_credit(build_folder: Path) -> None:
    published = {row["entity_id"]: row for row in rows(build_folder, "mlm")}
    for row in rows(build_folder, "image_licences"):
        assert row["image"] in [image["path"] for image in published[row["entity_id"]]["images"]]
    articles = {(row["entity_id"], row["language"]): row for row in rows(build_folder, "summary_sources")}
    texts = {(entity, code) for entity, row in published.items() for code, text in row["summaries"].items() if text}
    assert set(articles) == texts and ("Q1003", "de") not in texts
    assert articles["Q1003", "en"]["article"] == "Place 1003" and articles["Q1003", "en"]["revision"] > 0


def test_it_opens_without_the_builder_and_by_croissant(build_folder: Path, tmp_path: Path) -> None:
    opened = load_dataset(str(build_folder), "irle", cache_dir=str(tmp_path / "cache"))
    ids = {entity for split in opened.values() for entity in split["entity_id"]}
    croissant = pytest.importorskip("mlcroissant").Dataset(jsonld=build_folder / "croissant.json")
    assert not croissant.metadata.ctx.issues.errors
    assert {record["irle/entity_id"].decode() for record in croissant.records("irle")} == ids
    assert len(list(croissant.records("image_licences"))) == len(rows(build_folder, "image_licences"))


def rows(build_folder: Path, config: str) -> list[dict[str, Any]]:
    return [
        row for path in sorted(build_folder.glob(f"{config}/*.parquet")) for row in pq.read_table(path).to_pylist()
    ]


SOURCE = {"name": "web", "kind": "captions", "language": "en", "translate_to": ["de"], "licence": "CC BY 4.0 | MIT"}
EDITION = {"sources": [SOURCE | {"path": "/home/eve/captions.tsv"}], "seed": 0}
AGREEMENT = {"sentences": 7, "words": 30, "equal_sentences": 6, "kappa": 0.91, "kappa_entities": None, "span_f1": 0.8}


def manifest() -> StageManifest:
    ledger = Ledger()
    ledger.dropped["fewer than 2 entities proposed"] = 11
    ledger.facts["pre-annotator en"] = "spaCy 3.8, en_core_web_sm 3.8.0"
    return StageManifest.of_task("proposals", [OutputFile("00000.parquet", 9, 12, "ab")], ledger)


def sentence(number: int, language: str, url: str | None) -> Record:
    text = f"Rome seen by {'abcdefghij'[number] * 4}"
    image = (f"i{number}", f"i{number}") if number else (None, "none")
    licence = "CC BY 4.0" if url else ""
    return Record(
        f"web/{language}/{number}", text, words_of(text), (Span(0, 4, "LOC"),), language, *image, "web", licence, url
    )


@pytest.fixture
def ner_folder(tmp_path: Path) -> Path:
    """Ten sentences in English and ten in German, of nine images, described."""
    records = [
        sentence(n, language, "https://example.org/i.png" if n % 2 else None)
        for language in ("en", "de")
        for n in range(10)
    ]
    _describe(tmp_path / "dataset", records, "people", AGREEMENT)
    return tmp_path / "dataset"


def _describe(ner_folder: Path, records: list[Record], by: str, agreement: dict[str, Any] | None) -> None:
    build = {"code": "0.1.0+abc", "edition": EDITION}
    known = NERBuild(build, {"proposals": manifest()}, by, agreement, {"seed": 0})
    describe_ner_folder(write_dataset(ner_folder, records), known)


def test_datasets_opens_mmnerd_by_its_card(ner_folder: Path, tmp_path: Path) -> None:
    opened = load_dataset(str(ner_folder), "de", cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in opened.items()} == {"train": 8, "validation": 1, "test": 1}
    row = opened["test"][0]
    assert [opened["test"].features["ner_tags"].feature.names[tag] for tag in row["ner_tags"]][0] == "B-LOC"
    assert row["text"][row["spans"][0]["start"] : row["spans"][0]["end"]] == "Rome"
    images = load_dataset(str(ner_folder), "image_sources", cache_dir=str(tmp_path / "cache"))["image_sources"]
    assert len(images) == 9 and set(images["sentences"]) == {2}


def test_croissant_gives_the_same_sentences(ner_folder: Path) -> None:
    dataset = pytest.importorskip("mlcroissant").Dataset(jsonld=ner_folder / "croissant.json")
    issues = dataset.metadata.ctx.issues
    assert not issues.errors and dataset.metadata.ctx.is_v1_1()
    assert all("datePublished" in warning for warning in issues.warnings)  # captions have no date
    records = {record["en/id"].decode(): record for record in dataset.records("en")}
    assert sorted(records) == [f"web/en/{number}" for number in range(10)]
    assert list(records["web/en/3"]["en/ner_tags"]) == [3, 0, 0, 0] and records["web/en/3"]["en/image_id"] == b"i3"
    assert {record["image_sources/url"] for record in dataset.records("image_sources")} == {
        b"https://example.org/i.png",
        None,
    }


def test_card_and_provenance_of_mmnerd(ner_folder: Path) -> None:
    card = (ner_folder / "README.md").read_text()
    assert "20 sentences with persons" in card and "- en\n- de" in card and "- other" in card
    assert "| web | captions | en | de | CC BY 4.0 \\| MIT |" in card
    assert "| `proposals` | 12 | 11 fewer than 2 entities proposed | – |" in card
    assert "spaCy 3.8, en_core_web_sm" in card and "kappa of 0.910 (– without" in card
    assert "| CC BY 4.0 | 5 |" in card and "| not stated | 4 |" in card and "Do not pass on images" in card
    provenance = json.loads((ner_folder / "provenance.json").read_text())
    assert provenance["stages"]["proposals"]["dropped"] == {"fewer than 2 entities proposed": 11}
    assert provenance["agreement"] == AGREEMENT and provenance["division"] == {"seed": 0}
    for path in ner_folder.rglob("*.*"):
        content = path.read_bytes() if path.is_file() else b""
        assert b"/home/eve" not in content and str(ner_folder).encode() not in content, path


def test_a_machines_labels_are_called_so(tmp_path: Path) -> None:
    _describe(tmp_path / "dataset", [sentence(0, "en", None)] * 1, "machine", None)
    card = (tmp_path / "dataset" / "README.md").read_text()
    assert "Nobody has checked them: these are silver labels." in card and "kappa" not in card
    assert "- unknown" in card and "there are no images." in card
