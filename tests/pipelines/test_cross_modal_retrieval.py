from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
from datasets import DatasetDict
from transformers import pipeline

from hf_mlm import Gallery
from tests.pipelines.tiny import NAMES, picture, rows, saved


@pytest.fixture(scope="module")
def pipe(irle: Path) -> Any:
    return pipeline("cross-modal-retrieval", model=str(irle))


def expected_rows(pipe: Any, modality: str, embeds: torch.Tensor) -> tuple[list[int], list[float]]:
    """All rows of the gallery by cosine with the only row of ``embeds``, one by one."""
    others = pipe.gallery.embeds[modality]
    scores = [torch.nn.functional.cosine_similarity(embeds, other.unsqueeze(0)).item() for other in others]
    order = sorted(range(len(scores)), key=lambda row: -scores[row])
    return order, [scores[row] for row in order]


def test_neighbours_are_those_of_the_other_modality(pipe: Any) -> None:
    with torch.inference_mode():
        image = pipe.model.encode_images(**pipe.processor(images=[picture(3)])).embeds
        text = pipe.model.encode_texts(**pipe.processor(text=["a city in france"], classes=[""])).embeds
    for query, embeds, modality in ((picture(3), image, "text"), ("a city in france", text, "image")):
        order, scores = expected_rows(pipe, modality, embeds)
        found = pipe(query, top_k=4)
        assert [entity["row"] for entity in found] == order[:4]
        assert [entity["score"] for entity in found] == pytest.approx(scores[:4], abs=1e-5)
        assert {entity["modality"] for entity in found} == {modality}
        for entity in found:
            known = rows()[entity["row"]]
            for name in ("entity_id", "label", "latitude", "longitude", "country"):
                assert entity[name] == known[name]
        assert json.loads(json.dumps(found)) == found


def test_top_k_is_a_setting_and_never_more_than_there_is(pipe: Any, irle: Path) -> None:
    assert len(pipe("a city")) == len(pipe("a city", top_k=99)) == len(NAMES)
    assert len(pipeline("cross-modal-retrieval", model=str(irle), top_k=2)("a city")) == 2


def test_a_gallery_comes_as_object_folder_dataset_or_with_the_model(pipe: Any, irle: Path, tmp_path: Path) -> None:
    pipe.gallery.save(tmp_path / "elsewhere")
    expected = pipe("a river")
    for gallery in (pipe.gallery, tmp_path / "elsewhere", str(tmp_path / "elsewhere"), rows()):
        found = pipeline("cross-modal-retrieval", model=str(irle), gallery=gallery)("a river")
        assert [entity["row"] for entity in found] == [entity["row"] for entity in expected]
    for name in ("model.safetensors", "config.json"):
        assert (irle / name).is_file()  # the gallery's files do not disturb the model's


def test_model_and_gallery_come_from_the_hub(pipe: Any, irle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a download leaves in the cache, found offline by the model's id."""
    commit, cache = "0" * 40, Path(huggingface_hub.constants.HF_HUB_CACHE) / "models--me--irle"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text(commit)
    shutil.copytree(irle, cache / "snapshots" / commit)
    found = pipeline("cross-modal-retrieval", model="me/irle")("a river")
    assert found == pipe("a river")
    assert pipeline("geo-estimation", model="me/irle")("a river")["modalities"] == ["text"]


def test_missing_and_foreign_galleries_get_a_sentence(irle: Path, pipe: Any, tmp_path: Path) -> None:
    other = saved(tmp_path / "other", seed=1)
    with pytest.raises(FileNotFoundError, match=r"there is no gallery in .*other.*: make one with Gallery\.encode"):
        pipeline("cross-modal-retrieval", model=str(other))
    with pytest.raises(ValueError, match="the gallery is of another model"):
        pipeline("cross-modal-retrieval", model=str(other), gallery=irle / "gallery")
    wide = saved(tmp_path / "wide", embedding_size=7)
    with pytest.raises(ValueError, match="the gallery has embeddings of 6 and the model of 7"):
        pipeline("cross-modal-retrieval", model=str(wide), gallery=pipe.gallery)
    with pytest.raises(ValueError, match="^gallery is a DatasetDict; pass a Gallery, .* one split of a dataset"):
        pipeline("cross-modal-retrieval", model=str(irle), gallery=DatasetDict(test=rows()))
    pipe.model.name_or_path, name = "", pipe.model.name_or_path
    with pytest.raises(ValueError, match="needs a gallery: pass gallery="):
        pipeline("cross-modal-retrieval", model=pipe.model, processor=pipe.processor)
    pipe.model.name_or_path = name


def test_queries_have_one_modality_and_the_gallery_the_other(pipe: Any) -> None:
    with pytest.raises(ValueError, match="this query has both: ask twice"):
        pipe({"image": picture(), "text": "a city"})
    texts = Gallery({"text": pipe.gallery.embeds["text"]}, pipe.gallery.entities, pipe.gallery.fingerprint)
    half = pipeline("cross-modal-retrieval", model=pipe.model, processor=pipe.processor, gallery=texts)
    assert half(picture()) == pipe(picture())
    with pytest.raises(ValueError, match="has no images, only texts"):
        half("a city")


@pytest.mark.real
def test_an_index_gives_the_same_answers(pipe: Any) -> None:
    pytest.importorskip("faiss")
    gallery = Gallery.encode(pipe.model, rows(), pipe.processor)
    gallery.add_faiss_index()
    indexed = pipeline("cross-modal-retrieval", model=pipe.model, processor=pipe.processor, gallery=gallery)
    found, expected = indexed(picture(5), top_k=3), pipe(picture(5), top_k=3)
    assert [entity["entity_id"] for entity in found] == [entity["entity_id"] for entity in expected]
