from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.models.base.word_encoding import Window, WordEncoder
from tests.models.two_mner.tiny import WORDS, byte_level, slow_wordpiece, unigram, wordpiece


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("tokenizers")
    return {
        "wordpiece": wordpiece(folder),
        "slow": slow_wordpiece(folder),
        "unigram": unigram(),
        "bytes": byte_level(),
    }


NAMES = ["wordpiece", "slow", "unigram", "bytes"]
VANISHING = ["\u200b", "\uf0d8", "\xad", "\ufffd", "\x80", ""]  # what BERT's tokenizer deletes
ANY_WORD = st.sampled_from([*WORDS, *VANISHING, "parisian", "unbelievable"]) | st.text(max_size=6)
SENTENCES = st.lists(st.lists(ANY_WORD, max_size=12), min_size=1, max_size=3)


@pytest.mark.parametrize("name", NAMES)
@given(sentences=SENTENCES, max_length=st.integers(4, 24), stride=st.integers(0, 20))
def test_every_word_is_labelled_once_and_in_its_place(
    tokenizers: dict[str, Any], name: str, sentences: list[list[str]], max_length: int, stride: int
) -> None:
    tokenizer = tokenizers[name]
    windows = WordEncoder(tokenizer, max_length, min(stride, max_length - 3))(sentences)
    for number, words in enumerate(sentences):
        labels = list(range(100, 100 + len(words)))  # a label of its own for each word
        own = [window for window in windows if window.sentence == number]
        placed = [(w.word_ids[at], label) for w in own for at, label in enumerate(w.align(labels)) if label != -100]
        assert placed == list(enumerate(labels))
        assert own and all(len(w.input_ids) == len(w.word_ids) <= max_length for w in own)
        for window in own:
            assert_pieces(tokenizer, window, words, max_length, " " if name == "bytes" else "")


def assert_pieces(tokenizer: Any, window: Window, words: list[str], max_length: int, space: str) -> None:
    """The sub-tokens of each word are those that the tokenizer makes of it, and stand together."""
    inside = [word for word in window.word_ids if word >= 0]
    assert inside == sorted(inside)
    for word in set(inside):
        ids = [index for index, own in zip(window.input_ids, window.word_ids, strict=True) if own == word]
        alone = tokenizer(f"{space}{words[word]}", add_special_tokens=False)["input_ids"]
        whole = alone or [tokenizer.unk_token_id]
        assert ids == whole[: len(ids)] and (len(ids) == len(whole) or len(ids) == max_length - 2)


@pytest.mark.parametrize("name", ["wordpiece", "slow", "unigram"])
def test_sentences_are_encoded_as_the_tokenizer_does(tokenizers: dict[str, Any], name: str) -> None:
    tokenizer, words = tokenizers[name], ["paris", "parisian", "in", "unbelievable", "france", "xyz", "."]
    (window,) = WordEncoder(tokenizer)([words])
    expected = tokenizer(words, is_split_into_words=True)
    assert window.input_ids == expected["input_ids"]
    if tokenizer.is_fast:
        assert window.word_ids == [-1 if word is None else word for word in expected.word_ids()]


def test_byte_level_words_are_those_of_running_text(tokenizers: dict[str, Any]) -> None:
    tokenizer = tokenizers["bytes"]
    (window,) = WordEncoder(tokenizer)([["a", "b", "b"]])
    assert window.input_ids == tokenizer(" a b b")["input_ids"]


def test_a_word_that_vanishes_is_unknown_or_an_error(tokenizers: dict[str, Any], tmp_path: Path) -> None:
    tokenizer = tokenizers["wordpiece"]
    (window,) = WordEncoder(tokenizer)([["paris", "\u200b", "\uf0d8", "in"]])
    assert tokenizer.convert_ids_to_tokens(window.input_ids) == ["[CLS]", "paris", "[UNK]", "[UNK]", "in", "[SEP]"]
    without = wordpiece(tmp_path)
    without.unk_token = None
    with pytest.raises(ValueError, match=r"nothing of the word '\\xad'"):
        WordEncoder(without)([["paris", "\xad"]])


def test_a_long_sentence_is_divided_between_words_and_shares_up_to_the_stride(tokenizers: dict[str, Any]) -> None:
    words = ["paris", "unbelievable", "in", "france", "unbelievable", "parisian", "the"]  # 1 3 1 1 3 2 1 sub-tokens
    windows = WordEncoder(tokenizers["wordpiece"], max_length=8, stride=2)([words])
    inside = [sorted({word for word in window.word_ids if word >= 0}) for window in windows]
    assert inside == [[0, 1, 2, 3], [2, 3, 4], [5, 6]]
    assert [(window.first, window.stop) for window in windows] == [(0, 3), (3, 5), (5, 7)]


def test_an_empty_sentence_is_not_lost(tokenizers: dict[str, Any]) -> None:
    empty, other = WordEncoder(tokenizers["wordpiece"])([[], ["paris"]])
    assert empty.word_ids == [-1, -1] and empty.align([]) == [-100, -100]
    assert other.sentence == 1


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda tokenizer: WordEncoder(tokenizer, 8, 6), r"stride=6 must lie in \[0, 6\): max_length=8"),
        (lambda tokenizer: WordEncoder(tokenizer, 2, 0), r"stride=0 must lie in \[0, 0\)"),
        (lambda tokenizer: WordEncoder(tokenizer)(["paris"]), "sentence 0 is the string 'paris'; pass the list"),
    ],
)
def test_what_cannot_work_gets_a_sentence(
    tokenizers: dict[str, Any], make: Callable[[Any], Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        make(tokenizers["wordpiece"])


def test_limits_come_from_the_tokenizer(tmp_path: Path) -> None:
    tokenizer = wordpiece(tmp_path)
    assert WordEncoder(tokenizer).max_length == 512  # it knows of no limit
    tokenizer.model_max_length = 40
    assert (WordEncoder(tokenizer).max_length, WordEncoder(tokenizer).stride) == (40, 10)


@given(
    sentences=st.lists(st.lists(st.sampled_from(["paris", "in", "unbelievable", "the"]), max_size=6), max_size=6),
    max_length=st.integers(6, 30),
)
def test_sentences_in_context_have_their_own_words_in_the_middle_of_others(
    tokenizers: dict[str, Any], sentences: list[list[str]], max_length: int
) -> None:
    encoder = WordEncoder(tokenizers["wordpiece"], max_length)
    document = [word for words in sentences for word in words]
    windows = encoder.in_context(sentences)
    assert {window.sentence for window in windows} == set(range(len(sentences)))
    for number, words in enumerate(sentences):
        own = [window for window in windows if window.sentence == number]
        assert sum(len(window.starts()) for window in own) == len(words)
        if len(own) == 1 and own[0].stop > own[0].first:
            seen = sorted(set(own[0].word_ids) - {-1})
            assert seen == list(range(seen[0], seen[-1] + 1)) and document[own[0].first : own[0].stop] == words
            sizes = {word: len(encoder([[word]])[0].input_ids) - 2 for word in set(document)}
            for neighbour in (seen[0] - 1, seen[-1] + 1):  # no word is left out that would have fitted
                fits = (
                    0 <= neighbour < len(document) and len(own[0].input_ids) + sizes[document[neighbour]] <= max_length
                )
                assert not fits
