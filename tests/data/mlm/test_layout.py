import os
from pathlib import Path

import pytest

from hf_mlm.data.mlm.layout import MANIFEST, config_named, find_layout


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


@pytest.mark.parametrize("validation", ["val.h5", "validation.hdf5", "MLM_irle_val.h5", "valid.h5", "val_pilot.h5"])
def test_splits_by_the_names_of_their_files(validation: str, tmp_path: Path) -> None:
    touch(tmp_path, "test.h5", validation, "train.h5", "images.h5")
    layout = find_layout(tmp_path, "irle")
    assert {split: files.images.name for split, files in layout.splits.items()} == {
        "train": "train.h5",
        "validation": validation,
        "test": "test.h5",
    }
    assert list(layout.splits) == ["train", "validation", "test"]


def test_some_splits_are_enough(tmp_path: Path) -> None:
    assert list(find_layout(touch(tmp_path, "test_pilot.h5"), "irle").splits) == ["test"]


def test_two_files_of_one_split_are_not_guessed_at(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two files for the split 'validation', val.h5 and val_pilot.h5"):
        find_layout(touch(tmp_path, "val.h5", "val_pilot.h5"), "irle")


@pytest.mark.parametrize(
    "names",
    [
        ("images/images.h5", "summaries/summaries_bert.h5", "classes/classes_bert.h5", "coordinates/coordinates.h5"),
        ("images.h5", "summaries_bert.h5", "classes_bert.h5", "coordinates.h5"),
    ],
)
def test_fields_in_files_of_their_own(names: tuple[str, ...], tmp_path: Path) -> None:
    files = find_layout(touch(tmp_path, *names), "irle").whole
    assert files is not None
    assert files.paths == [tmp_path / name for name in names]


def test_each_config_takes_its_own_cells(tmp_path: Path) -> None:
    touch(tmp_path, "images.h5", "summaries.h5", "coordinates.h5", "coordinates_eu.h5")
    cells = {config: find_layout(tmp_path, config).whole.cells.name for config in ("irle", "irle-gr")}  # type: ignore
    assert cells == {"irle": "coordinates.h5", "irle-gr": "coordinates_eu.h5"}


def test_raw_files_in_order_with_their_images(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        touch(tmp_path / "MLM_v1" / f"MLM_{number}", f"MLM_{number}.json", f"images_{number}/Q{number}_0.jpg")
    raw = find_layout(tmp_path, "mlm").raw
    assert [file.path.stem for file in raw] == ["MLM_1", "MLM_9", "MLM_10"]
    assert [file.images.name for file in raw] == ["images_1", "images_9", "images_10"]


def test_raw_sample_has_its_images_beside_it(tmp_path: Path) -> None:
    (file,) = find_layout(touch(tmp_path, "MLM_infer_samples demo.json", "Q1_0.jpg", "cities.json"), "mlm").raw
    assert file.images == tmp_path
    assert file.path.name == "MLM_infer_samples demo.json"


def test_conversions_come_first_then_features_then_raw(tmp_path: Path) -> None:
    touch(tmp_path, "MLM_1.json")
    assert find_layout(tmp_path, "irle").raw
    touch(tmp_path, "train.h5")
    assert find_layout(tmp_path, "irle").splits
    assert find_layout(tmp_path, "mlm").raw
    touch(tmp_path, MANIFEST)
    assert find_layout(tmp_path, "irle").parquet == tmp_path / MANIFEST


def test_a_folder_above_several_sets_is_resolved_by_name_or_not_at_all(tmp_path: Path) -> None:
    touch(tmp_path, "MLM_irle/train.h5", "MLM_irle_gr/train.h5")
    for config, folder in {"irle": "MLM_irle", "irle-gr": "MLM_irle_gr"}.items():
        assert find_layout(tmp_path, config).folder.name == folder
    touch(tmp_path / "other", "first/train.h5", "second/train.h5")
    with pytest.raises(ValueError, match="several data sets to choose from .*first, .*second"):
        find_layout(tmp_path / "other", "irle")


def test_nothing_is_searched_deeper_than_two_levels_or_among_images(tmp_path: Path) -> None:
    touch(tmp_path, "a/b/c/train.h5", "images_1/train.h5", ".cache/train.h5")
    with pytest.raises(FileNotFoundError, match=r"nothing that .* 'irle' reads. .* There is: \.cache, a, images_1"):
        find_layout(tmp_path, "irle")


def test_missing_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There is: nothing"):
        find_layout(tmp_path, "mlm")
    with pytest.raises(FileNotFoundError, match="data_dir 'nowhere' is not a folder"):
        find_layout("nowhere", "mlm")


def test_raw_config_points_at_the_others_for_features(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="'irle' and 'irle-gr' read features.* There is: train.h5"):
        find_layout(touch(tmp_path, "train.h5"), "mlm")


def test_stamp_tells_changes_of_main_files_only(tmp_path: Path) -> None:
    touch(tmp_path, "MLM_1.json", "Q1_0.jpg")
    stamp = find_layout(tmp_path, "mlm").stamp()
    touch(tmp_path, "Q1_0.jpg", "Q2_0.jpg")
    assert find_layout(tmp_path, "mlm").stamp() == stamp
    os.utime(tmp_path / "MLM_1.json", ns=(1, 1))
    assert find_layout(tmp_path, "mlm").stamp() != stamp


@pytest.mark.parametrize("name, config", [("MLM_v1_eu", "irle-gr"), ("mlm-irle-gr.zip", "irle-gr"), ("photos", None)])
def test_names_that_speak_of_a_config(name: str, config: str | None) -> None:
    assert config_named(name) == config
