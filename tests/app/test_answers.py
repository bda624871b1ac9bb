from __future__ import annotations

import base64
import csv
import io
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from hf_mlm.app.answers import NOTHING, UNREAD, answer
from hf_mlm.app.opening import MOST_CHARACTERS, Desk, OpenModels, open_models, read_picture
from tests.pipelines.tiny import encoded, picture


@pytest.fixture(scope="module")
def models(irle: Path, tagger: Path) -> OpenModels:
    return open_models([str(irle), str(tagger)])


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    picture().save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def headings(markup: str) -> list[str]:
    return [heading.text or "" for heading in ElementTree.fromstring(markup).iter("h2")]


def test_an_image_gets_a_place_and_texts(models: OpenModels, photo: Path) -> None:
    assert models.locate is not None and models.retrieve is not None
    shown = answer(models, [photo])
    assert headings(shown) == ["Where", "Texts that go with the image"]
    expected = models.locate({"image": photo})
    assert f"within {expected['radius_km']:,.0f} km, judging by the image" in shown
    names = re.findall(r"<li><b dir=\"auto\">(.*?)</b>", shown)
    assert names == [entity["label"] for entity in models.retrieve({"image": photo}, top_k=6)]
    assert len(re.findall(r"class=\"bar\"", shown)) == 5
    if expected["settlement"]:  # of GeoNames, where the extra demo is installed
        assert f"Nearest settlement: {expected['settlement']['name']}" in unescape(shown)


def test_a_text_gets_its_entities_too_and_both_are_fused(models: OpenModels, photo: Path) -> None:
    text = "Paris, <b>in</b> France & the river"
    shown = answer(models, [], text, "city")
    assert headings(shown) == ["Where", "Named in the text", "Images that go with the text"]
    tree = ElementTree.fromstring(shown)
    (marked,) = (line for line in tree.iter("p") if line.get("class") == "text")
    for mark in marked.iter("mark"):
        mark.remove(mark[0])  # the type's name; its tail goes as well, and is empty
    assert "".join(marked.itertext()) == text
    assert "judging by the image and the text" in answer(models, [photo], text)


def test_what_is_missing_or_broken_is_a_sentence(models: OpenModels, tagger: Path, photo: Path) -> None:
    assert NOTHING in answer(models, [], " \n")
    broken = photo.with_name("t.jpg")
    broken.write_bytes(b"no image")
    shown = answer(models, [broken])
    assert 'role="alert"' in shown and "t.jpg cannot be read as an image" in shown
    assert str(photo.parent) not in shown
    assert UNREAD in answer(open_models([str(tagger)]), [photo])


def test_images_are_decoded_as_the_pipeline_decodes_them(models: OpenModels, tmp_path: Path) -> None:
    assert models.locate is not None
    grey = np.random.default_rng(0).integers(0, 256, (40, 50))
    Image.fromarray(grey.astype(np.uint8)).save(tmp_path / "gray8.png")
    Image.fromarray((grey * 257).astype(np.uint16)).save(tmp_path / "gray16.png")
    drawn = Image.new("RGBA", (50, 40), (0, 0, 0, 0))
    drawn.paste(picture().crop((0, 0, 25, 40)), (0, 0))
    drawn.save(tmp_path / "rgba.png")
    white = Image.new("RGB", drawn.size, "white")
    white.paste(drawn, mask=drawn)
    white.save(tmp_path / "on_white.png")
    for one, other in (("gray16.png", "gray8.png"), ("rgba.png", "on_white.png")):
        shown = [answer(models, [tmp_path / name]).replace(name, "") for name in (one, other)]
        assert shown[0] == shown[1]


@pytest.mark.parametrize(
    ("mode", "size", "bytes_", "message"),
    [("1", (8000, 7000), 0, "8,000 × 7,000 pixels"), ("L", (8, 8), 20_000_001, r"20\.0 MB, and at most 20")],
)
def test_limits_hold_before_anything_is_decoded(
    models: OpenModels, tmp_path: Path, mode: str, size: tuple[int, int], bytes_: int, message: str
) -> None:
    content = encoded(Image.new(mode, size))
    (tmp_path / "large.png").write_bytes(content[:200] if not bytes_ else content + bytes(bytes_ - len(content)))
    assert re.search(message, answer(models, [tmp_path / "large.png"]))
    assert "20,001 characters" in answer(models, [], "a" * (MOST_CHARACTERS + 1))


def test_several_images_give_a_map_and_tables_of_those_that_can_be_read(models: OpenModels, tmp_path: Path) -> None:
    assert models.locate is not None
    names = ["one.png", "<two>.tif", "broken.png"]
    for number, name in enumerate(names[:2]):
        picture(number).save(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"no image")
    shown = answer(models, [tmp_path / name for name in names])
    assert headings(shown) == ["2 of 3 images located"]
    tree = ElementTree.fromstring(shown)
    files = {link.get("download"): link.get("href", "") for link in tree.iter("a")}
    table, collection = (base64.b64decode(address.partition(",")[2]).decode() for address in files.values())
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["file"] for row in rows] == names
    assert "cannot be read as an image" in rows[2]["error"] and rows[2]["latitude"] == ""
    expected = models.locate({"image": tmp_path / "one.png"})
    assert float(rows[0]["latitude"]) == pytest.approx(expected["latitude"])
    features = json.loads(collection)["features"]
    assert [feature["properties"]["file"] for feature in features] == names[:2]
    assert features[0]["geometry"]["coordinates"] == pytest.approx([expected["longitude"], expected["latitude"]])


def test_a_question_that_waits_too_long_is_given_up(models: OpenModels) -> None:
    desk, asked = Desk(models, patience=0.2), []
    desk._worker.submit(time.sleep, 0.6)
    with pytest.raises(TimeoutError, match="ask again in a minute"):
        desk.ask(asked.append)
    time.sleep(0.6)
    assert asked == []  # and is not answered later, when nobody waits
    assert Desk(models).ask(lambda given: given is models)


@pytest.mark.heavy
def test_memory_is_back_at_its_level_after_a_burst(models: OpenModels) -> None:
    psutil = pytest.importorskip("psutil")
    desk, content = Desk(models), encoded(Image.new("RGB", (7000, 5000), "teal"), "JPEG")
    assert models.locate

    def ask() -> None:
        desk.ask(lambda opened: opened.locate({"image": read_picture(content, "image")}))

    def resident() -> int:
        desk._worker.submit(int).result()  # all that was asked before has gone
        return psutil.Process().memory_info().rss

    ask()
    before = resident()
    with ThreadPoolExecutor(8) as visitors:
        list(visitors.map(lambda _: ask(), range(8)))
    assert resident() - before < 100e6  # one of these pictures takes 140 MB
