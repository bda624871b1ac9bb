from __future__ import annotations

from pathlib import Path

import pytest

from hf_mlm.reproduce.experiments import CountSpec, GridSpec, IRLESpec, Spec, TaggerSpec
from hf_mlm.reproduce.files import missing_files, splits_in


def sentences(folder: Path, **splits: str) -> Path:
    """A folder as the authors of MMNERD have it: which splits there are of each language."""
    for language, words in splits.items():
        place = folder / f"train_valid_test_{language}"
        place.mkdir(parents=True)
        for word in words.split():
            (place / f"{word}_conll_format.txt").write_text("IMGID:O_1\nBonn\tB-LOC\n\n")
    return folder


def lacking(folder: Path, *specs: Spec) -> list[str]:
    return missing_files("2m-ner", specs, str(folder))


def test_a_split_that_is_not_there_is_named(tmp_path: Path) -> None:
    folder = sentences(tmp_path, en="train valid", de="train valid test")
    (sentence,) = lacking(folder, TaggerSpec("BERT", "en"), TaggerSpec("BERT", "de"))
    assert sentence == (
        f"en: {folder} has no split test, and the table needs train, validation, test: add the files, or train on "
        "what there is by hf-mlm train."
    )
    (sentence,) = lacking(folder, TaggerSpec("BERT", "en"), TaggerSpec("BERT", "en+de"))
    assert sentence.startswith("en, en+de: ")  # what is the same is said once


def test_a_search_needs_no_test_split_and_a_count_takes_what_there_is(tmp_path: Path) -> None:
    folder = sentences(tmp_path, en="train valid", de="train")
    assert lacking(folder, GridSpec("en"), CountSpec("2m-ner", "de")) == []
    assert "no split validation" in lacking(folder, GridSpec("de"))[0]
    assert len(lacking(folder, CountSpec("2m-ner", "en"), TaggerSpec("BERT", "en"))) == 1


def test_a_language_that_is_not_there_is_named(tmp_path: Path) -> None:
    folder = sentences(tmp_path, en="train valid test")
    (sentence,) = lacking(folder, CountSpec("2m-ner", "fr"))
    assert sentence.startswith("fr: ") and "holds no files of language 'fr'" in sentence


def test_feature_files_of_mlm_are_divided_and_raw_files_are_not(irle_folder: Path, tmp_path: Path) -> None:
    assert [sorted(found) for found in splits_in("mlm", "irle", str(irle_folder))] == [["test", "train", "validation"]]
    (tmp_path / "train.h5").symlink_to(next(irle_folder.rglob("*train*.h5")))
    (sentence,) = missing_files("mlm", [IRLESpec("irle")], str(tmp_path))
    assert "has no split validation and no split test" in sentence
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "MLM_1.json").write_text("[]")
    assert splits_in("mlm", "irle", str(tmp_path / "raw")) == []


@pytest.mark.parametrize("absent", ["", "test"])
def test_conversions_tell_their_splits(irle_folder: Path, tmp_path: Path, absent: str) -> None:
    from hf_mlm.data.convert import convert

    source = tmp_path / "source"
    source.mkdir()
    for path in irle_folder.rglob("*.h5"):
        if not (absent and absent in path.name):
            (source / path.name).symlink_to(path)
    convert(source, tmp_path / "parquet", "irle")
    found = missing_files("mlm", [IRLESpec("irle")], str(tmp_path / "parquet"))
    assert (len(found) == 1 and "no split test" in found[0]) if absent else found == []
