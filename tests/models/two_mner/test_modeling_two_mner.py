from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForTokenClassification, BertModel, CLIPVisionModel, ResNetModel

from hf_mlm.models.two_mner.configuration_two_mner import TwoMNERConfig
from hf_mlm.models.two_mner.modeling_two_mner import TwoMNERForTokenClassification
from tests.models.common import Batch, ModelTests, assert_equal
from tests.models.crf_tagger.tiny import TEXT_ENCODER
from tests.models.two_mner.tiny import RESNETS, VITS, batch, config, pictures


class TestCommon(ModelTests):
    """The common model tests with all encoders trained, in convolutions without batch statistics."""

    model_class = TwoMNERForTokenClassification
    auto_class = AutoModelForTokenClassification
    wrong_settings = [
        {"image_branches": ("vit", "vit")},
        {"image_branches": ("audio",)},
        {"alpha": 1.5},
        {"temperature": 0},
        {"word_pooling": "max"},
        {"fusion_size": 0},
        {"resnet_pixel_scale": [1, 2]},
        {"collaboration_heads": 0},
        {"loss_scale": -1},
        {"num_labels": 3},
    ]
    distributed_settings = [{}, {"image_branches": ()}]

    def config(self, **settings: Any) -> TwoMNERConfig:
        return config(resnet="convnext", **{"freeze_resnet": False, **settings})

    def batch(self, rows: int = 4, seed: int = 0) -> Batch:
        return batch(rows, seed)

    test_gradient_accumulation_changes_nothing = None  # alignment compares with the rows of a smaller batch


class TestWithoutAlignment(TestCommon):
    """The common model tests without the loss over pairs of a batch."""

    def config(self, **settings: Any) -> TwoMNERConfig:
        return config("vit", **{"image_branches": ("vit",), "use_alignment": False, **settings})

    test_gradient_accumulation_changes_nothing = ModelTests.test_gradient_accumulation_changes_nothing
    test_two_processes_equal_one = None  # done above


def model(**settings: Any) -> TwoMNERForTokenClassification:
    torch.manual_seed(0)
    return TwoMNERForTokenClassification(config(**settings)).eval()


def without(inputs: Batch, *names: str) -> Batch:
    return {name: values for name, values in inputs.items() if name not in names}


@pytest.mark.parametrize("alignment", [True, False])
@pytest.mark.parametrize("collaboration", [True, False])
@pytest.mark.parametrize("branches", [("vit", "resnet"), ("resnet",), ("vit",), ()])
def test_any_branches_and_switches_train_what_they_build(
    branches: tuple[str, ...], collaboration: bool, alignment: bool
) -> None:
    settings = {"image_branches": branches, "use_collaboration": collaboration, "use_alignment": alignment}
    ner = model(**settings, freeze_resnet=False, resnet="convnext")
    outputs = ner(**batch())
    outputs.loss.backward()
    idle = [name for name, p in ner.named_parameters() if p.grad is None]
    assert all("image_encoders" in name for name in idle)  # what an encoder builds for its own pooling
    assert collaboration or alignment or not branches or idle
    aligned = outputs.alignment_losses
    assert (None if aligned is None else len(aligned)) == (len(branches) if alignment and branches else None)


