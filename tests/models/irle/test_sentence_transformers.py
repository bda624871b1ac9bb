"""IR+LE as a model of sentence-transformers: the same embeddings, by their own encode, evaluators and search."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import hf_mlm  # noqa: F401, registers the model
from hf_mlm.runs.open_model import open_model


sentence_transformers = pytest.importorskip("sentence_transformers")

TEXTS = ["Wien at the river", "Lima by the sea, a port", "Perth"]
IMAGES = [Image.new("RGB", (20, 16), color) for color in ("red", "green", "blue")]


@pytest.fixture
def model(raw_model: Path) -> Any:
    return sentence_transformers.SentenceTransformer(str(raw_model), device="cpu")


def test_texts_are_embedded_as_by_the_model(model: Any, raw_model: Path) -> None:
    irle, processor = open_model(raw_model)
    expected = irle.encode_texts(**processor(text=TEXTS, classes=[""] * 3)).embeds
    np.testing.assert_allclose(model.encode(TEXTS), expected.detach().numpy(), atol=1e-6)


def test_images_are_embedded_as_by_the_model(model: Any, raw_model: Path) -> None:
    irle, processor = open_model(raw_model)
    expected = irle.encode_images(**processor(images=IMAGES)).embeds.detach().numpy()
    np.testing.assert_allclose(model.encode(IMAGES), expected, atol=1e-6)
    assert model.get_embedding_dimension() == expected.shape[1]


def test_both_together_point_between_the_two(model: Any) -> None:
    both = model.encode([{"image": image, "text": text} for image, text in zip(IMAGES, TEXTS, strict=True)])
    total = model.encode(IMAGES) + model.encode(TEXTS)
    np.testing.assert_allclose(both, total / np.linalg.norm(total, axis=1, keepdims=True), atol=1e-6)


def test_semantic_search_finds_what_dot_products_find(model: Any) -> None:
    queries, corpus = model.encode(IMAGES), model.encode(TEXTS)
    found = sentence_transformers.util.semantic_search(torch.tensor(queries), torch.tensor(corpus), top_k=1)
    assert [hits[0]["corpus_id"] for hits in found] == (queries @ corpus.T).argmax(1).tolist()


def test_the_folder_survives_saving_by_sentence_transformers(model: Any, tmp_path: Path) -> None:
    model.save_pretrained(str(tmp_path / "again"))
    again = sentence_transformers.SentenceTransformer(str(tmp_path / "again"), device="cpu")
    np.testing.assert_array_equal(again.encode(TEXTS), model.encode(TEXTS))


def test_no_torchvision_comes_with_it() -> None:
    assert importlib.util.find_spec("torchvision") is None
