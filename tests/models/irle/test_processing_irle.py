from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModel, AutoProcessor

from hf_mlm.models.irle.modeling_irle import IRLEForRetrievalAndGeo
from hf_mlm.models.irle.processing_irle import IRLEProcessor
from tests.models.irle.tiny import processor, raw_config


@pytest.fixture
def tiny(tmp_path: Path) -> IRLEProcessor:
    return processor(tmp_path)


def pictures(count: int = 2) -> list[Image.Image]:
    generator = np.random.default_rng(0)
    return [Image.fromarray(generator.integers(0, 255, (40, 50, 3), np.uint8)) for _ in range(count)]


TEXTS, CLASSES = ["a village in france", "the capital of germany , on the river"], [["village"], ["city", "capital"]]


def test_a_batch_feeds_the_model(tiny: IRLEProcessor) -> None:
    batch = tiny(images=pictures(), text=TEXTS, classes=CLASSES)
    assert sorted(batch) == sorted(tiny.model_input_names)
    assert batch["pixel_values"].shape == (2, 3, 32, 32)
    outputs = IRLEForRetrievalAndGeo(raw_config()).eval()(**batch)
    assert outputs.text_geo_logits.shape == (2, 5)


def test_class_names_are_joined_and_one_text_has_one_row_of_them(tiny: IRLEProcessor) -> None:
    one, batch = TEXTS[0], TEXTS[:1]
    for text, classes in ((one, ["city", "capital"]), (one, "city, capital"), (batch, [["city", "capital"]])):
        ids = tiny(text=text, classes=classes)["class_input_ids"]
        assert tiny.tokenizer.batch_decode(ids, skip_special_tokens=True) == ["city, capital"]
    rows = tiny(text=TEXTS, classes=["city", "capital"])["class_input_ids"]
    assert tiny.tokenizer.batch_decode(rows, skip_special_tokens=True) == ["city", "capital"]


def test_parts_are_prepared_alone(tiny: IRLEProcessor) -> None:
    assert list(tiny(images=pictures()[0])) == ["pixel_values"]
    assert list(tiny(text="a village")) == ["input_ids", "attention_mask"]
    assert list(tiny(classes=["city"], return_tensors="np")) == ["class_input_ids", "class_attention_mask"]
    with pytest.raises(ValueError, match="nothing to process"):
        tiny()


def test_long_texts_are_cut(tiny: IRLEProcessor) -> None:
    assert tiny(text="village " * 99)["input_ids"].shape == (1, 16)


def test_images_of_any_kind_and_size_make_one_batch(tiny: IRLEProcessor) -> None:
    kinds = [picture.convert(mode) for picture, mode in zip(pictures(4), ("CMYK", "P", "L", "RGBA"), strict=True)]
    kinds[0] = kinds[0].resize((90, 20))
    assert tiny(images=kinds)["pixel_values"].shape == (4, 3, 32, 32)
    assert tiny(images=pictures()[0])["pixel_values"].dtype == torch.float32


def test_a_broken_image_is_named_by_its_row(tiny: IRLEProcessor) -> None:
    with pytest.raises(ValueError, match="image 1 cannot be read"):
        tiny(images=[pictures()[0], b"broken"])


def test_it_is_saved_with_the_model_and_found_again(tiny: IRLEProcessor, tmp_path: Path) -> None:
    IRLEForRetrievalAndGeo(raw_config()).save_pretrained(tmp_path / "saved")
    tiny.save_pretrained(tmp_path / "saved")
    loaded = AutoProcessor.from_pretrained(tmp_path / "saved")
    assert type(loaded) is IRLEProcessor and loaded.max_length == 16
    ours, theirs = (p(images=pictures(), text=TEXTS, classes=CLASSES) for p in (tiny, loaded))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    AutoModel.from_pretrained(tmp_path / "saved")(**theirs)
