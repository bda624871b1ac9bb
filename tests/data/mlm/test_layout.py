import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hf_mlm.data.mlm.layout import MANIFEST, FeatureSource, config_named, find_layout, open_features
from hf_mlm.data.splits import hash_split


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


def ids_of(source: FeatureSource) -> dict[str, list[str]]:
    return {
        split: [name for shard in shards for table in shard.tables() for name in table["entity_id"].to_pylist()]
        for split, shards in source.splits.items()
    }


def test_the_authors_splits_are_replayed_in_their_order(tmp_path: Path, make_entities: Any, write_final: Any) -> None:
    write_final(tmp_path / "test.h5", make_entities([5, 3]))
    write_final(tmp_path / "train.h5", make_entities([9, 8, 7, 1]))
    source = open_features(find_layout(tmp_path, "irle"))
    assert ids_of(source) == {"train": ["Q9", "Q8", "Q7", "Q1"], "test": ["Q5", "Q3"]}


def test_a_split_is_cut_into_shards(tmp_path: Path, make_entities: Any, write_final: Any) -> None:
    write_final(tmp_path / "train.h5", make_entities(range(10)))
    source = open_features(find_layout(tmp_path, "irle"), rows_per_shard=4)
    assert [len(shard) for shard in source.splits["train"]] == [4, 4, 2]
    assert ids_of(source)["train"] == [f"Q{number}" for number in range(10)]


def test_undivided_files_are_split_by_hash(tmp_path: Path, make_entities: Any, write_intermediate: Any) -> None:
    numbers = range(60)
    write_intermediate(tmp_path, make_entities(numbers))
    source = open_features(find_layout(tmp_path, "irle"), seed=3)
    assigned = hash_split(numbers, seed=3)
    assert ids_of(source) == {
        name: [f"Q{number}" for number in np.flatnonzero(assigned == split)]
        for split, name in enumerate(("train", "validation", "test"))
    }


def test_splits_without_rows_are_left_out(tmp_path: Path, make_entities: Any, write_final: Any) -> None:
    write_final(tmp_path / "train.h5", make_entities([1]))
    write_final(tmp_path / "val.h5", {})
    assert list(open_features(find_layout(tmp_path, "irle")).splits) == ["train"]


def test_numbered_cells_are_counted_over_all_splits(tmp_path: Path, make_entities: Any, write_final: Any) -> None:
    write_final(tmp_path / "train.h5", make_entities([1]), **{"1_onehot": np.int64(3)})
    write_final(tmp_path / "test.h5", make_entities([2]), **{"2_onehot": np.int64(8)})
    assert open_features(find_layout(tmp_path, "irle")).spec.num_cells == 9


def test_an_entity_in_two_splits_is_refused(tmp_path: Path, make_entities: Any, write_final: Any) -> None:
    write_final(tmp_path / "train.h5", make_entities([1, 2]))
    write_final(tmp_path / "test.h5", make_entities([3, 2]))
    with pytest.raises(ValueError, match="all splits together: entity 2 occurs more than once"):
        open_features(find_layout(tmp_path, "irle"))


def test_splits_of_other_widths_are_refused(tmp_path: Path, make_entities: Any, write_final: Any) -> None:
    write_final(tmp_path / "train.h5", make_entities([1]))
    write_final(tmp_path / "test.h5", make_entities([2], sizes=(6, 3)))
    with pytest.raises(ValueError, match="train.h5 and .*test.h5 do not belong together: image_size is 4 and 6"):
        open_features(find_layout(tmp_path, "irle"))


def test_files_without_entities_are_refused(tmp_path: Path, write_final: Any) -> None:
    write_final(tmp_path / "train.h5", {})
    with pytest.raises(ValueError, match="hold no entity at all"):
        open_features(find_layout(tmp_path, "irle"))


def test_raw_files_hold_no_features(tmp_path: Path) -> None:
    (tmp_path / "MLM_1.json").write_text("[]")
    with pytest.raises(ValueError, match="holds no features"):
        open_features(find_layout(tmp_path, "irle"))
