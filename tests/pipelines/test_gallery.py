from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mlm import Gallery, IRLEForRetrievalAndGeo
from hf_mlm.pipelines import gallery as module
from tests.models.irle.tiny import raw_config


def random_gallery(rows: int = 50, size: int = 4, seed: int = 0) -> Gallery:
    generator = torch.Generator().manual_seed(seed)
    embeds = {name: torch.randn(rows, size, generator=generator) for name in ("image", "text")}
    return Gallery(embeds, Dataset.from_dict({"entity_id": [f"Q{row}" for row in range(rows)]}), "someone")


@given(st.integers(1, 60), st.integers(1, 5), st.integers(1, 70), st.integers(1, 80), st.booleans())
@settings(max_examples=60)
def test_search_is_exact_whatever_the_block(rows: int, queries: int, top_k: int, block: int, rounded: bool) -> None:
    gallery = random_gallery(rows, seed=rows)
    wanted = torch.randn(queries, 4, generator=torch.Generator().manual_seed(block))
    if rounded:  # equal similarities, which are exact in any order of summation
        gallery = Gallery({"text": gallery.embeds["text"].round()}, gallery.entities, "")
        wanted = wanted.round()
    products = wanted.double().numpy() @ gallery.embeds["text"].double().numpy().T
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_SCORES", block)
        scores, found = gallery.search(wanted, "text", top_k)
    assert scores.shape == found.shape == (queries, min(top_k, rows))
    assert scores == pytest.approx(-np.sort(-products)[:, :top_k], abs=1e-5)
    assert scores == pytest.approx(np.take_along_axis(products, found, 1), abs=1e-5)
    for row_scores, row_found in zip(scores, found, strict=True):
        assert len(set(row_found.tolist())) == len(row_found)
        pairs = list(zip(-row_scores, row_found, strict=True))
        assert pairs == sorted(pairs)


def test_search_refuses_what_it_cannot_compare() -> None:
    gallery = random_gallery()
    with pytest.raises(ValueError, match=r"queries has shape \(1, 5\); it must be \(queries, 4\)"):
        gallery.search(torch.zeros(1, 5), "text")
    with pytest.raises(ValueError, match="no images, only texts: encode one with both"):
        Gallery({"text": gallery.embeds["text"]}, gallery.entities, "").search(torch.zeros(1, 4), "image")


def test_embeddings_and_entities_have_to_match() -> None:
    entities = Dataset.from_dict({"entity_id": ["Q1", "Q2"]})
    for embeds in ({}, {"text": torch.zeros(3, 4)}, {"text": torch.zeros(2, 4), "image": torch.zeros(2, 5)}):
        with pytest.raises(ValueError, match="a gallery of 2 entities needs an embedding for each, and has"):
            Gallery(embeds, entities, "")


def test_a_gallery_of_another_model_is_refused() -> None:
    gallery = random_gallery()
    with pytest.raises(ValueError, match="embeddings of 4 and the model of 6: load the model it is of, or encode it"):
        gallery.check_model(IRLEForRetrievalAndGeo(raw_config()))
    with pytest.raises(ValueError, match=r"is of another model \(someone, this one is [0-9a-f]{32}\): load the model"):
        gallery.check_model(IRLEForRetrievalAndGeo(raw_config(embedding_size=4)))


def test_an_index_needs_faiss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(ImportError, match=r"pip install 'hf-mlm\[index\]'"):
        random_gallery().add_faiss_index()


@pytest.mark.real
def test_a_flat_index_finds_what_exact_search_finds(tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    queries, exact, indexed = torch.randn(5, 4), random_gallery(), random_gallery()
    indexed.add_faiss_index()
    indexed.save(tmp_path)
    expected = exact.search(queries, "text", 7)
    for gallery in (indexed, Gallery.load(tmp_path)):
        assert set(gallery.entities.list_indexes()) == {"image", "text"}
        scores, rows = gallery.search(queries, "text", 7)
        assert (rows == expected[1]).all()
        assert scores == pytest.approx(expected[0], rel=1e-5)
    exact.save(tmp_path)
    assert Gallery.load(tmp_path).entities.list_indexes() == []


@pytest.mark.real
def test_an_approximate_index_may_find_fewer() -> None:
    pytest.importorskip("faiss")
    gallery, queries = random_gallery(rows=400), torch.randn(3, 4)
    gallery.add_faiss_index("IVF8,Flat")
    scores, rows = gallery.search(queries, "text", 300)
    assert (rows == -1).any(axis=1).all() and (rows[:, 0] >= 0).all()
    for query, row_scores, found in zip(queries, scores, rows, strict=True):
        kept = found >= 0
        assert row_scores[kept] == pytest.approx((gallery.embeds["text"][found[kept]] @ query).numpy(), rel=1e-4)
