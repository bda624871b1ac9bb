from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from hf_mlm.models.base.processing import TaggerProcessor
from hf_mlm.training.base.processors import learn_tokenizer
from hf_mlm.training.taggers.arguments import NERArguments
from hf_mlm.training.taggers.data import encode_sentences, load_sentences, load_splits
from hf_mlm.training.taggers.trainer import row_lengths
from tests.training.ner import SIZES, write_corpus


def load(folder: Path, **settings: Any) -> Any:
    return load_sentences(NERArguments(dataset="en", data_dir=str(folder), **settings))


def test_all_splits_are_loaded(tmp_path: Path) -> None:
    dataset = load(write_corpus(tmp_path / "data"))
    assert {split: len(rows) for split, rows in dataset.items()} == {
        "train": SIZES["train"],
        "validation": SIZES["valid"],
        "test": SIZES["test"],
    }


def test_languages_with_other_types_have_the_labels_of_all(tmp_path: Path) -> None:
    for language, tag in (("hi", "S-PER"), ("ta", "B-SHIP")):
        (tmp_path / language).write_text(f"a\t{tag}\nb\tO\n")
    dataset = load_splits(NERArguments(data_files={name: {"test": str(tmp_path / name)} for name in ("hi", "ta")}))
    assert dataset["test"].features["ner_tags"].feature.names == ["O", "B-PER", "I-PER", "B-SHIP", "I-SHIP"]
    assert dataset["test"]["ner_tags"][:] == [[1, 0], [3, 0]] and dataset["test"]["language"][:] == ["hi", "ta"]


def test_files_without_a_language_are_not_the_demo(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("Asgard\tB-SHIP\n")
    files = {"test": str(tmp_path / "a.conll")}
    for options, language in (({}, "und"), ({"language": "nb"}, "nb")):
        rows = load_splits(NERArguments(data_files=files, dataset_options=options))["test"]
        assert rows["tokens"][0] == ["Asgard"] and rows["language"][0] == language


def test_files_of_several_languages_are_split_alike(tmp_path: Path) -> None:
    path = str(write_corpus(tmp_path / "data") / "train_conll_format.txt")
    files = {"en": {"train": path}, "de": {"train": path}}
    dataset = load_sentences(NERArguments(data_files=files, split_ratios=[0.5, 0.25, 0.25]))
    for rows, share in zip(dataset.values(), (0.5, 0.25, 0.25), strict=True):
        languages = rows["language"][:]
        assert languages.count("en") == languages.count("de") == pytest.approx(share * 64, abs=1)
    images = [set(rows["image_id"][:]) for rows in dataset.values()]
    assert not (images[0] & images[1] or images[1] & images[2] or images[0] & images[2])


def test_files_without_validation_are_refused(tmp_path: Path) -> None:
    path = str(write_corpus(tmp_path / "data") / "train_conll_format.txt")
    with pytest.raises(ValueError, match="no split 'validation', only train: .* split_ratios"):
        load_sentences(NERArguments(dataset="en", data_files={"train": path}))
    with pytest.raises(ValueError, match="divides a dataset that has train alone"):
        load(tmp_path / "data", split_ratios=[0.8, 0.1, 0.1])


def test_thinning_keeps_order_and_so_many_of_each_language(tmp_path: Path) -> None:
    folder = write_corpus(tmp_path / "data")
    whole, thinned = load(folder), load(folder, max_train_sentences=20, max_eval_sentences=5)
    assert [len(rows) for rows in thinned.values()] == [20, 5, 5]
    places = [whole["train"]["id"][:].index(name) for name in thinned["train"]["id"][:]]
    assert places == sorted(set(places))
    assert thinned["train"]["id"][:] == load(folder, max_train_sentences=20)["train"]["id"][:]


def test_folds_leave_each_sentence_out_once(tmp_path: Path) -> None:
    folder = write_corpus(tmp_path / "data")
    kept = [load(folder, fold=fold, folds=3)["train"]["id"][:] for fold in range(3)]
    counts = np.unique([name for names in kept for name in names], return_counts=True)[1]
    assert len(counts) == SIZES["train"] and set(counts) == {2}


def test_exchanged_images(tmp_path: Path) -> None:
    folder = write_corpus(tmp_path / "data", images=True)
    own = load(folder)["train"]
    shuffled = load(folder, images="shuffled")["train"]
    assert shuffled["tokens"][:] == own["tokens"][:]
    assert sorted(shuffled["image_id"][:]) == sorted(own["image_id"][:])
    moved = [one != other for one, other in zip(shuffled["image_id"][:], own["image_id"][:], strict=True)]
    assert sum(moved) > 50
    colour = {name: image.getpixel((4, 4)) for name, image in zip(own["image_id"][:], own["image"][:], strict=True)}
    for name, image in zip(shuffled["image_id"][:], shuffled["image"][:], strict=True):
        assert image.getpixel((4, 4)) == colour[name]  # the id goes with its image
    blank = load(folder, images="blank")["train"]
    assert set(blank["image_id"][:]) == {"blank"}
    assert {image.getpixel((0, 0)) for image in blank["image"][:]} == {(128, 128, 128)}
    assert "image" not in load(folder, images="none")["train"].column_names


def test_encoded_rows_stand_longest_first_with_their_columns(tmp_path: Path) -> None:
    rows = load(write_corpus(tmp_path / "data"))["validation"]
    processor = TaggerProcessor(learn_tokenizer([" ".join(words) for words in rows["tokens"]], 100, lowercase=False))
    encoded = encode_sentences(rows, processor, ordered=True)
    lengths = row_lengths(encoded)
    assert lengths == sorted(map(len, encoded["input_ids"][:]), reverse=True)
    assert "image" not in encoded.column_names  # the processor takes none
    where = {name: place for place, name in enumerate(rows["id"][:])}
    for name, labels in zip(encoded["id"][:], encoded["labels"][:], strict=True):
        assert [label for label in labels if label != -100] == rows[where[name]]["ner_tags"]


def test_lengths_are_those_of_a_selection() -> None:
    rows = Dataset.from_dict({"input_ids": [[1], [1, 2, 3], [], [1, 2]]}).select([3, 1])
    assert row_lengths(rows) == [2, 3]
