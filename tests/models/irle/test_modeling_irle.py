from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from hf_mlm.benchmarks.irle import PublishedIRLE, published_loss
from hf_mlm.models.irle.configuration_irle import IRLEConfig
from hf_mlm.models.irle.modeling_irle import IRLEForRetrievalAndGeo
from tests.models.common import ModelTests, assert_close, assert_equal
from tests.models.irle.tiny import feature_batch, feature_config, raw_batch, raw_config


class TestCommon(ModelTests):
    """The common model tests on pixels and token ids."""

    model_class = IRLEForRetrievalAndGeo
    wrong_settings = [
        {"margin": "wide"},
        {"retrieval_loss": "bpr"},
        {"tasks": ("geo", "geo")},
        {"tasks": ()},
        {"dropout": 1.0},
        {"num_geo_cells": 4},
        {"cell_tokens": ["47b", "479"]},
        {"loss_weights": [1.0]},
        {"embedding_size": 0},
    ]
    distributed_settings = [{}, {"retrieval_loss": "info_nce"}, {"retrieval_loss": "siglip"}]

    def config(self, **settings: Any) -> IRLEConfig:
        return raw_config("vit", **settings)

    def batch(self, rows: int = 4, seed: int = 0) -> dict[str, torch.Tensor]:
        return raw_batch(rows, seed)

    def target_names(self, batch: dict[str, torch.Tensor]) -> list[str]:
        return ["image_cells", "text_cells", "pair_targets"]

    def distributed_batch(self, settings: dict[str, Any]) -> dict[str, torch.Tensor]:
        return without(self.batch(8), *(["pair_targets"] if settings else []))


class TestFeatures(TestCommon):
    """The common model tests on precomputed features, where nothing attends and nothing can be checkpointed."""

    def config(self, **settings: Any) -> IRLEConfig:
        return feature_config(**settings)

    def batch(self, rows: int = 4, seed: int = 0) -> dict[str, torch.Tensor]:
        return feature_batch(rows, seed)

    test_attention_implementations_agree = None
    test_gradient_checkpointing_changes_nothing = None
    test_two_processes_equal_one = None  # as above, and every start of processes takes long


TASKS = [("retrieval", "geo"), ("geo",), ("retrieval",)]


def model(config: IRLEConfig) -> IRLEForRetrievalAndGeo:
    torch.manual_seed(0)
    return IRLEForRetrievalAndGeo(config)


def without(batch: dict[str, torch.Tensor], *names: str) -> dict[str, torch.Tensor]:
    return {name: values for name, values in batch.items() if name not in names}


@pytest.mark.parametrize("loss", ["cosine_embedding", "info_nce", "siglip"])
@pytest.mark.parametrize("tasks", TASKS)
def test_every_task_and_loss_trains_what_it_builds(tasks: tuple[str, ...], loss: str) -> None:
    irle = model(feature_config(tasks=tasks, retrieval_loss=loss))
    outputs = irle(**without(feature_batch(), "pair_targets"))
    outputs.loss.backward()
    assert [name for name, p in irle.named_parameters() if p.grad is None] == []
    assert (outputs.retrieval_loss is not None, outputs.image_embeds is not None) == ("retrieval" in tasks,) * 2
    assert (outputs.geo_loss is not None, outputs.text_geo_logits is not None) == ("geo" in tasks,) * 2


def test_embeddings_have_unit_length_and_only_reference_texts_do_not() -> None:
    outputs = model(feature_config())(**feature_batch())
    for embeds in (outputs.image_embeds, outputs.text_embeds):
        torch.testing.assert_close(embeds.norm(dim=1), torch.ones(4))
    reference = IRLEConfig.reference(**feature_config().to_diff_dict() | {"normalize_text_embeds": False})
    lengths = model(reference)(**feature_batch()).text_embeds.norm(dim=1)
    assert (lengths - 1).abs().min() > 1e-3


def test_a_text_without_classes_is_its_summary() -> None:
    irle = model(feature_config(use_classes=False)).eval()
    batch = without(feature_batch(), "class_features")
    torch.testing.assert_close(irle(**batch).text_embeds, irle.summary_branch(batch["summary_features"]))


def test_either_side_alone_is_what_the_pair_gives() -> None:
    irle, batch = model(feature_config()).eval(), feature_batch()
    both, image = irle(**batch), irle.encode_images(batch["image_features"])
    text = irle.encode_texts(batch["summary_features"], batch["class_features"])
    assert_equal(image, (both.image_embeds, both.image_geo_logits))
    assert_equal(text, (both.text_embeds, both.text_geo_logits))


def test_half_precision_features_are_taken_as_they_come() -> None:
    irle, batch = model(feature_config()).eval(), feature_batch()
    half = {name: v.half() if v.is_floating_point() else v for name, v in batch.items()}
    torch.testing.assert_close(irle(**half).loss, irle(**batch).loss, rtol=1e-2, atol=1e-2)