@pytest.mark.parametrize("branches", [("vit",), ("resnet",), ("vit", "resnet"), ()])
def test_what_the_image_alone_tells_is_learnt_from_it_and_not_without(branches: tuple[str, ...]) -> None:
    """Eight times the same sentence, whose second word is a place where the image is bright and a group where not."""
    ner = model(image_branches=branches, freeze_resnet=False, resnet="convnext").train()
    bright = torch.arange(8) % 2 == 0
    inputs = {name: values[:1].repeat(8, 1) for name, values in batch().items() if values.dim() == 2}
    inputs["labels"] = torch.where(inputs["labels"] >= 0, 0, -100)
    inputs["labels"][:, 2] = torch.where(bright, 3, 5)
    inputs["pixel_values"] = 0.1 * pictures(8) + torch.where(bright, 1.0, -1.0).view(-1, 1, 1, 1)
    optimizer = torch.optim.Adam(ner.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        ner(**inputs).loss.backward()
        optimizer.step()
    right = (ner.eval()(**inputs).predictions == inputs["labels"])[:, 2].float().mean()
    assert right == (1.0 if branches else 0.5)


def test_the_loss_is_equation_18() -> None:
    outputs = model(alpha=0.7)(**batch())
    assert len(outputs.alignment_losses) == 2 and (outputs.alignment_losses > 0).all()
    expected = 0.7 * outputs.crf_loss + 0.3 * outputs.alignment_losses.sum()
    torch.testing.assert_close(outputs.loss, expected)


def test_the_text_only_twin_reads_no_images() -> None:
    twin = model(image_branches=())
    assert not any("image" in name for name in twin.state_dict())
    assert_equal(twin(**batch()), twin(**without(batch(), "pixel_values", "image_mask")))


def test_a_sentence_without_an_image_is_as_if_there_were_none_in_its_batch() -> None:
    ner, inputs = model(), without(batch(), "labels")
    alone = {name: values[1:2] for name, values in without(inputs, "pixel_values", "image_mask").items()}
    logits = ner(**inputs).logits
    torch.testing.assert_close(logits[1:2], ner(**alone).logits)
    others = ner(**inputs | {"pixel_values": pictures(4, seed=9)}).logits
    assert_equal(others[1], logits[1])
    assert (others[0] - logits[0]).abs().max() > 1e-5


def test_repeated_images_are_encoded_once_and_change_nothing() -> None:
    ner, inputs = model(), without(batch(), "image_mask", "labels")
    index = torch.tensor([1, -1, 0, 1])
    seen = []
    hook = ner.image_encoders["vit"].register_forward_pre_hook(lambda module, args: seen.append(len(args[0])))
    short = ner(**inputs | {"pixel_values": pictures(2), "image_index": index})
    hook.remove()
    repeated = inputs | {"pixel_values": pictures(2)[index.clamp(min=0)], "image_mask": index >= 0}
    torch.testing.assert_close(short.logits, ner(**repeated).logits)
    assert seen == [2]


def test_an_images_other_sentences_are_no_negatives() -> None:
    ner, inputs = model(), {**without(batch(), "image_mask"), "pixel_values": pictures(2)}
    losses = ner(**inputs, image_index=torch.tensor([0, 1, 0, -1])).alignment_losses
    pair = {name: values[:2] for name, values in inputs.items()}
    torch.testing.assert_close(losses, ner(**pair, image_index=torch.tensor([0, 1])).alignment_losses)


def test_a_batch_without_any_image_has_no_alignment_loss_and_trains_the_rest() -> None:
    ner = model().train()
    outputs = ner(**without(batch(), "pixel_values", "image_mask"))
    outputs.loss.backward()
    assert outputs.alignment_losses.tolist() == [0, 0] and torch.isfinite(outputs.loss)
    empty = ner(**batch() | {"pixel_values": pictures(0), "image_mask": torch.zeros(4, dtype=torch.bool)})
    torch.testing.assert_close(empty.loss, outputs.loss)
    hidden = ner(**batch() | {"image_mask": torch.zeros(4, dtype=torch.bool)})
    torch.testing.assert_close(hidden.loss, outputs.loss)


def test_predictions_stand_where_words_start_with_or_without_labels() -> None:
    ner, inputs = model(), batch()
    starts = inputs["labels"] != -100
    predictions = ner(**inputs).predictions
    assert predictions.dtype == torch.int64
    assert torch.equal(predictions >= 0, starts)
    assert_equal(ner(**without(inputs, "labels")).predictions, predictions)
    assert_equal(ner(**without(inputs, "word_ids")).predictions, predictions)
    by_token = ner(**without(inputs, "labels", "word_ids")).predictions  # every token a word
    assert torch.equal(by_token >= 0, inputs["attention_mask"].bool())
    assert ner.train()(**inputs).predictions is None


def test_labels_that_are_left_out_are_predicted_and_not_learnt() -> None:
    ner, inputs = model(), batch()
    ignored = inputs | {"labels": inputs["labels"].index_fill(1, torch.tensor([1]), -100)}
    assert_equal(ner(**ignored).predictions, ner(**inputs).predictions)
    assert ner(**ignored).crf_loss < ner(**inputs).crf_loss


def test_nothing_to_learn_and_nothing_to_read_is_no_nan() -> None:
    ner, inputs = model().train(), batch()
    nothing = inputs | {"labels": torch.full_like(inputs["labels"], -100)}
    outputs = ner(**nothing | {"word_ids": torch.full_like(inputs["word_ids"], -1)})
    outputs.loss.backward()
    assert outputs.crf_loss == 0
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in ner.parameters())


def test_frozen_encoders_stay_as_they_are_each_by_its_own_switch() -> None:
    ner = model(freeze_vit=True).train()
    before = {name: v.clone() for name, v in ner.image_encoders.state_dict().items()}
    ner(**batch()).loss.backward()
    assert_equal(ner.image_encoders.state_dict(), before)  # running statistics of the batch norms included
    assert all(p.grad is None for p in ner.image_encoders.parameters())
    assert all(p.grad is not None for p in ner.text_encoder.parameters())
    assert all(p.grad is None for p in model(freeze_text_encoder=True).text_encoder.parameters() if p.requires_grad)


