from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    BertModel,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPVisionModel,
    ModernBertConfig,
    PreTrainedConfig,
    ResNetModel,
    XLMRobertaConfig,
)

from hf_mlm.models.base.configuration import patch_count
from hf_mlm.models.base.encoders import (
    Normalisation,
    build_encoder,
    drop_pooler,
    load_encoder,
    normalisation,
    rescaling,
)
from hf_mlm.models.two_mner.modeling_two_mner import TwoMNERForTokenClassification
from tests.models.base.test_encoders_torchvision import resnet
from tests.models.common import assert_equal
from tests.models.crf_tagger.tiny import TEXT_ENCODER
from tests.models.two_mner.tiny import RESNETS, VITS


SIZES = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 32}


@pytest.mark.parametrize(
    "config", [*VITS.values(), *RESNETS.values(), TEXT_ENCODER], ids=lambda config: config.model_type
)
def test_an_encoder_is_built_whatever_attention_is_asked_for(config: PreTrainedConfig) -> None:
    asked = type(config)(**config.to_dict(), attn_implementation="sdpa")
    encoder = build_encoder(asked)
    assert encoder.config._attn_implementation == ("sdpa" if encoder._supports_sdpa else "eager")
    assert build_encoder(asked, encoder) is encoder


@pytest.mark.parametrize("name", list(VITS))
def test_tokens_of_an_image_are_counted_as_they_come(name: str) -> None:
    hidden = build_encoder(VITS[name])(pixel_values=torch.zeros(1, 3, 32, 32)).last_hidden_state
    assert patch_count(VITS[name]) == hidden.shape[1]
    with pytest.raises(ValueError, match="ResNetConfig tells no image_size"):
        patch_count(RESNETS["resnet"])


@pytest.mark.parametrize(
    "config",
    [TEXT_ENCODER, XLMRobertaConfig(**SIZES), ModernBertConfig(**SIZES, pad_token_id=0)],
    ids=lambda c: c.model_type,
)
def test_without_its_pooler_an_encoder_gives_the_same_tokens(config: PreTrainedConfig) -> None:
    encoder, ids = build_encoder(config).eval(), torch.tensor([[5, 6, 7]])
    before = encoder(input_ids=ids).last_hidden_state
    assert not any("pooler" in name for name in drop_pooler(encoder).state_dict())
    assert_equal(encoder(input_ids=ids).last_hidden_state, before)


def test_an_encoder_that_is_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"'.*nowhere' cannot be opened .*: name the folder of a saved model"):
        load_encoder(tmp_path / "nowhere", "text_config")


def test_a_pair_gives_the_half_that_is_asked_for(tmp_path: Path) -> None:
    vision = VITS["clip"].to_dict()
    pair = CLIPModel(CLIPConfig(vision_config=vision, text_config=SIZES, projection_dim=4))
    pair.save_pretrained(tmp_path / "pair")
    for part, half in (("vision_config", pair.vision_model), ("text_config", pair.text_model)):
        loaded = load_encoder(tmp_path / "pair", part)
        assert sorted(v.sum().item() for v in loaded.state_dict().values()) == pytest.approx(
            sorted(v.sum().item() for v in half.state_dict().values())
        )
    text = BertModel(TEXT_ENCODER)
    text.save_pretrained(tmp_path / "text")
    assert_equal(load_encoder(tmp_path / "text", "text_config").state_dict(), text.state_dict())


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """Encoders, and image processors that normalise differently."""
    BertModel(TEXT_ENCODER).save_pretrained(tmp_path / "text")
    CLIPVisionModel(VITS["clip"]).save_pretrained(tmp_path / "vit")
    ResNetModel(RESNETS["resnet"]).save_pretrained(tmp_path / "resnet")
    sizes = {"size": {"height": 32, "width": 32}, "do_center_crop": False}
    CLIPImageProcessorPil(**sizes).save_pretrained(tmp_path / "vit")
    CLIPImageProcessorPil(**sizes, image_mean=[0.1, 0.2, 0.3], image_std=[0.5, 1, 2]).save_pretrained(
        tmp_path / "resnet"
    )
    return {name: tmp_path / name for name in ("text", "vit", "resnet")}


def test_the_resnet_sees_what_its_own_image_processor_makes(folders: dict[str, Path]) -> None:
    ner = TwoMNERForTokenClassification.from_encoders_pretrained(**folders, collaboration_heads=2).eval()
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8))
    given, wanted = (
        CLIPImageProcessorPil.from_pretrained(folders[name])(picture, return_tensors="pt")["pixel_values"]
        for name in ("vit", "resnet")
    )
    seen = ner.image_encoders["resnet"](given).vector
    own = ner.image_encoders["resnet"].model(wanted).pooler_output.flatten(1)
    torch.testing.assert_close(seen, own, rtol=1e-4, atol=1e-5)
    assert (ner.image_encoders["resnet"].model(given).pooler_output.flatten(1) - own).abs().max() > 1e-4


def test_torchvisions_file_serves_as_resnet(folders: dict[str, Path], tmp_path: Path) -> None:
    theirs = resnet([1, 1, 1, 1])
    torch.save(theirs.state_dict(), tmp_path / "resnet.pth")
    ner = TwoMNERForTokenClassification.from_encoders_pretrained(
        folders["text"], folders["vit"], tmp_path / "resnet.pth", collaboration_heads=2
    ).eval()
    pixels = torch.randn(1, 3, 32, 32)  # normalised as CLIP's
    clip = normalisation(folders["vit"])
    raw = pixels * torch.tensor(clip.std).view(3, 1, 1) + torch.tensor(clip.mean).view(3, 1, 1)
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).view(2, 3, 1, 1)
    expected = theirs((raw - mean) / std).mean(dim=(2, 3))
    torch.testing.assert_close(ner.image_encoders["resnet"](pixels).vector, expected, rtol=1e-4, atol=1e-4)


def test_encoders_that_tell_no_normalisation_share_their_images(folders: dict[str, Path]) -> None:
    (folders["resnet"] / "preprocessor_config.json").unlink()
    assert normalisation(folders["resnet"]) is None
    ner = TwoMNERForTokenClassification.from_encoders_pretrained(**folders, collaboration_heads=2)
    assert ner.config.rescaling is None


def test_one_normalisation_becomes_another() -> None:
    pixels = np.random.default_rng(0).random(5)
    found = rescaling(Normalisation((0.3,), (0.2,)), Normalisation((0.6,), (0.5,)))
    turned = (pixels - 0.3) / 0.2 * found["resnet_pixel_scale"][0] + found["resnet_pixel_shift"][0]
    np.testing.assert_allclose(turned, (pixels - 0.6) / 0.5)
