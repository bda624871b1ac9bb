import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from PIL import Image

from hf_mlm.data.mmnerd.rows import SentenceFile, SentenceShard, convert_dataset, plan_shards, source_of
from hf_mlm.data.mmnerd.schemes import TAGS


TEXT = "IMGID:O_1\nNew\tB-LOC\nYork\tI-LOC\n\nIMGID:00000001---cat\n\u200b\tO\n\nIMGID:x\nx\tO"


def plan(
    files: Mapping[str, Sequence[SentenceFile]], images: Path | None = None, **options: Any
) -> dict[str, list[SentenceShard]]:
    return plan_shards(files, images, **{"labels": TAGS, **options})[1]


def rows(shards: Sequence[SentenceShard]) -> list[dict[str, Any]]:
    return [row for shard in shards for table in shard.tables() for row in table.to_pylist()]


def write(path: Path, text: str) -> SentenceFile:
    path.write_text(text, encoding="utf-8", newline="")
    return SentenceFile(str(path), "en")


def test_rows_tell_the_sentences_whatever_the_shards(tmp_path: Path) -> None:
    files = {"train": [write(tmp_path / "a", TEXT), write(tmp_path / "b", TEXT)], "test": [write(tmp_path / "c", "")]}
    plans = [plan(files, rows_per_shard=size) for size in (1, 2, 100)]
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
    assert rows(plan({"train": [file]})["train"])[0]["tokens"] == ["old"]
    write(tmp_path / "a", "newer\tO\n")
    assert rows(plan({"train": [file]})["train"])[0]["tokens"] == ["newer"]


def test_missing_and_broken_images_are_null_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images = tmp_path / "images"
    images.mkdir()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(images / "O_1.jpg")
    (images / "x.jpg").write_bytes(b"<html>")
    with caplog.at_level(logging.WARNING):
        shards = plan({"test": [write(tmp_path / "a", TEXT)]}, images)
    (missing,) = caplog.messages
    assert missing == f"The image of 1 of 3 sentences is not in {images}: it is None there."
    found = rows(shards["test"])
    assert [row["image"] for row in found] == [{"bytes": None, "path": str(images / "O_1.jpg")}, None, None]
    assert f"{images / 'x.jpg'} is no readable image" in caplog.messages[-1] and len(caplog.messages) == 2
    caplog.clear()
    plan({"test": [write(tmp_path / "a", TEXT)]})
    assert caplog.messages == ["There is no folder of images, so all 3 sentences have none; pass image_dir."]


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("a\tB-LOC\nb\tO\n\nb\tI-LOC\n", "a:4: 'I-LOC' follows 'O'.* repair=True"),
        ("IMGID:1\n\nb\tO\n", "a:1: no words follow IMGID:1; add them or take the line out"),
        ("b\tO\n\nx\tB-GPE\n", r"a:3: 'GPE' is no entity type among PER, LOC, ORG, MISC; pass labels="),
        ("b\tO\nx\tB-LOC\ny\tLOC\n", "a:3: 'LOC' is no IOB2 label"),
        ("the\tDET\ncat\tNOUN\n", "a: expected labels .* found DET, NOUN and no O; .* label_column"),
        ("\n\n", "found none in .*a."),
    ],
)
def test_every_sentence_is_checked_before_the_first_row(text: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=complaint):
        plan({"train": [write(tmp_path / "a", text)]})


def test_labels_are_those_of_all_files_and_the_scheme_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = {
        "train": [write(tmp_path / "a", "Hana\tB-PER\nLind\tE-PER\n")],
        "test": [write(tmp_path / "b", "Asgard\tS-SHIP\nleft\tO\n")],
    }
    tags, shards = plan_shards(files)
    assert tags == ("O", "B-PER", "I-PER", "B-SHIP", "I-SHIP")
    assert [rows(shards[split])[0]["ner_tags"] for split in files] == [[1, 2], [3, 0]]
    assert caplog.messages == ["Labels of the IOBES scheme are read as IOB2: a, b."]


