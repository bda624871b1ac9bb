from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hf_mlm.data.mlm.feature_source import FeatureSource, open_features
from hf_mlm.data.mlm.layout import find_layout
from hf_mlm.data.splits import hash_split


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
