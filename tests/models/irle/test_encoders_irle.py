from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModel, BertModel, CLIPConfig, CLIPModel, ResNetModel

from hf_mlm.models.irle import IRLEConfig, IRLEForRetrievalAndGeo
from tests.models.common import assert_equal
from tests.models.irle.tiny import IMAGE_ENCODERS, TEXT_ENCODER, raw_batch, raw_config


def model(config: IRLEConfig) -> IRLEForRetrievalAndGeo:
    torch.manual_seed(0)
    return IRLEForRetrievalAndGeo(config)


@pytest.mark.parametrize("image", list(IMAGE_ENCODERS))
def test_any_vision_encoder_serves(image: str) -> None:
    irle = model(raw_config(image)).eval()
    pooled = irle.image_encoder(raw_batch()["pixel_values"])
    assert pooled.shape == (4, 8)
    assert torch.isfinite(irle(**raw_batch()).loss)


def test_padding_changes_nothing() -> None:
    irle, batch = model(raw_config()).eval(), raw_batch()
    shorter = {name: batch[name][3:, :4] for name in ("input_ids", "attention_mask")}
    classes = {name: batch[name][3:] for name in ("class_input_ids", "class_attention_mask")}
    alone = irle.encode_texts(**shorter, **classes)
    torch.testing.assert_close(alone.embeds, irle(**batch).text_embeds[3:], rtol=1e-5, atol=1e-5)


def test_frozen_encoders_stay_as_they_are() -> None:
    irle = model(raw_config(freeze_encoders=True)).train()
    before = {name: value.clone() for name, value in irle.image_encoder.state_dict().items()}
    irle(**raw_batch()).loss.backward()
    assert_equal(irle.image_encoder.state_dict(), before)  # running statistics of the batch norms included
    assert all(p.grad is None for p in irle.text_encoder.parameters())
    assert all(p.grad is not None for p in irle.image_branch.parameters())


def test_pretrained_encoders_keep_their_weights(tmp_path: Path) -> None:
    torch.manual_seed(1)
    image, text = ResNetModel(IMAGE_ENCODERS["resnet"]), BertModel(TEXT_ENCODER, add_pooling_layer=False)
    image.save_pretrained(tmp_path / "image")
    text.save_pretrained(tmp_path / "text")
    irle = IRLEForRetrievalAndGeo.from_encoders_pretrained(
        tmp_path / "image", tmp_path / "text", embedding_size=6, num_geo_cells=5, freeze_encoders=True
    )
    assert_equal(irle.image_encoder.model.state_dict(), image.state_dict())
    assert_equal(irle.text_encoder.model.state_dict(), text.state_dict())
    irle.save_pretrained(tmp_path / "irle")
    assert_equal(AutoModel.from_pretrained(tmp_path / "irle").state_dict(), irle.state_dict())


def test_half_of_a_pretrained_pair_serves_as_encoder(tmp_path: Path) -> None:
    vision = IMAGE_ENCODERS["clip"].to_dict()
    text = {
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 8,
        "vocab_size": 9,
    }
    pair = CLIPModel(CLIPConfig(vision_config=vision, text_config=text, projection_dim=4))
    pair.save_pretrained(tmp_path)
    irle = IRLEForRetrievalAndGeo.from_encoders_pretrained(tmp_path, embedding_size=6, num_geo_cells=5)
    theirs = pair.vision_model(pixel_values=raw_batch()["pixel_values"]).pooler_output
    torch.testing.assert_close(irle.eval().image_encoder(raw_batch()["pixel_values"]), theirs)
