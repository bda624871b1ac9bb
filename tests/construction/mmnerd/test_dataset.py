"""The finished dataset: exact shares, no leak, files that `load_dataset` opens."""

import json
import resource
from collections import Counter
from pathlib import Path

import pytest
from datasets import load_dataset
from PIL import Image

import hf_mlm  # noqa: F401, registers mmnerd
from hf_mlm.construction.mmnerd.dataset import read_published, write_dataset
from hf_mlm.construction.mmnerd.records import read_records
from hf_mlm.data.formats.iob2 import TAGS


WORDS = [a + b for a in ("ka", "lo", "mi", "nu", "pe") for b in ("ra", "so", "ti", "vu", "xa", "ye")]


@pytest.fixture
def records(record):
    """30 images, each with a sentence in English and one in German, all different."""
    texts = [f"{word} {other} in Rome" for word, other in zip(WORDS, WORDS[::-1], strict=True)]
    english = [record(text, ("Rome", "LOC"), id=f"web/en/i{n}") for n, text in enumerate(texts)]
    german = [record(f"sah {text}", ("Rome", "LOC"), id=f"web/de/i{n}", language="de") for n, text in enumerate(texts)]
    return [*english, *german]


def test_dataset(records, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(20):
        Image.new("RGB", (4, 4)).save(images / f"i{number}.png")
    (images / "i20.png").write_bytes(b"")
    written = write_dataset(tmp_path / "out", records, min_entities=2, image_dir=images, facts={"agreement": 1})
    assert written.sizes == {"train": 48, "validation": 6, "test": 6} and written.below_minimum == 60
    assert list(read_records(tmp_path / "out" / "sentences.jsonl")) == records
    rows = load_dataset("mmnerd", "en+de", data_dir=str(tmp_path / "out"))
    sides = {split: {row["image_id"] for row in rows[split]} for split in rows}
    assert sum(map(len, sides.values())) == len(set().union(*sides.values())) == 30
    one = next(row for row in rows["train"] if row["language"] == "en")
    expected = next(item for item in records if item.image_id == one["image_id"])
    assert one["tokens"] == expected.tokens and [TAGS[tag] for tag in one["ner_tags"]] == expected.tags
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["agreement"] == 1 and len(report["audit"]["images"]["broken"]) > 0
    assert all(leak["other_languages"] == 0 for leak in report["audit"]["leakage"])
    table = json.loads((tmp_path / "out" / "table2.json").read_text())
    assert (
        table["all"]["sentences"] == 60
        and table["en, train"]["names"]["LOC"] == 24 == table["en, train"]["mentions"]["entities"]
    )
    assert len((tmp_path / "out" / "images.tsv").read_text().splitlines()) == 21


def test_a_published_division(records, tmp_path: Path) -> None:
    lines = [f"i{number}\t{'test' if number < 3 else 'train'}" for number in range(30)]
    (tmp_path / "split.tsv").write_text("\n".join(lines))
    published = read_published(tmp_path / "split.tsv")
    assert write_dataset(tmp_path / "out", records, published=published).sizes == {
        "train": 54,
        "validation": 0,
        "test": 6,
    }
    with pytest.raises(ValueError, match="does not name 1 images, such as 'i7'"):
        write_dataset(tmp_path / "out", records, published={k: v for k, v in published.items() if k != "i7"})
    (tmp_path / "split.tsv").write_text("i1\tdev\n")
    with pytest.raises(ValueError, match="split.tsv:1: write an image id"):
        read_published(tmp_path / "split.tsv")


def test_the_same_again(records, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_dataset(tmp_path / name, records, seed=5)
    files = [
        sorted(path.relative_to(tmp_path / name) for path in (tmp_path / name).rglob("*") if path.is_file())
        for name in ("one", "two")
    ]
    assert files[0] == files[1] and Counter(map(str, files[0]))["report.json"] == 1
    for file in files[0]:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_full_disk_is_said_and_survived(records, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
        with pytest.raises(OSError, match="no room is left to write in .*/out"):
            write_dataset(tmp_path / "out", records)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((tmp_path / "out").rglob("*.part"))
    assert write_dataset(tmp_path / "out", records).sizes["train"] == 48


def test_nothing_to_write(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no finished sentences"):
        write_dataset(tmp_path / "out", [])
