from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets.fingerprint import Hasher
from PIL import Image
from transformers import AutoProcessor, AutoTokenizer

from hf_mlm.data.mmnerd.collator import DataCollatorForMultimodalTokenClassification
from hf_mlm.models.base.processing import ImageSentenceProcessor, SentenceProcessor, TaggerProcessor
from hf_mlm.models.base.regions import RegionProcessor
from hf_mlm.models.crf_tagger.modeling_crf_tagger import CRFTaggerForTokenClassification
from hf_mlm.models.two_mner.processing_two_mner import TwoMNERProcessor
from hf_mlm.models.word_level.processing import AdaCANProcessor, WordLevelProcessor
from tests.models.crf_tagger.tiny import config
from tests.models.letter_counter import LetterCounter
from tests.models.two_mner.tiny import processor as two_mner_processor
from tests.models.two_mner.tiny import slow_wordpiece, unigram, wordpiece


def test_strings_are_split_and_rows_are_padded() -> None:
    batch = LetterCounter()(["to be, or", ["not", "to", "be"]], labels=[[1, 2, 3, 4], [5, 6, 7]])
    assert batch["input_ids"].tolist() == [[2, 2], [1, 2], [3, 2], [2, 0]]
    assert batch["labels"].tolist() == [[1, 2], [3, 4], [5, 6], [7, 0]]
    assert isinstance(batch["input_ids"], torch.Tensor) and set(batch) == {"input_ids", "labels"}
    assert LetterCounter()("one string", return_tensors="np")["input_ids"].tolist() == [[3, 6]]


def test_all_processors_are_called_alike() -> None:
    assert TaggerProcessor.__call__ is WordLevelProcessor.__call__ is SentenceProcessor.__call__


@pytest.fixture
def tiny(tmp_path: Path) -> TaggerProcessor:
    return TaggerProcessor(wordpiece(tmp_path), max_length=8, stride=2)


WORDS = [["paris", "\u200b", "unbelievable"], ["the"]]


def test_sentences_are_padded_with_their_labels(tiny: TaggerProcessor) -> None:
    batch = tiny(WORDS, labels=[[1, 0, 2], [0]])
    assert sorted(batch) == sorted([*tiny.model_input_names, "labels"])
    assert batch["word_ids"].tolist() == [[-1, 0, 1, 2, 2, 2, -1], [-1, 0, -1, -1, -1, -1, -1]]
    assert batch["labels"].tolist() == [[-100, 1, 0, 2, -100, -100, -100], [-100, 0] + [-100] * 5]
    assert batch["attention_mask"].sum(dim=1).tolist() == [7, 3]
    assert tiny.tokenizer.convert_ids_to_tokens(batch["input_ids"][1])[:4] == ["[CLS]", "the", "[SEP]", "[PAD]"]
    assert batch["input_ids"].dtype == torch.int64


def test_strings_are_split_and_one_string_is_one_sentence(tiny: TaggerProcessor) -> None:
    expected = tiny([["paris", ",", "france", "."]])["input_ids"]
    for text in ("paris, france.", ["paris, france."]):
        assert torch.equal(tiny(text)["input_ids"], expected)


def test_a_long_sentence_has_several_rows_and_each_label_once(tiny: TaggerProcessor) -> None:
    words = ["unbelievable", "paris", "in"] * 4
    batch = tiny([words], labels=[list(range(12))])
    assert batch["input_ids"].shape[0] > 2 and batch["input_ids"].shape[1] <= 8
    assert sorted(batch["labels"][batch["labels"] >= 0].tolist()) == list(range(12))


def test_a_batch_feeds_the_model(tiny: TaggerProcessor) -> None:
    outputs = CRFTaggerForTokenClassification(config()).eval()(**tiny(WORDS, labels=[[1, 0, 2], [0]]))
    assert torch.isfinite(outputs.loss) and (outputs.predictions >= 0).sum() == 4


@pytest.mark.parametrize("name", ["wordpiece", "slow", "unigram"])
def test_it_is_saved_with_the_model_and_found_again(name: str, tmp_path: Path) -> None:
    tokenizer = {"wordpiece": wordpiece, "slow": slow_wordpiece, "unigram": lambda _: unigram()}[name](tmp_path)
    processor = TaggerProcessor(tokenizer, max_length=8, stride=1)
    CRFTaggerForTokenClassification(config()).save_pretrained(tmp_path / "saved")
    processor.save_pretrained(tmp_path / "saved")
    if name != "slow":  # transformers' own Auto class finds the fast one instead
        loaded = AutoProcessor.from_pretrained(tmp_path / "saved")
        assert type(loaded) is TaggerProcessor and (loaded.max_length, loaded.stride) == (8, 1)
        assert torch.equal(loaded(WORDS)["input_ids"], processor(WORDS)["input_ids"])
    assert AutoTokenizer.from_pretrained(tmp_path / "saved").get_vocab() == tokenizer.get_vocab()


def test_a_folder_with_a_tokenizer_alone_will_do(tmp_path: Path) -> None:
    CRFTaggerForTokenClassification(config()).save_pretrained(tmp_path / "saved")
    wordpiece(tmp_path).save_pretrained(tmp_path / "saved")
    assert type(AutoProcessor.from_pretrained(tmp_path / "saved")) is TaggerProcessor


def test_what_it_remembers_is_no_part_of_it(tiny: TaggerProcessor) -> None:
    before = Hasher.hash(tiny)
    tiny(WORDS)
    assert Hasher.hash(tiny) == before  # or datasets would never find what it cached
    assert torch.equal(pickle.loads(pickle.dumps(tiny))(WORDS)["input_ids"], tiny(WORDS)["input_ids"])


