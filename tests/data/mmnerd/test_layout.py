import os
from pathlib import Path

import pytest

from hf_mlm.data.mmnerd.layout import IMAGE_FOLDER, find_mmnerd


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def files(*languages: str) -> list[str]:
    return [
        f"train_valid_test_{language}/{split}_conll_format.txt"
        for language in languages
        for split in ("train", "valid", "test")
    ]


@pytest.mark.parametrize("above", [".", "train_valid_test", "MMNERD/train_valid_test"])
def test_the_authors_tree_in_the_folder_or_below_it(above: str, tmp_path: Path) -> None:
    touch(tmp_path / above, *files("en", "fr", "en_plus_fr", "all_lang"))
    layout = find_mmnerd(tmp_path, ["fr", "en"])
    assert list(layout.files) == ["fr", "en"] and layout.images is None
    assert layout.files["fr"] == {
        split: tmp_path / above / f"train_valid_test_fr/{word}_conll_format.txt"
        for split, word in (("train", "train"), ("validation", "valid"), ("test", "test"))
    }


def test_some_splits_are_enough_and_files_go_before_archives(tmp_path: Path) -> None:
    touch(tmp_path, "train_conll_format.txt.gz", "test_conll_format.txt", "test_conll_format.txt.gz", "dev.txt")
    found = find_mmnerd(tmp_path, ["es"]).files["es"]
    assert {split: path.name for split, path in found.items()} == {
        "train": "train_conll_format.txt.gz",
        "test": "test_conll_format.txt",
    }
    with pytest.raises(
        FileNotFoundError, match="holds no files of language 'es'. Expected: train_valid_test_es/ with"
    ):
        find_mmnerd(tmp_path, ["es", "de"])


def test_a_folder_of_one_language_is_not_taken_for_another(tmp_path: Path) -> None:
    folder = touch(tmp_path / "mmnerd_fr", "train_conll_format.txt")
    assert find_mmnerd(folder, ["fr"]).files["fr"]["train"] == folder / "train_conll_format.txt"
    with pytest.raises(FileNotFoundError, match="no files of language 'en'.* There is: mmnerd_fr."):
        find_mmnerd(folder, ["en"])


def test_two_folders_of_a_language_are_not_guessed_at(tmp_path: Path) -> None:
    touch(tmp_path, "a/en/train_conll_format.txt", "b/en/train_conll_format.txt")
    with pytest.raises(ValueError, match="language 'en' has several folders .*a/en, .*b/en.; give one of them"):
        find_mmnerd(tmp_path, ["en"])


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="data_dir 'nowhere' is not a folder"):
        find_mmnerd("nowhere", ["en"])
    with pytest.raises(FileNotFoundError, match="There is: no such folder."):
        find_mmnerd(tmp_path, ["en"])


def test_images_are_found_but_never_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "data/train_valid_test_en/test_conll_format.txt", f"{IMAGE_FOLDER}/17_06_1.jpg")
    touch(tmp_path, f"{IMAGE_FOLDER}/en/test_conll_format.txt")  # even if it looks like a language
    scandir, listed = os.scandir, []
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(Path(path)) or scandir(path))
    layout = find_mmnerd(tmp_path, ["en"])
    assert layout.images == tmp_path / IMAGE_FOLDER and layout.images not in listed
    assert layout.files["en"]["test"].parent.name == "train_valid_test_en"


def test_the_stamp_follows_files_and_images(tmp_path: Path) -> None:
    touch(tmp_path, "train_conll_format.txt", f"{IMAGE_FOLDER}/a.jpg", "notes.txt")
    first = find_mmnerd(tmp_path, ["en"]).stamp()
    touch(tmp_path, "notes.txt")
    assert find_mmnerd(tmp_path, ["en"]).stamp() == first
    os.utime(tmp_path / IMAGE_FOLDER, ns=(1, 1))
    second = find_mmnerd(tmp_path, ["en"]).stamp()
    os.utime(tmp_path / "train_conll_format.txt", ns=(1, 1))
    assert len({first, second, find_mmnerd(tmp_path, ["en"]).stamp()}) == 3
