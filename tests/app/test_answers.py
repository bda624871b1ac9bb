from __future__ import annotations

import io
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hf_mlm.app.answers import NOTHING, UNREAD, answer
from hf_mlm.app.opening import OpenModels, open_models
from tests.pipelines.tiny import picture


@pytest.fixture(scope="module")
def models(irle: Path, tagger: Path) -> OpenModels:
    return open_models([str(irle), str(tagger)])


def encoded() -> bytes:
    file = io.BytesIO()
    picture().save(file, "PNG")
    return file.getvalue()


def headings(markup: str) -> list[str]:
    return [heading.text or "" for heading in ElementTree.fromstring(markup).iter("h2")]


def test_an_image_gets_a_place_and_texts(models: OpenModels) -> None:
    assert models.locate is not None and models.retrieve is not None
    shown = answer(models, encoded())
    assert headings(shown) == ["Where", "Texts that go with the image"]
    expected = models.locate({"image": encoded()})
    assert f"within {expected['radius_km']:,.0f} km, judging by the image" in shown
    names = re.findall(r"<li><b dir=\"auto\">(.*?)</b>", shown)
    assert names == [entity["label"] for entity in models.retrieve({"image": encoded()}, top_k=6)]
    assert len(re.findall(r"class=\"bar\"", shown)) == 5


def test_a_text_gets_its_entities_too_and_both_are_fused(models: OpenModels) -> None:
    text = "Paris, <b>in</b> France & the river"
    shown = answer(models, None, text, "city")
    assert headings(shown) == ["Where", "Named in the text", "Images that go with the text"]
    tree = ElementTree.fromstring(shown)
    (marked,) = (line for line in tree.iter("p") if line.get("class") == "text")
    for mark in marked.iter("mark"):
        mark.remove(mark[0])  # the type's name; its tail goes as well, and is empty
    assert "".join(marked.itertext()) == text
    assert "judging by the image and the text" in answer(models, encoded(), text)


def test_what_is_missing_or_broken_is_a_sentence(models: OpenModels, tagger: Path) -> None:
    assert NOTHING in answer(models, None, " \n")
    broken = answer(models, b"no image")
    assert 'role="alert"' in broken and "cannot be read as an image" in broken
    assert UNREAD in answer(open_models([str(tagger)]), encoded())
