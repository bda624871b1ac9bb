import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hf_mlm.data.checks import MAX_PIXELS, ImageFolder, check_image, check_not_empty, check_position, check_unique


def noise(mode: str) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).convert(mode)


@pytest.mark.parametrize(
    "name, mode", [("a.jpg", "RGB"), ("a.jpeg", "CMYK"), ("a.png", "P"), ("a.png", "RGBA"), ("a.gif", "P")]
)
def test_whole_images_pass(name: str, mode: str, tmp_path: Path) -> None:
    noise(mode).save(tmp_path / name)
    check_image(tmp_path / name, "x")


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
@pytest.mark.parametrize("share", [0.1, 0.6, 0.95])
def test_truncated_images_are_refused(name: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / name
    noise("RGB").save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ValueError, match=rf"MLM_1.json, entity 4 \(Q5\): .*{name} is no readable image"):
        check_image(path, "MLM_1.json, entity 4 (Q5)")


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("<html>404</html>")
    with pytest.raises(ValueError, match="is no readable image"):
        check_image(path, "x")
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="is empty"):
        check_image(path, "x")
    with pytest.raises(FileNotFoundError, match="x names the image b.png, but there is no"):
        check_image(tmp_path / "b.png", "x")


@pytest.mark.parametrize("side", [8_000, 60_000])
def test_gigantic_images_are_refused_by_their_header(side: int, tmp_path: Path) -> None:
    """A PNG of a few bytes that claims a side of thousands: 64 megapixels, and beyond Pillow's own limit."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)))
    assert side * side > MAX_PIXELS
    with pytest.raises(ValueError, match="gigantic|64000000|8000 x 8000 pixels, more than"):
        check_image(path, "x")


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
