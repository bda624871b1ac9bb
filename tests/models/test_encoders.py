from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import BertModel, CLIPConfig, CLIPModel, ModernBertConfig, PreTrainedConfig, XLMRobertaConfig

from hf_mlm.models.encoder_sizes import patch_count
from hf_mlm.models.encoders import build_encoder, drop_pooler, load_encoder
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
