from __future__ import annotations

from typing import Any

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoModel, BertConfig, CLIPVisionConfig, Dinov2Config, ViTConfig

from hf_mlm.models.crf_tagger.configuration_crf_tagger import CRFTaggerConfig
from hf_mlm.models.crf_tagger.modeling_crf_tagger import CRFTaggerForTokenClassification
from hf_mlm.models.mkgformer.configuration_mkgformer import MKGFormerConfig
from hf_mlm.models.mkgformer.modeling_mkgformer import MKGFormerForTokenClassification
from tests.models.common import Batch, assert_equal
from tests.models.crf_tagger.tiny import TEXT_ENCODER
from tests.models.image_taggers import ImageTaggerTests, without
from tests.models.two_mner.tiny import pictures


TEXT = BertConfig(**{**TEXT_ENCODER.to_dict(), "num_hidden_layers": 3})
_SIZES = {"hidden_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 32, "patch_size": 16}
IMAGES = {
    "clip": CLIPVisionConfig(**_SIZES, intermediate_size=8),
    "vit": ViTConfig(**_SIZES, intermediate_size=8),
    "dinov2": Dinov2Config(**_SIZES, mlp_ratio=1),
}


def config(image: str = "clip", **settings: Any) -> MKGFormerConfig:
    encoders = {"text_encoder_config": TEXT.to_dict(), "image_encoder_config": IMAGES[image].to_dict()}
    return MKGFormerConfig(**{**encoders, "fusion_layers": 2, "dropout": 0.0, **settings})


class TestMKGFormer(ImageTaggerTests):
    """The common tests with an image's own patches."""

    model_class = MKGFormerForTokenClassification
    wrong_settings = [
        {"fusion_layers": 0},
        {"fusion_layers": 3},
        {"num_regions": 0},
        {"image_encoder_config": {"model_type": "resnet"}},
        {"text_encoder_config": {"model_type": "distilbert"}},
        {"text_encoder_config": {**TEXT.to_dict(), "num_hidden_layers": 2}},
        {"text_encoder_config": {**TEXT.to_dict(), "hidden_size": 16}},
    ]

    def config(self, **settings: Any) -> MKGFormerConfig:
        return config(**settings)

    def own_settings(self) -> dict[str, Any]:
        return {"fusion_layers": 2}


class TestRegions(TestMKGFormer):
    """The common tests with two regions an image, of which the first image lacks the second."""

    def config(self, **settings: Any) -> MKGFormerConfig:
        return config("vit", **{"num_regions": 2, **settings})

    def own_settings(self) -> dict[str, Any]:
        return {"fusion_layers": 2, "num_regions": 2}

    def images(self, count: int, seed: int = 0) -> Batch:
        mask = torch.ones(count, 2, dtype=torch.bool)
        mask[0, 1] = False
        return {"pixel_values": pictures(2 * count, seed).unflatten(0, (count, 2)), "region_mask": mask}

    test_two_processes_equal_one = None  # done above
    test_a_handful_of_sentences_is_learnt_by_heart = None


def model(**settings: Any) -> MKGFormerForTokenClassification:
    torch.manual_seed(0)
    return MKGFormerForTokenClassification(config(**settings)).eval()


def test_encoders_of_other_sizes_are_refused_in_one_sentence() -> None:
    sentence = "the text encoder has 2 layers of 8 and the image encoder 3 of 8; choose another one of the two."
    with pytest.raises(StrictDataclassError, match=sentence):
        config(text_encoder_config={**TEXT.to_dict(), "num_hidden_layers": 2})
    with pytest.raises(StrictDataclassError, match="and got bert and resnet"):
        config(image_encoder_config={"model_type": "resnet"})


@pytest.mark.parametrize("image", list(IMAGES))
def test_layers_below_the_fusion_are_the_encoders_own(image: str) -> None:
    """Where no word sees a patch, words are what the text encoder makes of them, whatever the layers."""
    tagger, inputs = model(image=image), without(TestMKGFormer().batch(), "image_mask", "labels")
    plain = tagger.head(tagger._read(inputs["input_ids"], inputs["attention_mask"], None).last_hidden_state)
    inside = inputs["attention_mask"].bool()
    assert (tagger(**inputs).logits - plain)[inside].abs().max() > 1e-6
    for layer in tagger.fusion:
        for parameter in layer.parameters():
            torch.nn.init.zeros_(parameter)
    torch.testing.assert_close(tagger(**inputs).logits[inside], plain[inside])


def test_patches_are_the_vision_encoders_own_until_the_fusion() -> None:
    tagger, pixels = model(), pictures(2)
    patches = tagger._patches(pixels, None, torch.tensor([1, 0]))
    vision = AutoModel.from_config(IMAGES["clip"]).eval()
    vision.load_state_dict(tagger.image_encoder.state_dict(), strict=False)
    expected = vision(pixel_values=pixels, output_hidden_states=True).hidden_states[1]
    torch.testing.assert_close(patches.states, expected.flip(0))
    assert patches.mask.all() and patches.present.all()


def test_patches_see_the_words_below() -> None:
    tagger, inputs = model(), without(TestMKGFormer().batch(), "image_mask", "labels")
    states = []
    layer = tagger.image_encoder.encoder.layers[2]
    layer.mlp.register_forward_hook(lambda module, args, output: states.append(output))
    tagger(**inputs)
    tagger(**inputs | {"input_ids": inputs["input_ids"].index_fill(1, torch.tensor([2]), 31)})
    assert (states[0] - states[1]).abs().max() > 1e-7


def test_crops_of_another_size_and_more_of_them() -> None:
    tagger, inputs = model(num_regions=3), without(TestMKGFormer().batch(), "labels")
    crops = torch.randn(4, 3, 3, 48, 32)
    assert torch.isfinite(tagger(**inputs | {"pixel_values": crops}).logits).all()
    with pytest.raises(ValueError, match="images have 3 regions and the model num_regions=1"):
        model()(**inputs | {"pixel_values": crops})


def test_the_text_only_form_is_a_text_encoder_with_a_crf() -> None:
    tagger = model(use_images=False)
    twin = CRFTaggerForTokenClassification(CRFTaggerConfig(text_encoder_config=TEXT.to_dict(), dropout=0.0)).eval()
    twin.load_state_dict(tagger.state_dict())
    inputs = TestMKGFormer().batch()
    assert_equal(tagger(**inputs), twin(**without(inputs, "pixel_values", "image_mask")))
