from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import Trainer, TrainingArguments

from hf_mlm.data.mlm.collator import DataCollatorForRetrievalAndGeo
from hf_mlm.data.mlm.torch_datasets import FeatureTable
from hf_mlm.training.irle.arguments import IRLETrainingArguments
from hf_mlm.training.irle.metrics import RetrievalAndGeoMetrics
from hf_mlm.training.irle.trainer import IRLETrainer


Make = Callable[..., Any]
STILL = {"dropout": 0.0, "negative_share": 0.0, "loss_weighting": "equal"}  # nothing random, nothing learned aside


def settings(folder: Path, **changes: Any) -> dict[str, Any]:
    sizes = {"per_device_train_batch_size": 8, "per_device_eval_batch_size": 8}
    return {"output_dir": str(folder), "report_to": "none", "use_cpu": True, "disable_tqdm": True, **sizes, **changes}


def known_rows(rows: Dataset) -> Dataset:
    return rows.filter(lambda row: row["geo_cell"] is not None)


def losses_of(model: Any, rows: Dataset, batch_size: int) -> dict[str, float]:
    """Means over the rows of what the model says of each batch."""
    collator, sums = DataCollatorForRetrievalAndGeo(), {"loss": 0.0, "retrieval_loss": 0.0, "geo_loss": 0.0}
    with torch.no_grad():
        for start in range(0, len(rows), batch_size):
            batch = list(rows.select(range(start, min(start + batch_size, len(rows)))))
            outputs = model.eval()(**collator(batch))
            for name in sums:
                sums[name] += outputs[name].item() * len(batch)
    return {name: total / len(rows) for name, total in sums.items()}


