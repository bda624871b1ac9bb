from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from datasets.fingerprint import Hasher
from PIL import Image
from transformers import AutoProcessor, pipeline

from hf_mlm.data.mmnerd.collator import DataCollatorForMultimodalTokenClassification
from hf_mlm.data.mmnerd.encoding import encode_dataset
from hf_mlm.models.word_level.adacan import AdaCANForTokenClassification
from hf_mlm.models.word_level.configuration import BiLSTMCRFConfig, HBiLSTMCRFConfig
from hf_mlm.models.word_level.modeling import BiLSTMCRFForTokenClassification, HBiLSTMCRFForTokenClassification
from hf_mlm.models.word_level.processing import AdaCANProcessor, WordLevelProcessor
from tests.models.word_level.adacan_tiny import adacan_processor, config, image_processor
from tests.models.word_level.tiny import SENTENCES, TAGS, processor


def test_sentences_are_padded_with_their_labels_and_characters() -> None:
    tiny = processor()
    batch = tiny([["Rhine", "\u200b"], ["the"], []], labels=[[3, 0], [0], []])
    assert sorted(batch) == sorted([*tiny.model_input_names, "labels"])
    assert batch["word_ids"].tolist() == [[0, 1], [0, -1], [-1, -1]]
    assert batch["labels"].tolist() == [[3, 0], [0, -100], [-100, -100]]
    assert batch["attention_mask"].tolist() == [[1, 1], [1, 0], [0, 0]]
    words = tiny.vocabulary.words
    assert batch["input_ids"].tolist() == [[2 + words.index("Rhine"), 1], [2 + words.index("the"), 0], [0, 0]]
    spelt = batch["character_ids"]
    assert spelt.shape == (3, 2, 5) and spelt.dtype == torch.int64
    letters = [tiny.vocabulary.characters[index - 2] for index in spelt[0, 0].tolist()]
    assert "".join(letters) == "Rhine" and spelt[0, 1].tolist() == [1, 0, 0, 0, 0] and not spelt[2].any()


def test_strings_are_split_and_one_string_is_one_sentence() -> None:
    tiny = processor(characters=False)
    expected = tiny([["Paris", "rocks", "!"]])["input_ids"]
    for text in ("Paris rocks!", ["Paris rocks!"]):
        assert torch.equal(tiny(text)["input_ids"], expected)
    assert "character_ids" not in tiny("Paris") and tiny("")["input_ids"].tolist() == [[0]]


def test_words_are_spelt_up_to_the_limit_and_sentences_have_none() -> None:
    tiny = processor(max_characters=3)
    batch = tiny([["Basel"] * 1000])
    assert batch["character_ids"].shape == (1, 1000, 3)


def test_datasets_collators_and_the_model_take_it_as_any_other(tmp_path: Path) -> None:
    tiny = processor()
    rows = Dataset.from_dict({"tokens": SENTENCES, "ner_tags": TAGS, "id": ["a", "b", "c"]})
    encoded = encode_dataset(rows, tiny)
    assert encoded["id"][:] == ["a", "b", "c"] and encoded[2]["labels"] == TAGS[2]
    collate = DataCollatorForMultimodalTokenClassification(tiny)
    once, each_time = collate(list(encoded)), collate(list(rows))
    direct = tiny(SENTENCES, labels=TAGS)
    for batch in (once, each_time):
        assert sorted(batch) == sorted(direct)
        assert all(torch.equal(batch[name], direct[name]) for name in batch)
    model = HBiLSTMCRFForTokenClassification(HBiLSTMCRFConfig(**tiny.vocabulary.settings())).eval()
    assert (model(**once).predictions >= 0).sum() == 11


def test_it_is_saved_with_the_model_and_found_again(tmp_path: Path) -> None:
    tiny = processor(zero_digits=True, max_characters=4)
    BiLSTMCRFForTokenClassification(BiLSTMCRFConfig(**tiny.vocabulary.settings())).save_pretrained(tmp_path)
    tiny.save_pretrained(tmp_path)
    loaded = AutoProcessor.from_pretrained(tmp_path)
    assert type(loaded) is WordLevelProcessor and loaded.max_characters == 4
    assert loaded.vocabulary == tiny.vocabulary and loaded.to_dict() == tiny.to_dict()


def test_the_pipeline_finds_entities_by_it(tmp_path: Path) -> None:
    tiny = processor()
    model = BiLSTMCRFForTokenClassification(BiLSTMCRFConfig(**tiny.vocabulary.settings(), input_dropout=0.0))
    optimizer, batch = torch.optim.Adam(model.parameters(), lr=0.02), tiny(SENTENCES, labels=TAGS)
    for _ in range(30):
        optimizer.zero_grad()
        model.train()(**batch).loss.backward()
        optimizer.step()
    model.save_pretrained(tmp_path)
    tiny.save_pretrained(tmp_path)
    found = pipeline("multimodal-ner", model=str(tmp_path))(["The Rhine meets Basel", "", "Obama saw the river"])
    assert [[(e["entity_group"], e["word"], e["start"]) for e in entities] for entities in found] == [
        [("LOC", "Rhine", 4), ("LOC", "Basel", 16)],
        [],
        [("PER", "Obama", 0)],
    ]


def test_using_it_leaves_its_hash() -> None:
    tiny = processor()
    before = Hasher.hash(tiny)
    tiny(SENTENCES)
    assert Hasher.hash(tiny) == before  # or datasets would never find what it cached


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([[0], [0]], "sentence 0 has 2 words and 1 labels"),
        ([[0] * 2], "labels for 1 sentences, and 2 sentences"),
    ],
)
def test_labels_that_do_not_match_get_a_sentence(labels: list, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        processor()([["Paris", "rocks"], ["!"]], labels=labels)


def test_a_limit_of_nothing_and_a_string_for_words_get_a_sentence() -> None:
    with pytest.raises(ValueError, match="max_characters=0 must be at least 1"):
        processor(max_characters=0)
    with pytest.raises(ValueError, match="sentence 1 is the string 'the'; pass the list of its words"):
        processor().windows([["Paris"], "the"])


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
