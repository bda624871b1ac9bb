"""Vectors of images and texts against the recipes spelled out."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoModel, AutoTokenizer, RobertaConfig

from hf_mlm.construction.features.describers import TextDescriber, TextRecipe, model_revision, open_describer, squeeze
from hf_mlm.models.base.encoders import load_encoder
from tests.construction.features.tiny import save_image_encoder, save_places, save_text_encoder


def test_revisions(tmp_path: Path) -> None:
    assert model_revision("me/model", SimpleNamespace(_commit_hash="abc")) == "commit abc"
    assert model_revision("me/model", SimpleNamespace()) == "unknown"
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"weights")
    own = hashlib.sha256(b"weights").hexdigest()
    assert model_revision(weights, None) == f"sha256 {own}"
    listed = hashlib.sha256(f"model.safetensors:{own}\n".encode()).hexdigest()
    assert model_revision(tmp_path, None) == f"sha256 {listed}"
    (tmp_path / "notes.md").write_text("not what decides")
    assert model_revision(tmp_path, None) == f"sha256 {listed}"
    (tmp_path / "config.json").write_text("{}")
    assert model_revision(tmp_path, None) != f"sha256 {listed}"


def pictures(count: int) -> list[Image.Image]:
    generator = np.random.default_rng(0)
    sizes = generator.integers(20, 300, (count, 2))
    return [Image.fromarray(generator.integers(0, 256, (h, w, 3), np.uint8)) for h, w in sizes]


@pytest.mark.parametrize("zipped", [True, False])
def test_places365_checkpoint(tmp_path: Path, zipped: bool) -> None:
    network = save_places(tmp_path / "resnet50_places365.pth.tar", zipped)
    describer = open_describer(str(tmp_path / "resnet50_places365.pth.tar"))
    shown = pictures(3)
    with torch.no_grad():
        maps = network(torch.from_numpy(np.stack([squeeze(picture) for picture in shown])))
    np.testing.assert_allclose(describer(shown), maps.mean(dim=(2, 3)).numpy(), rtol=1e-4, atol=1e-5)
    assert describer.size == 256 and describer.record["revision"].startswith("sha256 ")
    assert json.loads(json.dumps(describer.record))["preprocessing"]["resize"] == [256, 256]


def test_squeeze() -> None:
    image = Image.new("RGB", (512, 300), (255, 0, 128))
    pixels = squeeze(image)
    expected = (np.array([1, 0, 128 / 255]) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert pixels.shape == (3, 224, 224) and pixels.dtype == np.float32
    np.testing.assert_allclose(pixels.mean(axis=(1, 2)), expected, rtol=1e-5)


def test_any_encoder_whatever_the_batch_size(tmp_path: Path) -> None:
    folder = str(save_image_encoder(tmp_path))
    describer, shown = open_describer(folder), pictures(5)
    together = describer(shown)
    alone = np.concatenate([describer([picture]) for picture in shown])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)  # sums of float32 in another order
    pixels = describer.processor(shown, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        expected = load_encoder(folder, "vision_config").eval()(pixels).pooler_output
    np.testing.assert_allclose(together, expected.numpy(), rtol=1e-5, atol=1e-6)
    assert describer.size == 8 and describer.record["encoder"] == folder and describer.record["preprocessing"]["size"]


def test_bad_checkpoints(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"state_dict": {"module.weight": torch.zeros(2)}}, tmp_path / "linear.pth")
    (tmp_path / "half.pth").write_bytes(b"PK\x03\x04half")
    with pytest.raises(ValueError, match="Expected a state dict in .*list.pth"):
        open_describer(str(tmp_path / "list.pth"))
    with pytest.raises(ValueError, match="Expected a ResNet .*linear.pth"):
        open_describer(str(tmp_path / "linear.pth"))
    with pytest.raises(ValueError, match="refused"):
        open_describer(str(tmp_path / "half.pth"))
    with pytest.raises(OSError, match="cannot be opened"):
        open_describer(str(tmp_path / "nowhere"))


SUMMARIES = ["parisian in france", "the river", "unbelievable , the river in paris . a b a b a b", "\u200b", "a"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_text_encoder(tmp_path_factory.mktemp("text")))


@cache
def opened(folder: str) -> tuple[Any, Any]:
    return AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()


def spelled_out(folder: str, segment: str, only_first: bool) -> np.ndarray:
    """Last four layers, the last one first, mean over the tokens of words."""
    tokenizer, model = opened(folder)
    ids = tokenizer(segment)["input_ids"]
    with torch.no_grad():
        hidden = model(torch.tensor([ids]), output_hidden_states=True).hidden_states
    vectors = torch.cat([hidden[4], hidden[3], hidden[2], hidden[1]], dim=-1)[0].numpy()
    pieces = tokenizer.convert_ids_to_tokens(ids)[1:-1]
    counted = [place for place, piece in enumerate(pieces, 1) if not (only_first and piece.startswith("##"))]
    return vectors[counted].mean(axis=0) if counted else np.zeros(32)


@pytest.mark.parametrize("tokens", ["all", "first"])
def test_the_papers_recipe(folder: str, tokens: str) -> None:
    recipe = TextRecipe(characters=20, tokens=tokens)
    describer = TextDescriber(folder, recipe)
    expected = [
        np.mean([spelled_out(folder, part, tokens == "first") for part in recipe.cut(text)], axis=0)
        for text in SUMMARIES
    ]
    for batch_size in (1, 3, 32):  # float32 sums in another order, and padding that attention weighs by zero
        np.testing.assert_allclose(describer(SUMMARIES, batch_size), expected, rtol=1e-5, atol=1e-5)
    assert describer.size == 32 and describer.record["preprocessing"]["characters"] == 20


def test_the_authors_read_the_first_characters_alone(folder: str) -> None:
    describer = TextDescriber(folder, TextRecipe(characters=9, segments="first", tokens="first"))
    np.testing.assert_array_equal(describer(["the river in paris"]), describer(["the river"]))
    whole = TextDescriber(folder, TextRecipe(characters=9))
    assert np.abs(whole(["the river in paris"]) - whole(["the river"])).max() > 1e-3


def test_a_modern_encoder(folder: str) -> None:
    assert TextDescriber(folder, TextRecipe(layers=1))(["paris"]).shape == (1, 8)


@given(st.text(alphabet="ab \n", max_size=80), st.integers(1, 30))
def test_segments_hold_the_whole_text(text: str, characters: int) -> None:
    parts = TextRecipe(characters=characters).cut(text)
    assert all(len(part) <= characters for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_text_mistakes(folder: str) -> None:
    with pytest.raises(ValueError, match="segments='last'"):
        TextRecipe(segments="last")
    with pytest.raises(ValueError, match="at least 1"):
        TextRecipe(layers=0)
    with pytest.raises(ValueError, match="the 4 layers of .*, found layers=5"):
        TextDescriber(folder, TextRecipe(layers=5))


def test_places_after_the_padding_are_counted(folder: str, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder, model_max_length=10**30)
    sizes = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 16}
    config = RobertaConfig(vocab_size=len(tokenizer), max_position_embeddings=34, pad_token_id=1, **sizes)
    AutoModel.from_config(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    describe = TextDescriber(str(tmp_path))
    assert describe.max_length == 32
    assert np.isfinite(describe(["a b " * 40])).all()
