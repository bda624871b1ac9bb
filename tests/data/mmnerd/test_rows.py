import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hf_mlm.data.mmnerd.rows import ConllShard, conll_shards, source_of
from hf_mlm.data.mmnerd.schemes import TAGS


pytest.importorskip("datasets")


TEXT = "IMGID:O_1\nNew\tB-LOC\nYork\tI-LOC\n\nIMGID:00000001---cat\n\u200b\tO\n\nIMGID:x\nx\tO"


def rows(shards: list[ConllShard]) -> list[dict[str, Any]]:
    return [row for shard in shards for table in shard.tables() for row in table.to_pylist()]


def write(path: Path, text: str) -> tuple[str, str]:
    path.write_text(text, encoding="utf-8", newline="")
    return "en", str(path)


def test_rows_tell_the_sentences_whatever_the_shards(tmp_path: Path) -> None:
    files = {"train": [write(tmp_path / "a", TEXT), write(tmp_path / "b", TEXT)], "test": [write(tmp_path / "c", "")]}
    plans = [conll_shards(files, rows_per_shard=size) for size in (1, 2, 100)]
    assert [list(plan) for plan in plans] == [["train"]] * 3  # a split without rows is not declared
    assert [len(plan["train"]) for plan in plans] == [6, 4, 2]
    found = rows(plans[0]["train"])
    assert found == rows(plans[1]["train"]) == rows(plans[2]["train"])
    assert [row["id"] for row in found] == [f"en-train-{number}" for number in range(6)]
    assert [row["tokens"] for row in found] == [["New", "York"], ["\u200b"], ["x"]] * 2
    assert [row["source"] for row in found[:3]] == ["twitter", "cc12m", None]
    assert [TAGS[number] for number in found[0]["ner_tags"]] == ["B-LOC", "I-LOC"]


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    file = write(tmp_path / "a", "old\tO\n")
    assert rows(conll_shards({"train": [file]})["train"])[0]["tokens"] == ["old"]
    write(tmp_path / "a", "newer\tO\n")
    assert rows(conll_shards({"train": [file]})["train"])[0]["tokens"] == ["newer"]


def test_missing_and_broken_images_are_null_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images = tmp_path / "images"
    images.mkdir()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(images / "O_1.jpg")
    (images / "x.jpg").write_bytes(b"<html>")
    with caplog.at_level(logging.WARNING):
        shards = conll_shards({"test": [write(tmp_path / "a", TEXT)]}, images)
    (missing,) = caplog.messages
    assert missing == f"The image of 1 of 3 sentences is not in {images}: it is None there."
    found = rows(shards["test"])
    assert [row["image"] for row in found] == [{"bytes": None, "path": str(images / "O_1.jpg")}, None, None]
    assert f"{images / 'x.jpg'} is no readable image" in caplog.messages[-1] and len(caplog.messages) == 2
    caplog.clear()
    conll_shards({"test": [write(tmp_path / "a", TEXT)]})
    assert caplog.messages == ["There is no folder of images, so all 3 sentences have none; pass image_dir."]


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("IMGID:1\na\tO\nb\tI-LOC\n", "a:3: 'I-LOC' follows 'O' and so continues nothing.* pass repair=True"),
        ("IMGID:1\n\nb\tO\n", "a:1: no words follow IMGID:1; add them or take the line out"),
        ("b\tO\n\nx\tB-GPE\n", "a:3: the entity type 'GPE' is none of PER, LOC, ORG, MISC; pass labels="),
        ("b\tO\nx\tS-LOC\n", "a:2: 'S-LOC' is no IOB2 label"),
        ("\n\n", "there is no sentence in .*a."),
    ],
)
def test_every_sentence_is_checked_before_the_first_row(text: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=complaint):
        conll_shards({"train": [write(tmp_path / "a", text)]})


@pytest.mark.real
def test_sources_of_the_real_ids(shared_data: Path) -> None:
    files = {"train": [("en", str(shared_data / "mmnerd_en" / "train_conll_format.txt.gz"))]}
    found = [row["source"] for row in rows(conll_shards(files)["train"])]
    assert (found.count("cc12m"), found.count("twitter"), len(found)) == (17_578, 2_390, 19_968)
    assert source_of("17_06_4705x") is None
