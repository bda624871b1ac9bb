from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoModel, BertModel, CLIPConfig, CLIPModel, ResNetModel

from hf_mlm.models.irle.configuration_irle import IRLEConfig
from hf_mlm.models.irle.layers_irle import ClassBranch, GatedLinear, GeoHead, ImageBranch, SummaryBranch
from hf_mlm.models.irle.modeling_irle import IRLEForRetrievalAndGeo
from tests.models.common import assert_equal
from tests.models.irle.tiny import IMAGE_ENCODERS, TEXT_ENCODER, raw_batch, raw_config


def test_a_gated_linear_layer_is_an_lstm_of_one_step() -> None:
    torch.manual_seed(0)
    lstm, gated, features = nn.LSTM(7, 5, batch_first=True), GatedLinear(7, 5), torch.randn(3, 7)
    rows = torch.cat([torch.arange(5), torch.arange(10, 20)])  # torch's order is input, forget, candidate, output
    with torch.no_grad():
        gated.weight.copy_(lstm.weight_ih_l0[rows])
        gated.bias.copy_((lstm.bias_ih_l0 + lstm.bias_hh_l0)[rows])
    torch.testing.assert_close(gated(features), lstm(features[:, None])[0][:, 0])


@pytest.mark.parametrize(
    "branch", [ImageBranch(7, 5), SummaryBranch(7, 5), ClassBranch(7, 5, dropout=0.5)], ids=lambda b: type(b).__name__
)
def test_a_branch_gives_float32_vectors_of_unit_length(branch: nn.Module) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        vectors = branch.to(dtype)(torch.randn(4, 7))
        assert vectors.dtype == torch.float32
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4))
    branch.to(torch.float32)


def test_only_classes_and_the_geo_head_drop() -> None:
    torch.manual_seed(0)
    features = torch.randn(64, 7)
    random = {
        type(module).__name__: not torch.equal(module(features), module(features))
        for module in (ImageBranch(7, 5), SummaryBranch(7, 5), ClassBranch(7, 5, 0.5), GeoHead(7, 3, 0.5))
    }
    assert random == {"ImageBranch": False, "SummaryBranch": False, "ClassBranch": True, "GeoHead": True}


@pytest.mark.parametrize("branch", [ImageBranch(6, 4, True), SummaryBranch(6, 4, True), ClassBranch(6, 4, 0.0, True)])
def test_standardised_features_do_not_depend_on_their_units(branch: nn.Module) -> None:
    features = torch.rand(64, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        shifted = branch.train()(features * 50 + 1000)
        torch.testing.assert_close(shifted, branch(features), atol=1e-3, rtol=1e-3)


def test_standardising_is_that_of_the_batch_in_training_and_of_all_batches_afterwards() -> None:
    torch.manual_seed(0)
    branch, plain = ImageBranch(6, 4, True), ImageBranch(6, 4)
    plain.load_state_dict({k: v for k, v in branch.state_dict().items() if not k.startswith("standardize")})
    features = torch.rand(64, 6) * 3 + 7
    expected = plain((features - features.mean(0)) / (features.var(0, unbiased=False) + 1e-5).sqrt())
    torch.testing.assert_close(branch.train()(features), expected)
    for _ in range(200):
        branch(features)
    expected = plain((features - features.mean(0)) / (features.var(0) + 1e-5).sqrt())
    torch.testing.assert_close(branch.eval()(features[:1]), expected[:1], atol=1e-4, rtol=1e-4)


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
