from pathlib import Path

import pytest

from hf_mlm.data.formats.image_folder import ImageFolder


def test_images_are_named_after_their_ids(tmp_path: Path) -> None:
    for name in ("O_7.jpg", "12---a.b.jpeg", "12---c.png.jpg", ".hidden.jpg"):
        (tmp_path / name).write_bytes(b"x")
    folder = ImageFolder(tmp_path)
    ids = ("O_7", "12---a.b", "12---c.png", "O_7.jpg", "12---a", ".hidden", "../O_7", "", None)
    names = [path and path.name for path in map(folder.find, ids)]
    assert names == ["O_7.jpg", "12---a.b.jpeg", "12---c.png.jpg", "O_7.jpg", None, None, None, None, None]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="the folder of images '.*none' is not there; check image_dir"):
        ImageFolder(tmp_path / "none")
