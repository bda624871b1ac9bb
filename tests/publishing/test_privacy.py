from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from hf_mlm.publishing.privacy import public_settings, refuse_private_words, without_metadata


GPS, MAKE, SERIAL, ORIENTATION = 0x8825, 0x010F, 0xA431, 0x0112
SECRET = b"Eve's camera 12345"


def photograph(kind: str, mode: str = "RGB", turned: int = 6) -> tuple[Image.Image, bytes]:
    """A picture with the traces of a camera and an editor, and its file."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    picture = Image.fromarray(pixels).convert(mode)
    exif = Image.Exif()
    exif[MAKE], exif[ORIENTATION] = SECRET.decode(), turned
    exif.get_ifd(GPS)[1], exif.get_ifd(GPS)[2] = "N", (53.0, 33.0, 7.0)
    settings: dict[str, Any] = {"exif": exif}
    if kind == "PNG":
        settings["pnginfo"] = PngImagePlugin.PngInfo()
        settings["pnginfo"].add_text("Author", SECRET.decode())
    if kind in ("JPEG", "WEBP"):
        settings["xmp"] = b"<x:xmpmeta>" + SECRET + b"</x:xmpmeta>"
    if kind == "JPEG":
        settings["comment"] = SECRET
    stream = io.BytesIO()
    picture.save(stream, kind, **settings)
    content = stream.getvalue()
    return picture, content + SECRET if kind in ("JPEG", "PNG") else content


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("turned", [1, 6])
def test_traces_go_and_pixels_stay_and_stand_upright(kind: str, turned: int) -> None:
    _, content = photograph(kind, turned=turned)
    assert SECRET in content
    clean = without_metadata(content)
    assert SECRET not in clean
    before, after = (Image.open(io.BytesIO(file)) for file in (content, clean))
    assert np.array_equal(*(np.asarray(ImageOps.exif_transpose(picture)) for picture in (before, after)))
    assert set(after.getexif()) <= {ORIENTATION, *range(254, 340)}  # TIFF has tags of its pixels
    assert not after.getexif().get_ifd(GPS) and "xmp" not in after.info


@pytest.mark.parametrize("progressive", [False, True])
def test_coded_pixels_of_a_jpeg_are_kept_byte_for_byte(progressive: bool) -> None:
    picture, _ = photograph("JPEG")
    plain, traced = io.BytesIO(), io.BytesIO()
    picture.save(plain, "JPEG", progressive=progressive)
    picture.save(traced, "JPEG", progressive=progressive, comment=SECRET)
    assert without_metadata(traced.getvalue()) == plain.getvalue()


def test_pictures_behind_the_picture_go() -> None:
    one, two = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(one, "JPEG")
    Image.new("RGB", (8, 8), "blue").save(two, "JPEG", comment=SECRET)
    assert SECRET not in without_metadata(one.getvalue() + two.getvalue())


@pytest.mark.parametrize("mode", ["L", "CMYK", "1"])
def test_every_mode_keeps_its_pixels(mode: str) -> None:
    picture, content = photograph("TIFF", mode, turned=1)
    after = Image.open(io.BytesIO(without_metadata(content)))
    assert after.mode == mode and np.array_equal(np.asarray(after), np.asarray(picture))


def test_a_colour_profile_stays() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG", icc_profile=profile)
    assert Image.open(io.BytesIO(without_metadata(stream.getvalue()))).info["icc_profile"] == profile


@pytest.mark.parametrize("content", [b"no image", b"\xff\xd8\xff\xe1" + struct.pack(">H", 9)])
def test_what_is_no_image_is_named(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"photo\.jpg .*--keep_exif"):
        without_metadata(content, "photo.jpg")


def test_secrets_are_no_settings_for_others() -> None:
    secret = "hf_" + "a" * 34
    settings = {"seed": 1, "token": "abc", "dataset_options": {"api_key": "x", "note": secret, "max_tokens": 5}}
    assert public_settings(settings) == {"seed": 1, "dataset_options": {"max_tokens": 5}}


@pytest.mark.parametrize("column", [["hf_" + "a" * 34], [{"text": "hf_" + "a" * 34}], [[{"text": "hf_" + "a" * 34}]]])
def test_rows_with_a_token_are_refused_however_deep_it_lies(column: list[Any]) -> None:
    with pytest.raises(ValueError, match="a row of archive holds an access token"):
        refuse_private_words(pa.table({"summaries": column}), "archive")