def test_settings_that_change_count(tiny: TaggerProcessor) -> None:
    assert tiny([["paris"] * 20])["input_ids"].shape[1] == 8
    tiny.max_length = 40
    assert tiny([["paris"] * 20])["input_ids"].shape == (1, 22)
    assert tiny([["newword"]])["input_ids"][0, 1] == tiny.tokenizer.unk_token_id
    tiny.tokenizer.add_tokens(["newword"])
    assert tiny([["newword"]])["input_ids"][0, 1] != tiny.tokenizer.unk_token_id


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([[0], [0]], "sentence 0 has 3 words and 1 labels"),
        ([[0] * 3, [0] * 2], "sentence 1 has 1 words and 2 labels"),
        ([[0] * 3], "labels for 1 sentences, and 2 sentences"),
    ],
)
def test_labels_that_do_not_match_get_a_sentence(tiny: TaggerProcessor, labels: list, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        tiny(WORDS, labels=labels)


class LetterAndPictureCounter(ImageSentenceProcessor, LetterCounter):
    """Beside them images, of which one grey value is left."""

    def encode_pictures(self, pictures: Sequence[Image.Image], keys: Sequence[Any]) -> dict[str, np.ndarray]:
        return {"pixel_values": np.array([picture.getpixel((0, 0))[0] for picture in pictures])}


def test_every_row_of_a_sentence_has_its_image_and_equal_ones_are_prepared_once() -> None:
    counter = LetterAndPictureCounter()
    dark, light = Image.new("RGB", (1, 1), (3, 3, 3)), Image.new("RGB", (1, 1), (250, 9, 9))
    sentences = [["a"], ["a", "b", "c"], ["a"], ["a"]]
    batch = counter(sentences, images=[dark, light, None, dark])
    assert batch["image_index"].tolist() == [0, 1, 1, -1, 0] and batch["pixel_values"].tolist() == [3, 250]
    assert set(counter(sentences, images=[None] * 4)) == {"input_ids"}
    assert counter("a", images=light)["pixel_values"].tolist() == [250]
    assert counter.model_input_names == ["input_ids", "pixel_values", "image_index"]
    with pytest.raises(ValueError, match="there are 3 images for 4 sentences: pass None for none"):
        counter(sentences, images=[dark] * 3)


def test_all_processors_with_images_are_called_alike() -> None:
    for processor in (TwoMNERProcessor, RegionProcessor, AdaCANProcessor):
        assert processor.__call__ is ImageSentenceProcessor.__call__


def saved_words(processor: Any, folder: Path) -> dict[str, Any]:
    processor.save_pretrained(folder)
    saved = json.loads((folder / "processor_config.json").read_text())
    return {name: value for name, value in saved.items() if name.startswith("word_")}


MAKERS = {
    "text": lambda folder: TaggerProcessor(wordpiece(folder)),
    "image": two_mner_processor,
    "words": lambda folder: WordLevelProcessor.from_sentences([["Guinea-Bissau", "."]]),
}


@pytest.mark.parametrize("name", MAKERS)
def test_how_text_becomes_words_is_saved_and_found_again(name: str, tmp_path: Path) -> None:
    tagger = MAKERS[name](tmp_path)
    assert saved_words(tagger, tmp_path / "saved") == {} and tagger.splitter.rule == "mmnerd"
    assert type(tagger).from_pretrained(tmp_path / "saved").splitter.rule == "mmnerd"
    kept = tagger.learn_words([["Guinea-Bissau", "fell", "."]] * 4)
    saved = saved_words(tagger, tmp_path / "saved")
    assert (
        saved["word_splitter"] == "unicode"
        and saved["word_shares"] == {"spaced": 1.0, "natural": 1.0} == kept._asdict()
    )
    again = type(tagger).from_pretrained(tmp_path / "saved")
    assert again.splitter == tagger.splitter and again.words(["Timor-Leste."]) == [["Timor-Leste", "."]]
    assert saved_words(again, tmp_path / "again") == saved
    other = type(tagger).from_pretrained(tmp_path / "saved", word_splitter="whitespace")
    assert other.words(["Timor-Leste."]) == [["Timor-Leste."]]


def test_the_rule_can_be_set(tmp_path: Path) -> None:
    tagger = TaggerProcessor(wordpiece(tmp_path), word_splitter="unicode", word_settings={"joiners": "-"})
    assert tagger.words(["Timor-Leste."]) == [["Timor-Leste", "."]]
    tagger.observe([["a.", "b."]] * 9)
    assert tagger.splitter.rule == "unicode"
    assert tagger.learn_words([["a", "b"]], "mmnerd").spaced == 1 and tagger.splitter.rule == "mmnerd"
    with pytest.raises(ValueError, match="word_splitter to be one of .*, found 'spacy'"):
        TaggerProcessor(wordpiece(tmp_path), word_splitter="spacy")


def test_sentences_of_training_choose_a_rule_where_none_is_set(tmp_path: Path) -> None:
    tagger = TaggerProcessor(wordpiece(tmp_path))
    before = Hasher.hash(tagger)
    rows = [{"tokens": ["Guinea-Bissau", "fell", "."], "ner_tags": [1, 0, 0]}] * 4
    DataCollatorForMultimodalTokenClassification(tagger)(rows)
    assert tagger.words(["Timor-Leste."]) == [["Timor-Leste", "."]] and Hasher.hash(tagger) == before
    assert saved_words(tagger, tmp_path / "saved")["word_splitter"] == "unicode"
    unlabelled = TaggerProcessor(wordpiece(tmp_path))
    DataCollatorForMultimodalTokenClassification(unlabelled)([{"tokens": ["Guinea-Bissau"]}])
    assert unlabelled.splitter.rule == "mmnerd"