def test_training_draws_negatives_and_evaluation_does_not() -> None:
    irle, batch = model(feature_config()), without(feature_batch(8), "pair_targets")
    losses = {irle.train()(**batch).retrieval_loss.item() for _ in range(4)}
    assert len(losses) > 1
    matched = irle.eval()(**batch, pair_targets=torch.ones(8)).loss
    assert_equal(irle(**batch).loss, matched)


def test_evaluation_without_cells_has_predictions_and_no_total() -> None:
    outputs = model(feature_config()).eval()(**without(feature_batch(), "image_cells", "text_cells"))
    assert outputs.loss is None and outputs.geo_loss is None
    assert outputs.retrieval_loss is not None and outputs.image_geo_logits is not None


def test_an_encoder_without_attention_does_not_mind_the_choice_of_it() -> None:
    irle = model(raw_config("resnet")).eval()
    outputs = []
    for implementation in ("eager", "sdpa"):
        irle.set_attn_implementation(implementation)
        assert irle.text_encoder.model.config._attn_implementation == implementation
        assert irle.image_encoder.model.config._attn_implementation == "eager"
        outputs.append(irle(**raw_batch()))
    assert_close(*outputs, 1e-5)


def test_encoded_features_stand_in_for_raw_input() -> None:
    irle, batch = model(raw_config()).eval(), raw_batch()
    features = {"image_features": irle.image_encoder(batch.pop("pixel_values"))}
    for ours, theirs in (("summary_features", ""), ("class_features", "class_")):
        ids, mask = batch.pop(f"{theirs}input_ids"), batch.pop(f"{theirs}attention_mask")
        features[ours] = irle.text_encoder(ids, mask)
    assert_equal(irle(**features, **batch), irle(**raw_batch()))


def test_another_number_of_cells_can_be_put_on_a_trained_model(tmp_path: Path) -> None:
    model(feature_config(cell_tokens=None, num_geo_cells=5)).save_pretrained(tmp_path)
    irle = IRLEForRetrievalAndGeo.from_pretrained(tmp_path, num_geo_cells=7, ignore_mismatched_sizes=True)
    assert irle(**feature_batch()).text_geo_logits.shape == (4, 7)


def test_a_single_tasks_checkpoint_takes_up_the_other_task(tmp_path: Path) -> None:
    model(feature_config(tasks=("geo",))).save_pretrained(tmp_path)
    settings = {"tasks": ("retrieval", "geo"), "retrieval_loss": "siglip"}
    irle = IRLEForRetrievalAndGeo.from_pretrained(tmp_path, **settings)
    assert irle.objective.weighting.log_vars.tolist() == [0, 0]
    learned = irle.objective.logit_scale.exp().item(), irle.objective.logit_bias.item()
    assert learned == pytest.approx((1 / 0.07, -10))
    assert irle.text_fusion.weight.std().item() == pytest.approx(
        1 / (12 * 3) ** 0.5, rel=0.3
    )  # uniform in 1 / sqrt(12)


def test_new_layers_start_as_torch_starts_the_published_ones() -> None:
    irle = model(feature_config(image_feature_size=400, summary_feature_size=300, embedding_size=64))
    lstm = irle.summary_branch.hidden.weight
    assert lstm.abs().max().item() == pytest.approx(1 / 8, rel=0.01)  # an LSTM's bound is 1 / sqrt(its width)
    assert irle.image_branch.hidden.weight.abs().max().item() == pytest.approx(1 / 20, rel=0.01)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"image_features": None}, "image_features .* is missing"),
        ({"image_features": None, "pixel_values": torch.zeros(4, 3, 8, 8)}, "no image_encoder_config"),
        ({"summary_features": torch.zeros(4, 11)}, r"summary_features has shape \(4, 11\).*reads \(batch, 10\)"),
        ({"class_features": torch.zeros(4, 2, 8)}, "class_features has shape"),
        ({"text_cells": None}, "image_cells and text_cells"),
    ],
)
def test_a_wrong_input_gets_a_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        model(feature_config()).train()(**{**feature_batch(), **change})


def test_in_batch_losses_refuse_pair_targets() -> None:
    with pytest.raises(ValueError, match="leave them out"):
        model(feature_config(retrieval_loss="info_nce"))(**feature_batch())


@pytest.mark.parametrize("loss", ["cosine_embedding", "info_nce", "siglip"])
def test_training_compiles_without_a_break(loss: str) -> None:
    irle = model(feature_config(retrieval_loss=loss, hierarchy_levels=[1], geo_label_smoothing_km=75)).train()
    explanation = torch._dynamo.explain(lambda batch: irle(**batch).loss)(without(feature_batch(), "pair_targets"))
    assert explanation.graph_break_count == 0, explanation.break_reasons


SIZES = {"image_feature_size": 12, "summary_feature_size": 10, "class_feature_size": 10, "embedding_size": 6}


@pytest.fixture
def published() -> PublishedIRLE:
    torch.manual_seed(0)
    return PublishedIRLE(image=12, text=10, size=6, cells=5, dropout=0.0)


def inputs(rows: int = 8) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    sizes = {"image_features": 12, "summary_features": 10, "class_features": 10}
    return {name: torch.randn(rows, size, generator=generator) for name, size in sizes.items()}


