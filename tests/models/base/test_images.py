from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hf_mlm.models.base.images import to_rgb


RED, GREEN = (250, 10, 20), (10, 240, 30)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def mean_colour(picture: Image.Image) -> list[float]:
    assert picture.mode == "RGB"
    return np.asarray(picture).mean(axis=(0, 1)).tolist()


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "P", "RGBA", "YCbCr", "LAB", "HSV"])
def test_every_mode_keeps_its_colour(mode: str) -> None:
    red = Image.new("RGB", (8, 6), RED)
    if mode == "LAB":
        picture, expected = Image.new("LAB", (8, 6), (255, 128, 128)), [255, 255, 255]  # white
    else:
        picture, expected = red.convert(mode), RED
    assert mean_colour(to_rgb(picture)) == pytest.approx(expected, abs=6)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I", "F", "I;16"])
def test_grey_becomes_grey(mode: str) -> None:
    if mode in ("I;16", "I"):
        picture = Image.fromarray(np.full((6, 8), 0x80FF, np.uint16)).convert(mode)
    else:
        picture = Image.new("L", (8, 6), 255 if mode == "1" else 128).convert(mode)
    assert mean_colour(to_rgb(picture)) == [255 if mode == "1" else 128] * 3


def test_transparency_lies_over_white() -> None:
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    half.paste((*RED, 255), (0, 0, 4, 2))
    pixels = np.asarray(to_rgb(half))
    assert pixels[0, 0].tolist() == list(RED) and pixels[3, 3].tolist() == [255, 255, 255]
    palette = encoded(half.convert("P"), "PNG", transparency=half.convert("P").getpixel((3, 3)))
    assert np.asarray(to_rgb(palette))[3, 3].tolist() == [255, 255, 255]


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in (RED, GREEN)]
    for kind in ("GIF", "WEBP"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        opened = Image.open(io.BytesIO(data))
        opened.seek(1)
        for form in (data, opened):
            assert mean_colour(to_rgb(form)) == pytest.approx(RED, abs=8)


def test_a_picture_taken_sideways_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    assert to_rgb(encoded(Image.new("RGB", (8, 6)), "JPEG", exif=exif)).size == (6, 8)


def test_every_form_is_taken(tmp_path: Path) -> None:
    picture = Image.new("RGB", (8, 6), RED)
    picture.save(tmp_path / "red.png")
    data = (tmp_path / "red.png").read_bytes()
    path = tmp_path / "red.png"
    forms = [picture, path, str(path), data, {"bytes": data, "path": None}, {"bytes": None, "path": str(path)}]
    for form in [*forms, np.asarray(picture)]:
        assert mean_colour(to_rgb(form)) == list(RED)


def test_a_broken_image_gets_a_sentence(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    broken = {kind: encoded(noise, kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")}
    for kind, data in broken.items():
        (tmp_path / kind).write_bytes(data[: len(data) // 2])
        with pytest.raises(ValueError, match=f"{kind} cannot be read as an image"):
            to_rgb(tmp_path / kind)
    for data in (b"", b"no image"):
        with pytest.raises(ValueError, match="photo 3 cannot be read as an image"):
            to_rgb(data, "photo 3")


def test_other_things_get_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match=r"no image at .*none\.png"):
        to_rgb(tmp_path / "none.png")
    for thing in (3, np.zeros((4, 4, 3)), np.zeros(4, np.uint8), {"path": None, "bytes": None}, None):
        with pytest.raises(ValueError, match="is no image"):
            to_rgb(thing)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ValueError, match="too large to open safely"):
        to_rgb(encoded(Image.new("RGB", (64, 64)), "PNG"))


@pytest.mark.parametrize("top", [1, 255, 65535])
def test_floating_point_is_scaled_by_its_range(top: int) -> None:
    ramp = np.linspace(0, top, 48, dtype=np.float32).reshape(6, 8)
    pixels = np.asarray(to_rgb(encoded(Image.fromarray(ramp), "TIFF")))[..., 0]
    assert np.abs(pixels - np.linspace(0, 255, 48).reshape(6, 8)).max() <= 1


def test_heic_is_opened_upright_where_its_package_is_installed() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    tall = Image.new("RGB", (40, 64), RED)
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 1
    pillow_heif.from_pillow(tall).save(stream, quality=90, exif=exif.tobytes())
    opened = to_rgb(stream.getvalue())
    assert opened.size == (40, 64) and mean_colour(opened) == pytest.approx(RED, abs=8)


def test_heic_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name not in ("HEIF", "AVIF")])
    with pytest.raises(ValueError, match=r"'hf-mlm\[heif\]'"):
        to_rgb(b"\0\0\0\x18ftypheic" + bytes(40))


def test_images_beyond_a_limit_are_refused_before_they_are_decoded() -> None:
    content = encoded(Image.new("1", (2000, 1000)), "PNG")
    assert to_rgb(content, max_pixels=2_000_000).size == (2000, 1000)
    with pytest.raises(ValueError, match="2,000 × 1,000 pixels"):
        to_rgb(content[:60], max_pixels=1_999_999)  # the header is enough
