"""Images of captions, fetched from a stand-in."""

import csv
from pathlib import Path
from typing import Any

import pytest
from conftest import run_stage

from hf_mlm.construction.http import HttpSettings
from hf_mlm.construction.mmnerd.build import draft_stages, load_ner_build_config
from hf_mlm.construction.mmnerd.images import fetch_images, image_addresses
from hf_mlm.files import sha256_of


CONFIG = """\
sources: [{kind: captions, path: captions.tsv, language: en, name: web, licence: as found, licence_column: 2}]
pre_annotators: {en: {rules: rules.yaml}}
"""


@pytest.fixture
def build(wiki: Any, tmp_path: Path) -> Path:
    """A draft of five captions: images that are there, gone, damaged, without an address, and there again."""
    names = [f"{wiki.url}/thumb/{name}.jpg" for name in ("good", "gone", "bad")] + [
        "local.jpg",
        f"{wiki.url}/thumb/last.png",
    ]
    lines = [f"{name}\tRome and Paris {number}\tCC0" for number, name in zip("abcde", names, strict=True)]
    (tmp_path / "captions.tsv").write_text("\n".join(lines))
    (tmp_path / "rules.yaml").write_text("names: {Rome: GPE, Paris: GPE}")
    (tmp_path / "ner.yaml").write_text(CONFIG)
    wiki.images |= {"gone.jpg": b"404", "bad.jpg": b"<html>no</html>"}
    for stage in draft_stages(tmp_path / "build", load_ner_build_config(tmp_path / "ner.yaml"), 1):
        run_stage(stage)
    return tmp_path / "build"


def test_images_come_once_with_their_licences(build: Path, http: HttpSettings, wiki: Any) -> None:
    assert fetch_images(build, http) == {"there": 2, "status 404": 1, "given up, damaged": 1}
    rows = list(csv.DictReader((build / "images.tsv").open(), delimiter="\t"))
    assert [row["file"] for row in rows] == ["00000001---good.jpg", "", "", "00000005---last.jpg"]
    assert {row["licence"] for row in rows} == {"CC0"} and rows[1]["outcome"] == "status 404"
    assert rows[0]["sha256"] == sha256_of(build / "images" / "00000001---good.jpg")
    asked = sum(wiki.requests.values())
    assert fetch_images(build, http)["there"] == 2
    assert sum(wiki.requests.values()) == asked + 1  # the image that is gone; what was given up is not asked for


def test_tasks_have_the_address_that_the_tool_sees(build: Path, http: HttpSettings, record: Any) -> None:
    one = record("Rome", id="web/en/00000001---good")
    assert image_addresses(build, "/data/local-files/?d=images")(one) == ""
    fetch_images(build, http)
    assert (
        image_addresses(build, "/data/local-files/?d=images")(one) == "/data/local-files/?d=images/00000001---good.jpg"
    )
    assert image_addresses(build, None)(one) == ""
