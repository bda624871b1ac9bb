"""An archive of one's own, published under its own name and without what its cameras wrote."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from datasets import load_dataset
from PIL import Image

from hf_mlm.publishing.cards import code, escape, markdown_table
from hf_mlm.publishing.datasets import push_dataset
from hf_mlm.publishing.model_card import model_card
from hf_mlm.publishing.run_facts import RunFacts


FOREIGN = re.compile(r"\bMLM\b|Zenodo|Commons|Wikidata|Wikipedia|CC BY 4\.0")
GPS = 0x8825


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Eight photographs with positions in their EXIF, and a table of them."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x010F] = "Eve's camera"
    exif.get_ifd(GPS)[1], exif.get_ifd(GPS)[2] = "N", (53.0, 33.0, 7.0)
    lines = ["id,title,description_ga,image,latitude,longitude"]
    for number in range(8):
        Image.new("RGB", (24, 16), (30 * number, 60, 90)).save(folder / f"plate_{number}.jpg", exif=exif)
        lines.append(f"plate {number},Plate {number},Radharc {number},plate_{number}.jpg,{50 + number},{8 + number}")
    (folder / "metadata.csv").write_text("\n".join(lines))
    return folder


def metadata(folder: Path) -> dict[str, Any]:
    return yaml.safe_load((folder / "README.md").read_text().split("---")[1])


def images(folder: Path) -> list[bytes]:
    tables = (pq.read_table(file) for file in sorted(folder.glob("archive/*.parquet")))
    return [image["bytes"] for table in tables for row in table["images"].to_pylist() for image in row]


def test_a_dry_run_is_a_repository_of_its_own_name(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="your own files.*--licence"):
        push_dataset("mlm", "archive", dry_run=tmp_path / "out", data_dir=str(archive))
    assert not (tmp_path / "out").exists()
    folder = tmp_path / "out"
    push_dataset("mlm", "archive", "me/plates", licence="CC-BY-SA-4.0", dry_run=folder, data_dir=str(archive))
    card, data = (folder / "README.md").read_text(), metadata(folder)
    assert not FOREIGN.search(card)
    assert (data["license"], data["pretty_name"], data["language"]) == ("cc-by-sa-4.0", "plates", ["ga"])
    assert str(tmp_path) not in card
    rows = load_dataset(str(folder), "archive")
    assert sum(len(part) for part in rows.values()) == 8


@pytest.mark.parametrize("kept", [False, True])
def test_what_cameras_wrote_stays_at_home_unless_it_is_asked_for(archive: Path, tmp_path: Path, kept: bool) -> None:
    folder = tmp_path / "out"
    push_dataset("mlm", "archive", licence="mit", keep_exif=kept, dry_run=folder, data_dir=str(archive))
    found = images(folder)
    assert len(found) == 8
    assert {b"Eve's camera" in content for content in found} == {kept}
    assert {bool(Image.open(io.BytesIO(content)).getexif().get_ifd(GPS)) for content in found} == {kept}


def test_a_model_of_ones_own_archive_has_its_own_metrics() -> None:
    provenance = {"dataset": {"origin": "own", "languages": ["ga"], "config": "archive", "splits": {}}}
    facts = RunFacts({"model_type": "irle"}, {"test_image_accuracy": 0.5}, provenance=provenance, origin="own")
    with pytest.raises(ValueError, match="files of your own.*--licence"):
        model_card(facts, "me/plates")
    card = model_card(facts, "me/plates", "cc-by-4.0")
    assert not FOREIGN.search(card.content.partition("---\n\n")[2])
    data = yaml.safe_load(str(card).split("---")[1])
    assert data["language"] == ["ga"] and data["license"] == "cc-by-4.0"
    (result,) = data["model-index"][0]["results"]
    assert result["dataset"]["type"] == "own-files" and "mlm" not in str(result["dataset"]).lower()


def test_values_of_data_are_text_in_markdown_and_html() -> None:
    hostile = "<img src=x onerror=alert(1)> [link](https://evil) `code` | *b*\n# heading"
    facts = RunFacts(
        {"model_type": "crf_tagger", "id2label": {"0": "O", "1": f"B-{hostile}"}},
        {"test_f1": 0.5, "test_<b>x|y</b>_f1": 0.25},
        origin="own",
        own_languages=("<i>de</i>",),
    )
    body = model_card(facts, "me/ner", "mit", others={hostile: facts}).content.partition("## Results")[2]
    for markup in ("<img", "<b>", "<i>", "](https://evil", "\n# heading"):
        assert markup not in body
    assert escape("a_b") == r"a\_b" and code("a`b") == "`` a`b ``"
    row = markdown_table(["", ""], [["a", escape("x | y")]]).splitlines()[-1]
    assert len(re.findall(r"(?<!\\)\|", row)) == 3
