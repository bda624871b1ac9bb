"""Remembered features against those of a model without a memory."""

from __future__ import annotations

import torch

from hf_mlm.models.two_mner import TwoMNERForTokenClassification
from hf_mlm.training.frozen_features import RememberedFeatures, remember_features
from tests.models.two_mner.tiny import batch, config, pictures


def tagger(**settings: object) -> TwoMNERForTokenClassification:
    torch.manual_seed(0)
    return TwoMNERForTokenClassification(config(**settings)).train()


def test_features_equal_fresh_ones_and_each_image_is_looked_at_once() -> None:
    model, plain = tagger(freeze_resnet=True), tagger(freeze_resnet=True)
    remember_features(model)
    resnet, fresh = model.image_encoders["resnet"], plain.image_encoders["resnet"]
    looked = []
    resnet.model.register_forward_pre_hook(
        lambda module, args, kwargs: looked.append(len(kwargs["pixel_values"])), with_kwargs=True
    )
    pixels = pictures(4)
    for numbers in ([0, 1], [1, 2, 0], [3, 3], [2, 1]):
        for one, other in zip(resnet(pixels[numbers]), fresh(pixels[numbers]), strict=True):
            torch.testing.assert_close(one, other)
    assert looked == [2, 1, 1]


def test_what_is_trained_or_looks_at_the_batch_is_not_remembered() -> None:
    model = tagger(freeze_resnet=True, frozen_batch_norm="train")
    remember_features(model, memory=2**20)
    assert not isinstance(model.image_encoders["vit"].forward, RememberedFeatures)
    remembered = model.image_encoders["resnet"].forward
    remembered(pictures(2))
    assert not remembered.kept
    model.eval()
    remembered(pictures(2))
    assert len(remembered.kept) == 2


def test_a_model_that_is_cast_sees_its_images_anew() -> None:
    model, plain = tagger(freeze_resnet=True).eval(), tagger(freeze_resnet=True).eval()
    remember_features(model)
    inputs = batch()
    model(**inputs)
    found, fresh = (each.to(torch.bfloat16)(**inputs) for each in (model, plain))
    torch.testing.assert_close(found.logits, fresh.logits)


def test_without_room_every_image_is_looked_at_and_state_dicts_stay_the_same() -> None:
    model = tagger(freeze_resnet=True)
    names = set(model.state_dict())
    remember_features(model, memory=0)
    remembered = model.image_encoders["resnet"].forward
    remembered(pictures(2))
    assert not remembered.kept and set(model.state_dict()) == names
