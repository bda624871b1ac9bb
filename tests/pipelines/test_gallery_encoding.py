from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hf_mlm import DataCollatorForRetrievalAndGeo, Gallery, IRLEConfig, IRLEForRetrievalAndGeo, IRLEProcessor
from hf_mlm.pipelines.gallery_encoding import embed_rows, fingerprint
from tests.pipelines.tiny import rows


@pytest.fixture(scope="module")
def model_and_processor(irle: Path) -> tuple[Any, Any]:
    return IRLEForRetrievalAndGeo.from_pretrained(irle), IRLEProcessor.from_pretrained(irle)


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
