from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, List, Value
from datasets import Image as ImageFeature
from PIL import Image
from transformers import Trainer

from hf_mlm.data.mmnerd.collator import DataCollatorForMultimodalTokenClassification
from hf_mlm.models.base.processing import TaggerProcessor
from hf_mlm.models.two_mner.modeling_two_mner import TwoMNERForTokenClassification
from tests.models.common import arguments
from tests.models.two_mner.tiny import config, processor, wordpiece


@pytest.fixture
def collator(tmp_path: Path) -> DataCollatorForMultimodalTokenClassification:
    return DataCollatorForMultimodalTokenClassification(processor(tmp_path))


def encoded_picture(seed: int) -> dict[str, Any]:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 50, 3), np.uint8)).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


def dataset(ids: bool = True) -> Dataset:
    """Four sentences, two about one image, one without any, one longer than 16 sub-tokens."""
    rows = [
        {"tokens": ["paris", "\u200b", "unbelievable"], "ner_tags": [1, 0, 3], "image_id": "a"},
        {"tokens": ["the", "river"] * 12, "ner_tags": [0, 5] * 12, "image_id": "b"},
        {"tokens": ["in", "france"], "ner_tags": [0, 3], "image_id": None},
        {"tokens": ["the"], "ner_tags": [0], "image_id": "a"},
    ]
    images = [encoded_picture(0), encoded_picture(1), None, encoded_picture(0)]
    features = {"tokens": List(Value("string")), "ner_tags": List(Value("int64")), "image": ImageFeature()}
    features |= {"image_id": Value("string")} if ids else {}
    rows = [{**row, "image": image} for row, image in zip(rows, images, strict=True)]
    return Dataset.from_list([{name: row[name] for name in features} for row in rows], features=Features(features))


def test_rows_become_inputs_and_labels(collator: DataCollatorForMultimodalTokenClassification) -> None:
    rows = [dataset()[number] for number in range(4)]
    batch = collator(rows)
    windows = len(batch["input_ids"]) - 3
    assert windows > 1 and batch["input_ids"].shape[1] <= 16
    assert batch["image_index"].tolist() == [0] + [1] * windows + [-1, 0]
    assert batch["pixel_values"].shape == (2, 3, 32, 32)
    learnt = batch["labels"][batch["labels"] >= 0].tolist()
    assert learnt == [1, 0, 3] + [0, 5] * 12 + [0, 3] + [0]
    expected = collator.processor([rows[0]["tokens"]], images=[rows[0]["image"]], labels=[[1, 0, 3]])
    assert torch.equal(batch["pixel_values"][:1], expected["pixel_values"])
    assert batch["labels"][0, :7].tolist() == expected["labels"][0].tolist()


def test_images_without_an_id_are_told_apart_by_what_they_are(tmp_path: Path) -> None:
    collate = DataCollatorForMultimodalTokenClassification(processor(tmp_path))
    rows = [{"tokens": ["the"], "image": encoded_picture(seed)} for seed in (0, 1, 0)]
    assert collate(rows)["image_index"].tolist() == [0, 1, 0]
    assert "labels" not in collate(rows)
    Image.new("RGB", (40, 40)).save(tmp_path / "black.png")
    paths = [{"tokens": ["the"], "image": str(tmp_path / "black.png")} for _ in range(2)]
    assert len(collate(paths)["pixel_values"]) == 1
    pictures = [{"tokens": ["the"], "image": Image.new("RGB", (40, 40))} for _ in range(2)]
    assert len(collate(pictures)["pixel_values"]) == 2


def test_a_processor_of_texts_leaves_images_aside(tmp_path: Path) -> None:
    collate = DataCollatorForMultimodalTokenClassification(TaggerProcessor(wordpiece(tmp_path), max_length=16))
    assert sorted(collate(list(dataset()))) == ["attention_mask", "input_ids", "labels", "word_ids"]


def test_the_plain_trainer_trains_and_evaluates(
    collator: DataCollatorForMultimodalTokenClassification, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    ner, rows = TwoMNERForTokenClassification(config()), dataset()
    settings = arguments(tmp_path, max_steps=3, per_device_train_batch_size=2, per_device_eval_batch_size=4)
    scores = []

    def keep(found: Any) -> dict[str, float]:
        predictions, labels = found
        scores.append(((predictions >= 0) >= (labels >= 0)).all())
        return {"right": float((predictions == labels)[labels >= 0].mean())}

    trainer = Trainer(
        ner, settings, train_dataset=rows, eval_dataset=rows, data_collator=collator, compute_metrics=keep
    )
    assert np.isfinite(trainer.train().training_loss)
    result = trainer.evaluate()
    assert np.isfinite(result["eval_loss"]) and 0 <= result["eval_right"] <= 1 and scores == [True]


@pytest.mark.parametrize("rows", [[{"image": None}], [{}], ["paris"]])
def test_rows_without_words_get_a_sentence(rows: list, collator: DataCollatorForMultimodalTokenClassification) -> None:
    with pytest.raises(ValueError, match="needs rows with tokens or input_ids.*remove_unused_columns=False"):
        collator(rows)


def test_names_of_labels_are_numbered_and_unknown_ones_named(tmp_path: Path) -> None:
    rows = [{"id": "7", "tokens": ["paris", "in"], "ner_tags": ["B-LOC", "O"]}]
    collate = DataCollatorForMultimodalTokenClassification(processor(tmp_path), {"O": 0, "B-LOC": 3})
    assert collate(rows)["labels"].tolist() == [[-100, 3, 0, -100]]
    rows.append({"id": "8", "tokens": ["paris"], "ner_tags": ["B-GPE"]})
    with pytest.raises(ValueError, match=r"tags of O, B-LOC; found 'B-GPE' in row '8': pass label2id="):
        collate(rows)
    with pytest.raises(ValueError, match=r"found 'B-LOC' in row '7': pass label2id=model\.config\.label2id"):
        DataCollatorForMultimodalTokenClassification(processor(tmp_path))(rows)