def test_files_of_two_schemes_are_mixed_and_repaired(tmp_path: Path) -> None:
    files = {
        "train": [write(tmp_path / "a", "A\tB-X\nB\tE-X\nC\tS-X\n")],
        "test": [write(tmp_path / "b", "D\tI-X\nE\tO\n")],
    }
    with pytest.raises(ValueError, match="b:1: 'I-X' follows 'O', which IOBES does not allow.* repair=True"):
        plan_shards(files)
    tags, shards = plan_shards(files, repair=True)
    assert [[tags[tag] for tag in rows(shards[split])[0]["ner_tags"]] for split in files] == [
        ["B-X", "I-X", "B-X"],
        ["B-X", "O"],
    ]


def test_ids_of_the_file_are_kept_where_they_tell_sentences_apart(tmp_path: Path) -> None:
    text = "# sent_id = s{}\n1\tA\t_\tO\n\n# sent_id = s7\n1\tB\t_\tB-X\n"
    for number, expected in ((1, ["en-test-s1", "en-test-s7"]), (7, ["en-test-0", "en-test-1"])):
        _, shards = plan_shards({"test": [write(tmp_path / f"a{number}", text.format(number))]})
        assert [row["id"] for row in rows(shards["test"])] == expected


def test_a_sentence_with_two_images_is_two_rows(tmp_path: Path) -> None:
    found = rows(plan({"train": [write(tmp_path / "a", "IMGID:a\nIMGID:b\nx\tO\n\nIMGID:c\ny\tO\n")]})["train"])
    assert [(row["tokens"], row["image_id"]) for row in found] == [(["x"], "a"), (["x"], "b"), (["y"], "c")]
    assert len({row["id"] for row in found}) == 3


NAMES = ["O", "B-PER", "I-PER", "B-LOC"]
WORDS = [["Hana", "Lind", "left"], ["Cork"]]


@pytest.mark.parametrize(
    ("tags", "feature", "options"),
    [
        ([[1, 2, 0], [3]], ClassLabel(names=NAMES), {}),
        ([[1, 2, 0], [3]], Value("int64"), {"labels": NAMES}),
        ([["B-PER", "E-PER", "O"], ["S-LOC"]], Value("string"), {}),
        ([["PER", "PER", "O"], ["LOC"]], Value("string"), {"labels": ["PER", "LOC"]}),
    ],
)
def test_rows_of_any_dataset(tags: list[Any], feature: Any, options: dict[str, Any]) -> None:
    kinds = {"words": Value("string"), "pos_tags": ClassLabel(names=["N"]), "tags": feature}
    features = Features({name: List(kind) for name, kind in kinds.items()})
    columns = {"words": WORDS, "pos_tags": [[0, 0, 0], [0]], "tags": tags}
    dataset = Dataset.from_dict(columns, features=features)
    found = convert_dataset(DatasetDict(train=dataset), "cs", **options)["train"]
    names = found.features["ner_tags"].feature.names
    assert [[names[tag] for tag in row["ner_tags"]] for row in found] == [["B-PER", "I-PER", "O"], ["B-LOC"]]
    assert found[0]["tokens"] == WORDS[0] and set(found["language"]) == {"cs"}


def test_images_of_a_dataset_stay_with_their_words() -> None:
    images = [Image.new("RGB", (size, 2)) for size in (3, 4, 5)]
    dataset = Dataset.from_dict({"tokens": [["a"], [], ["b"]], "ner_tags": [["O"], [], ["B-X"]], "image": images})
    assert [row["image"].width for row in convert_dataset(dataset)] == [3, 5]
    with pytest.raises(ValueError, match="rows:0: .* ids of 0 labels, found 1; pass labels="):
        convert_dataset(Dataset.from_dict({"tokens": [["a"]], "ner_tags": [[1]]}))


@pytest.mark.real
def test_sources_of_the_real_ids(shared_data: Path) -> None:
    files = {"train": [SentenceFile(str(shared_data / "mmnerd_en" / "train_conll_format.txt.gz"), "en")]}
    found = [row["source"] for row in rows(plan(files)["train"])]
    assert (found.count("cc12m"), found.count("twitter"), len(found)) == (17_578, 2_390, 19_968)
    assert source_of("17_06_4705x") is None