def test_a_trained_resnet_follows_its_batches() -> None:
    ner = model(freeze_resnet=False).train()
    ner(**batch()).loss.backward()
    norms = [m for m in ner.image_encoders["resnet"].modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert all(norm.num_batches_tracked == 1 and norm.weight.grad is not None for norm in norms)


@pytest.mark.parametrize("vit", list(VITS))
@pytest.mark.parametrize("resnet", list(RESNETS))
def test_any_vision_encoders_serve(vit: str, resnet: str) -> None:
    outputs = model(vit=vit, resnet=resnet)(**batch())
    assert outputs.logits.shape == (4, 8, 9) and torch.isfinite(outputs.loss)


def test_pretrained_encoders_keep_their_weights_and_their_normalisation(tmp_path: Path) -> None:
    torch.manual_seed(1)
    encoders = {
        "text": BertModel(TEXT_ENCODER, add_pooling_layer=False),
        "vit": CLIPVisionModel(VITS["clip"]),
        "resnet": ResNetModel(RESNETS["resnet"]),
    }
    for name, encoder in encoders.items():
        encoder.save_pretrained(tmp_path / name)
    folders = {name: tmp_path / name for name in encoders}
    ner = TwoMNERForTokenClassification.from_encoders_pretrained(
        **folders, collaboration_heads=2, num_labels=3, constrained_decoding=False
    )
    assert ner.config.image_branches == ["vit", "resnet"] and ner.config.num_labels == 3
    assert_equal(ner.text_encoder.state_dict(), encoders["text"].state_dict())
    for name in ("vit", "resnet"):
        assert_equal(ner.image_encoders[name].model.state_dict(), encoders[name].state_dict())
    ner.save_pretrained(tmp_path / "ner")
    assert_equal(AutoModelForTokenClassification.from_pretrained(tmp_path / "ner").state_dict(), ner.state_dict())
    assert TwoMNERForTokenClassification.from_encoders_pretrained(
        folders["text"], resnet=folders["resnet"], collaboration_heads=2
    ).config.image_branches == ["resnet"]


@pytest.mark.parametrize(
    ("settings", "change", "sentence"),
    [
        ({}, {"pixel_values": pictures(3)}, "3 images for 4 sentences: pass image_index"),
        ({"word_pooling": "mean"}, {"word_ids": None}, "word_pooling='mean' needs word_ids"),
    ],
)
def test_a_wrong_input_gets_a_sentence(settings: dict[str, Any], change: Batch, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        model(**settings)(**{**batch(), **change})


def test_an_encoder_without_attention_does_not_mind_the_choice_of_it(tmp_path: Path) -> None:
    model().save_pretrained(tmp_path)
    ner = TwoMNERForTokenClassification.from_pretrained(tmp_path, attn_implementation="sdpa")
    assert ner.image_encoders["vit"].model.config._attn_implementation == "sdpa"
    ner.set_attn_implementation("eager")
    ner.set_attn_implementation("sdpa")
    assert ner.text_encoder.config._attn_implementation == "sdpa"


def test_words_added_to_the_vocabulary_are_saved(tmp_path: Path) -> None:
    ner = model()
    ner.resize_token_embeddings(40)
    ner.save_pretrained(tmp_path)
    loaded = TwoMNERForTokenClassification.from_pretrained(tmp_path)
    assert loaded.config.text_encoder_config.vocab_size == 40
    assert_equal(loaded.get_input_embeddings().weight, ner.get_input_embeddings().weight)


@pytest.mark.parametrize("repeated", [False, True])
def test_repeated_images_are_aligned_if_asked_for(repeated: bool) -> None:
    from hf_mlm.models.layers.contrastive import nt_xent
    from hf_mlm.models.two_mner.modeling_two_mner import Alignment, ImageFeatures

    torch.manual_seed(0)
    alignment = Alignment(4, {"vit": 3}, 0.5, repeated)
    sentences, vectors, index = torch.randn(5, 4), torch.randn(2, 3), torch.tensor([1, 0, -1, 1, 1])
    loss = alignment(sentences, {"vit": ImageFeatures(vectors[:, None], vectors)}, index)
    kept = [0, 1, 3, 4] if repeated else [0, 1]
    expected = nt_xent(alignment.text(sentences)[kept], alignment.images["vit"](vectors)[index[kept]], 0.5)
    torch.testing.assert_close(loss, expected[None])


def test_encoders_keep_their_first_layers() -> None:
    from transformers import BertConfig

    from hf_mlm.models.base.encoders import keep_layers

    torch.manual_seed(0)
    encoder = BertModel(
        BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=3, num_attention_heads=2, intermediate_size=8)
    ).eval()
    ids = torch.tensor([[2, 5, 6, 3]])
    second = encoder(ids, output_hidden_states=True).hidden_states[2]
    assert keep_layers(encoder, 2).config.num_hidden_layers == 2
    torch.testing.assert_close(encoder(ids).last_hidden_state, second)
    with pytest.raises(ValueError, match="Expected 1 to 2 layers .* found 3"):
        keep_layers(encoder, 3)
