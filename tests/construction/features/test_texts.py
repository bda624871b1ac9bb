"""Text vectors: the paper's recipe, spelled out a segment at a time, against the batched one."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModel, AutoTokenizer, RobertaConfig

from hf_mlm.construction.features.texts import TextDescriber, TextRecipe
from tests.construction.features.tiny import save_text_encoder


TEXTS = ["parisian in france", "the river", "unbelievable , the river in paris . a b a b a b", "\u200b", "a"]


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
        np.mean([spelled_out(folder, part, tokens == "first") for part in recipe.cut(text)], axis=0) for text in TEXTS
    ]
    for batch_size in (1, 3, 32):  # float32 sums in another order, and padding that attention weighs by zero
        np.testing.assert_allclose(describer(TEXTS, batch_size), expected, rtol=1e-5, atol=1e-5)
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


def test_mistakes(folder: str) -> None:
    with pytest.raises(ValueError, match="segments='last'"):
        TextRecipe(segments="last")
    with pytest.raises(ValueError, match="at least 1"):
        TextRecipe(layers=0)
    with pytest.raises(ValueError, match="layers=5: .* has 4"):
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