def test_plain_trainer_trains_and_evaluates(feature_rows: Make, tiny_model: Make, tmp_path: Path) -> None:
    rows, model = feature_rows(20), tiny_model()
    metrics = RetrievalAndGeoMetrics(model.config)
    trainer = Trainer(
        model,
        IRLETrainingArguments(**settings(tmp_path, num_train_epochs=2)),
        train_dataset=rows,
        eval_dataset=rows,
        data_collator=DataCollatorForRetrievalAndGeo(),
        compute_metrics=metrics.of(rows),
        preprocess_logits_for_metrics=metrics.reduce,
    )
    before = model.image_branch.hidden.weight.clone()
    trainer.train()
    found = trainer.evaluate()
    assert not torch.equal(model.image_branch.hidden.weight, before)
    assert math.isfinite(found["eval_loss"])
    assert found["eval_gallery_size"] == 20
    assert found["eval_image_cells_scored"] == 16  # of 20, every fifth has no cell
    assert 1 <= found["eval_mean_medR"] <= 20
    prediction = trainer.predict(rows).predictions
    assert set(prediction) == {"image_embeds", "text_embeds", "image_cells", "text_cells"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"remove_unused_columns": False}, "set label_names="),
        ({"label_names": ["image_cells", "text_cells"]}, "remove_unused_columns=False"),
    ],
)
def test_plain_arguments_are_told_what_they_lack(
    feature_rows: Make, tiny_model: Make, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    model = tiny_model()
    metrics = RetrievalAndGeoMetrics(model.config)
    trainer = Trainer(
        model,
        TrainingArguments(**settings(tmp_path, **changes)),
        eval_dataset=feature_rows(5),
        data_collator=DataCollatorForRetrievalAndGeo(),
        compute_metrics=metrics.of(),
        preprocess_logits_for_metrics=metrics.reduce,
    )
    with pytest.raises(ValueError, match=message):
        trainer.evaluate()


@pytest.mark.parametrize("accumulation", [1, 2])
def test_training_log_shows_the_losses_of_the_tasks(
    feature_rows: Make, tiny_model: Make, tmp_path: Path, accumulation: int
) -> None:
    rows, model = known_rows(feature_rows(40)), tiny_model(**STILL)
    expected = losses_of(model, rows, 8)
    arguments = settings(
        tmp_path,
        learning_rate=0.0,
        num_train_epochs=1,
        gradient_accumulation_steps=accumulation,
        train_sampling_strategy="sequential",
        logging_strategy="epoch",
    )
    trainer = IRLETrainer(
        model,
        IRLETrainingArguments(**arguments),
        train_dataset=rows,
        data_collator=DataCollatorForRetrievalAndGeo(),
    )
    trainer.train()
    logged = trainer.state.log_history[0]
    assert logged["retrieval_loss"] == pytest.approx(expected["retrieval_loss"], abs=1e-6)
    assert logged["geo_loss"] == pytest.approx(expected["geo_loss"], abs=1e-6)
    assert logged["loss"] == pytest.approx(expected["retrieval_loss"] + expected["geo_loss"], abs=1e-5)


def test_evaluation_weighs_the_last_batch_by_its_rows(feature_rows: Make, tiny_model: Make, tmp_path: Path) -> None:
    rows, model = known_rows(feature_rows(24)), tiny_model(**STILL)
    trainer = IRLETrainer(
        model,
        IRLETrainingArguments(**settings(tmp_path)),
        eval_dataset=rows,
        data_collator=DataCollatorForRetrievalAndGeo(views="random"),
    )
    found = trainer.evaluate(metric_key_prefix="held_out")
    assert len(rows) % 8
    for name, value in losses_of(model, rows, 8).items():
        assert found[f"held_out_{name}"] == pytest.approx(value, abs=1e-6)


def test_evaluation_and_prediction_show_first_views(feature_rows: Make, tiny_model: Make, tmp_path: Path) -> None:
    rows = feature_rows(8)
    collator = DataCollatorForRetrievalAndGeo(views="random")
    trainer = IRLETrainer(
        tiny_model(), IRLETrainingArguments(**settings(tmp_path)), eval_dataset=rows, data_collator=collator
    )
    expected = FeatureTable(rows).__getitems__(list(range(8)))["image_features"]
    assert torch.equal(next(iter(trainer.get_eval_dataloader()))["image_features"], expected)
    assert torch.equal(next(iter(trainer.get_test_dataloader(rows)))["image_features"], expected)
    assert trainer.data_collator is collator


def test_accumulated_batches_train_as_one(feature_rows: Make, tiny_model: Make, tmp_path: Path) -> None:
    rows = known_rows(feature_rows(40))

    def weights(batch_size: int, accumulation: int) -> tuple[dict[str, torch.Tensor], list[float]]:
        model = tiny_model(**STILL)
        arguments = settings(
            tmp_path,
            per_device_train_batch_size=batch_size,
            gradient_accumulation_steps=accumulation,
            learning_rate=0.01,
            lr_scheduler_type="constant",
            num_train_epochs=3,
            logging_steps=1,
        )
        trainer = IRLETrainer(
            model,
            IRLETrainingArguments(**arguments),
            train_dataset=FeatureTable(rows),
            data_collator=DataCollatorForRetrievalAndGeo(),
        )
        trainer.train()
        return model.state_dict(), [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]

    (whole, whole_losses), (parts, part_losses) = weights(16, 1), weights(8, 2)
    assert len(rows) == 32
    assert part_losses == pytest.approx(whole_losses, abs=1e-5)
    for name, weight in whole.items():
        torch.testing.assert_close(parts[name], weight, rtol=0, atol=1e-4, msg=name)


def test_fused_adam_of_the_recipes_takes_the_steps_of_plain_adam(
    feature_rows: Make, tiny_model: Make, tmp_path: Path
) -> None:
    rows, weights = feature_rows(24), {}
    start = tiny_model(**STILL).state_dict()
    for optim in ("adamw_torch", "adamw_torch_fused"):
        model = tiny_model(**STILL)
        model.load_state_dict(start)
        arguments = settings(tmp_path / optim, num_train_epochs=5, learning_rate=1e-2, weight_decay=0.1, optim=optim)
        collator = DataCollatorForRetrievalAndGeo()
        Trainer(model, IRLETrainingArguments(**arguments), train_dataset=rows, data_collator=collator).train()
        weights[optim] = model.state_dict()
    for name, values in weights["adamw_torch"].items():
        torch.testing.assert_close(weights["adamw_torch_fused"][name], values, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(
        weights["adamw_torch"]["image_branch.hidden.weight"], start["image_branch.hidden.weight"]
    )
