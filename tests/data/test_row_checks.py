from pathlib import Path

import pytest

from hf_mlm.data.row_checks import check_not_empty, check_position, check_unique


@pytest.mark.parametrize("point", [(90, 180), (-90, -180), (0, 0)])
def test_edges_of_the_earth_are_on_it(point: tuple[float, float]) -> None:
    check_position(*point, "here")


@pytest.mark.parametrize("point", [(90.1, 0), (0, -180.1), (float("nan"), 0), (0, float("inf"))])
def test_points_off_the_earth_are_refused(point: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"file\.json, entity 3: latitude .* is not on the earth"):
        check_position(*point, "file.json, entity 3")


def test_a_file_of_no_bytes_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "train.h5"
    empty.touch()
    with pytest.raises(ValueError, match="train.h5 is empty"):
        check_not_empty(empty)
    for path in (tmp_path, tmp_path / "nothing.h5"):
        with pytest.raises(FileNotFoundError, match="is not a file"):
            check_not_empty(path)


def test_the_first_value_that_comes_twice_is_named() -> None:
    assert check_unique(iter([3, 1, 2]), "x") == [3, 1, 2]
    with pytest.raises(ValueError, match="train.h5: entity 1 occurs more than once"):
        check_unique([3, 1, 2, 1, 3], "train.h5")
