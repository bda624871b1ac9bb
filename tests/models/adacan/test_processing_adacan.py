from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor

from hf_mlm.data.collators_ner import DataCollatorForMultimodalTokenClassification
from hf_mlm.models.adacan import AdaCANForTokenClassification, AdaCANProcessor
from hf_mlm.models.word_level.processing import WordLevelProcessor
from tests.models.adacan.tiny import adacan_processor, config, image_processor
from tests.models.word_level.tiny import SENTENCES, TAGS, processor


def picture(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 50, 3), np.uint8))


def test_words_and_images_feed_the_model() -> None:
    tiny, image = adacan_processor(), picture()
    batch = tiny(SENTENCES, images=[image, None, image], labels=TAGS)
    assert sorted(batch) == sorted([*tiny.model_input_names, "labels"])
    assert batch["pixel_values"].shape == (1, 3, 32, 32) and batch["image_index"].tolist() == [0, -1, 0]
    model = AdaCANForTokenClassification(config(**tiny.vocabulary.settings())).eval()
    outputs = model(**batch)
    assert torch.isfinite(outputs.loss) and (outputs.predictions >= 0).sum() == 11
    rows = [{"tokens": words, "ner_tags": tags, "image": image} for words, tags in zip(SENTENCES, TAGS, strict=True)]
    collated = DataCollatorForMultimodalTokenClassification(tiny)(rows)
    torch.testing.assert_close(collated["pixel_values"], batch["pixel_values"])


def test_texts_need_no_images() -> None:
    tiny = adacan_processor()
    for batch in (tiny(SENTENCES), tiny(SENTENCES, images=[None] * 3)):
        assert sorted(batch) == sorted(processor().model_input_names)
    with pytest.raises(ValueError, match="1 images for 3 sentences: pass None for none"):
        tiny(SENTENCES, images=picture())


@pytest.mark.parametrize("use_images", [True, False])
def test_each_form_finds_its_processor_again(use_images: bool, tmp_path: Path) -> None:
    tiny = adacan_processor() if use_images else processor()
    settings = {**tiny.vocabulary.settings(), "use_images": use_images}
    AdaCANForTokenClassification(config(**settings)).save_pretrained(tmp_path)
    tiny.save_pretrained(tmp_path)
    loaded = AutoProcessor.from_pretrained(tmp_path)
    assert type(loaded) is (AdaCANProcessor if use_images else WordLevelProcessor)
    assert loaded.vocabulary == tiny.vocabulary
    if use_images:
        ours, theirs = (p(SENTENCES, images=[picture()] * 3) for p in (tiny, loaded))
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_it_is_made_of_sentences() -> None:
    made = AdaCANProcessor.from_sentences(SENTENCES, image_processor=image_processor(), max_characters=5)
    assert made.vocabulary == processor().vocabulary and made.max_characters == 5
