"""Galleries: embeddings of a dataset, the search among them, and files in which a changed bit is noticed."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mlm import DataCollatorForRetrievalAndGeo, Gallery, IRLEConfig, IRLEForRetrievalAndGeo, IRLEProcessor
from hf_mlm.files import locked
from hf_mlm.runs import gallery as module
from hf_mlm.runs.gallery import EMBEDS, ENTITIES, embed_rows, fingerprint, read_gallery, write_gallery
from tests.models.irle.tiny import raw_config
from tests.pipelines.tiny import rows, saved


SAVED = Path(__file__).parent.parent / "saved" / "72c1906"


def write(folder: Path, indexed: bool = False, dtype: torch.dtype = torch.float16) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    embeds = {kind: torch.nn.functional.normalize(torch.randn(40, 8)).to(dtype) for kind in ("image", "text")}
    entities = Dataset.from_dict({"entity_id": [f"Q{number}" for number in range(40)]})
    if indexed:
        pytest.importorskip("faiss")
        entities.add_faiss_index_from_external_arrays(embeds["image"].float().numpy(), "image")
    write_gallery(folder, embeds, entities, "someone")
    return embeds


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_gallery_comes_back(dtype: torch.dtype, tmp_path: Path) -> None:
    written = write(tmp_path, dtype=dtype)
    embeds, entities, fingerprint = read_gallery(tmp_path)
    assert all(torch.equal(embeds[kind], values) for kind, values in written.items())
    assert (entities["entity_id"][:], fingerprint) == ([f"Q{number}" for number in range(40)], "someone")
    assert sorted(os.listdir(tmp_path)) == [EMBEDS, ENTITIES]


@pytest.mark.parametrize("name", [EMBEDS, ENTITIES, "image.faiss"])
def test_a_changed_bit_is_noticed(name: str, tmp_path: Path) -> None:
    write(tmp_path, indexed=name.endswith("faiss"))
    path, generator = tmp_path / name, random.Random(1)
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little") if name == EMBEDS else 0  # the header has JSON's own checks
    for number in range(40):
        changed = bytearray(content)
        changed[generator.randrange(start, len(content))] ^= 1 << generator.randrange(8)
        path.write_bytes(changed)
        os.utime(path, ns=(number, number))
        with pytest.raises(ValueError, match=r"the gallery in .* is damaged .*: encode it again"):
            read_gallery(tmp_path)


def test_any_change_of_the_header_gives_a_sentence_or_the_same(tmp_path: Path) -> None:
    written = write(tmp_path)
    path, generator = tmp_path / EMBEDS, random.Random(2)
    content = path.read_bytes()
    for _ in range(300):
        changed = bytearray(content)
        changed[generator.randrange(8 + int.from_bytes(content[:8], "little"))] = generator.randrange(256)
        path.write_bytes(changed)
        try:
            embeds, _, _ = read_gallery(tmp_path)
        except ValueError as error:
            assert "is damaged" in str(error)
        else:
            assert all(torch.equal(embeds[kind], values) for kind, values in written.items())


def test_two_writers_are_refused(tmp_path: Path) -> None:
    with locked(tmp_path, "save"), pytest.raises(BlockingIOError, match="save the gallery alone in"):
        write(tmp_path)


def test_a_gallery_from_before_checksums_opens() -> None:
    folder: Any = SAVED / "gallery_faiss"
    if not folder.is_dir():
        pytest.skip("no saved gallery")
    pytest.importorskip("faiss")
    embeds, entities, _ = read_gallery(folder)
    assert len(entities) == len(next(iter(embeds.values()))) and entities.list_indexes()


def test_a_gallery_comes_back_and_stays_in_its_file(tmp_path: Path) -> None:
    gallery = random_gallery(rows=20_000, size=16)
    gallery.save(tmp_path / "new" / "gallery")
    assert sorted(file.name for file in (tmp_path / "new" / "gallery").iterdir()) == [
        "embeddings.safetensors",
        "entities.parquet",
    ]
    loaded = Gallery.load(str(tmp_path / "new" / "gallery"))
    assert loaded.fingerprint == "someone" and len(loaded) == 20_000 and loaded.embedding_size == 16
    assert loaded.entities[:] == gallery.entities[:]
    for name, values in gallery.embeds.items():
        assert torch.equal(loaded.embeds[name], values)
    maps = Path("/proc/self/maps")
    if maps.is_file():
        assert str(tmp_path / "new" / "gallery" / "embeddings.safetensors") in maps.read_text()


def test_an_interrupted_save_leaves_the_older_gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random_gallery(seed=1).save(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hf_mlm.runs.gallery.save_file", full)
    with pytest.raises(OSError, match="no room is left to write in .*and save the gallery again"):
        random_gallery(seed=2).save(tmp_path)
    assert torch.equal(Gallery.load(tmp_path).embeds["text"], random_gallery(seed=1).embeds["text"])
    assert len(list(tmp_path.iterdir())) == 2


def test_missing_damaged_and_mixed_files_get_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no gallery in .*: make one with Gallery\.encode"):
        Gallery.load(tmp_path)
    random_gallery(rows=3).save(tmp_path)
    random_gallery(rows=4).save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "entities.parquet", tmp_path)
    with pytest.raises(ValueError, match="do not belong together"):
        Gallery.load(tmp_path)
    for name in ("entities.parquet", "embeddings.safetensors"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:100])
        with pytest.raises(ValueError, match=r"the gallery in .* is damaged \(.*\): encode it again"):
            Gallery.load(tmp_path)


@pytest.fixture(scope="module")
def model_and_processor(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    folder = saved(tmp_path_factory.mktemp("models") / "irle")
    return IRLEForRetrievalAndGeo.from_pretrained(folder), IRLEProcessor.from_pretrained(folder)


def feature_model(**settings: Any) -> IRLEForRetrievalAndGeo:
    sizes = {"image_feature_size": 4, "summary_feature_size": 3, "class_feature_size": 2}
    return IRLEForRetrievalAndGeo(IRLEConfig(**{**sizes, "embedding_size": 5, "num_geo_cells": 3, **settings}))


def test_raw_rows_are_embedded_as_in_evaluation(model_and_processor: Any) -> None:
    model, processor = model_and_processor
    with torch.inference_mode():
        outputs = model(**DataCollatorForRetrievalAndGeo(processor)(list(rows())), return_loss=False)
    embeds = embed_rows(model, rows(), processor, batch_size=3)
    torch.testing.assert_close(embeds["image"], outputs.image_embeds)
    torch.testing.assert_close(embeds["text"], outputs.text_embeds)


def test_feature_rows_are_embedded_in_evaluation_mode(feature_rows: Callable[..., Any]) -> None:
    model, dataset = feature_model(dropout=0.5).train(), feature_rows(9)
    embeds = embed_rows(model, dataset, batch_size=4)
    assert model.training
    batch = DataCollatorForRetrievalAndGeo()(list(dataset))
    with torch.inference_mode():
        outputs = model.eval()(**batch, return_loss=False)
    torch.testing.assert_close(embeds["image"], outputs.image_embeds)
    torch.testing.assert_close(embeds["text"], outputs.text_embeds)


@pytest.mark.parametrize(("absent", "modality"), [("summaries", "image"), ("images", "text")])
def test_rows_of_one_modality_make_half_a_gallery(model_and_processor: Any, absent: str, modality: str) -> None:
    model, processor = model_and_processor
    whole = embed_rows(model, rows(), processor)
    half = embed_rows(model, rows().remove_columns([absent, "entity_id"]), processor, batch_size=5)
    assert list(half) == [modality]
    torch.testing.assert_close(half[modality], whole[modality])


def test_plain_columns_are_kept(model_and_processor: Any) -> None:
    model, processor = model_and_processor
    selected = rows().select([5, 1])
    gallery = Gallery.encode(model, selected, processor)
    assert gallery.entities.column_names == ["entity_id", "label", "latitude", "longitude", "country"]
    assert gallery.entities["entity_id"][:] == ["Q5", "Q1"]
    bare = Gallery.encode(model, rows().select_columns(["images"]), processor)
    assert bare.entities["row"][:] == list(range(len(bare)))


def test_the_fingerprint_names_weights_and_not_their_precision(model_and_processor: Any) -> None:
    model, _ = model_and_processor
    name = fingerprint(model)
    assert len(name) == 32 and fingerprint(IRLEForRetrievalAndGeo.from_pretrained(model.name_or_path)) == name
    assert fingerprint(IRLEForRetrievalAndGeo.from_pretrained(model.name_or_path, dtype="bfloat16")) == name
    other = IRLEForRetrievalAndGeo.from_pretrained(model.name_or_path)
    with torch.no_grad():
        other.image_branch.output.bias[0] += 0.01
    assert fingerprint(other) != name


def test_unfit_rows_and_models_get_a_sentence(model_and_processor: Any, feature_rows: Callable[..., Any]) -> None:
    model, processor = model_and_processor
    broken = feature_model()
    torch.nn.init.constant_(broken.image_branch.output.weight, float("nan"))
    cases = [
        (model, rows().select([]), "a datasets.Dataset with at least one row"),
        (model, list(rows()), "a datasets.Dataset with at least one row"),
        (
            model,
            rows().select_columns(["label"]),
            "needs rows of mlm, with images, summaries or features, and got label",
        ),
        (feature_model(tasks=["geo"]), feature_rows(3), "not trained for retrieval"),
        (model, feature_rows(3), "image_features has shape"),
        (feature_model(), rows(), "this model has no image_encoder_config"),
        (broken, feature_rows(3), "image embeddings are not finite"),
    ]
    for wrong_model, wrong_rows, sentence in cases:
        with pytest.raises(ValueError, match=sentence):
            embed_rows(wrong_model, wrong_rows, processor)
    with pytest.raises(ValueError, match="pass the model's processor as well"):
        embed_rows(model, rows())
    empty = rows().map(lambda row: {"images": []}).remove_columns("summaries")
    with pytest.raises(ValueError, match="Q0 has no images: filter it out"):
        embed_rows(model, empty, processor)


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