def reference(**settings: object) -> IRLEForRetrievalAndGeo:
    return IRLEForRetrievalAndGeo(IRLEConfig.reference(**SIZES, num_geo_cells=5, dropout=0.0, **settings))


def test_published_weights_give_the_published_outputs(published: PublishedIRLE) -> None:
    irle = reference().eval()
    irle.load_reference_state_dict(published.state_dict())
    ours = irle(**inputs())
    theirs = published(*inputs().values())
    for one, other in zip(ours.to_tuple()[1:], theirs, strict=True):  # the loss of the retrieval comes first
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_published_weights_have_the_published_loss_and_gradients(published: PublishedIRLE) -> None:
    irle = reference().train()
    irle.load_reference_state_dict({"state_dict": published.state_dict(), "epoch": 3})
    pairs, cells = 1 - 2 * (torch.arange(8) % 2), torch.arange(8) % 5
    own = {name: values.requires_grad_() for name, values in inputs().items()}
    loss = irle(**own, image_cells=(cells + 1) % 5, text_cells=cells, pair_targets=pairs).loss
    theirs = [values.requires_grad_() for values in inputs().values()]
    torch.testing.assert_close(loss, published_loss(published(*theirs), pairs, cells), rtol=1e-6, atol=1e-6)
    gradients = torch.autograd.grad(published_loss(published(*theirs), pairs, cells), theirs)
    for one, other in zip(torch.autograd.grad(loss, list(own.values())), gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_a_checkpoint_file_is_read(published: PublishedIRLE, tmp_path: Path) -> None:
    path = tmp_path / "epoch_1.pth.tar"
    torch.save({"state_dict": published.state_dict(), "optimizer": {"lr": 1e-4}}, path)
    irle = reference().eval()
    irle.load_reference_state_dict(path)
    torch.testing.assert_close(irle.text_fusion.weight, published.fc1.weight)


def test_a_single_task_takes_what_it_has(published: PublishedIRLE) -> None:
    irle = reference(tasks=("geo",)).eval()
    irle.load_reference_state_dict(published.state_dict())
    logits = irle(**inputs()).text_geo_logits
    torch.testing.assert_close(logits, published(*inputs().values())[3], rtol=1e-5, atol=1e-6)


class Dangerous:
    def __reduce__(self) -> tuple:
        return (print, ("run",))


def test_a_file_that_could_run_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    torch.save({"state_dict": Dangerous()}, tmp_path / "pickled.pth.tar")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Dangerous(), protocol=2))
    (tmp_path / "torn.pth.tar").write_bytes(b"PK\x03\x04torn")
    (tmp_path / "empty.pth.tar").write_bytes(b"")
    for name in ("pickled.pth.tar", "plain.pkl", "torn.pth.tar", "empty.pth.tar"):
        with pytest.raises(ValueError, match=f"{name} is refused"):
            reference().load_reference_state_dict(tmp_path / name)
    assert capsys.readouterr().out == ""


def test_other_sizes_are_named(published: PublishedIRLE) -> None:
    irle = IRLEForRetrievalAndGeo(IRLEConfig(**SIZES, num_geo_cells=7))
    with pytest.raises(ValueError, match="this model has num_geo_cells=7 .* configure num_geo_cells=5"):
        irle.load_reference_state_dict(published.state_dict())
    summaries_alone = IRLEForRetrievalAndGeo(IRLEConfig(**SIZES, num_geo_cells=5, use_classes=False))
    with pytest.raises(ValueError, match="configure use_classes=True"):
        summaries_alone.load_reference_state_dict(published.state_dict())


def test_other_weights_are_refused(published: PublishedIRLE) -> None:
    with pytest.raises(ValueError, match="it has no 'learn_img.embedding.3.weight'"):
        reference().load_reference_state_dict({"fc1.weight": published.fc1.weight})


def test_images_that_there_are_stand_in_their_rows() -> None:
    torch.manual_seed(0)
    model = IRLEForRetrievalAndGeo(raw_config()).eval()
    pixels, texts = (
        torch.rand(3, 3, 8, 8),
        {"input_ids": torch.randint(1, 9, (5, 4)), "class_input_ids": torch.randint(1, 9, (5, 4))},
    )
    cells = torch.tensor([0, -100, -1, -100, 1])
    outputs = model(
        pixel_values=pixels,
        **texts,
        image_cells=cells,
        text_cells=cells.clamp(min=-1),
        pair_targets=(cells != -100).float(),
    )
    alone = model.encode_images(pixel_values=pixels)
    torch.testing.assert_close(outputs.image_embeds[[0, 2, 4]], alone.embeds)
    assert not outputs.image_embeds[[1, 3]].any() and outputs.loss.isfinite()
    nowhere = model(
        **texts,
        image_cells=torch.full((5,), -100),
        text_cells=torch.zeros(5, dtype=torch.long),
        pair_targets=torch.zeros(5),
    )
    assert not nowhere.image_geo_logits.any() and nowhere.geo_loss > 0
    with pytest.raises(ValueError, match="pixel_values of 3 images.*found 2"):
        model(pixel_values=pixels[:2], **texts, image_cells=cells, text_cells=cells)
