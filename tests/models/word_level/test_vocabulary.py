from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.models.word_level.vocabulary import UNKNOWN, WordVocabulary


WORDS = st.text(string.ascii_letters + "é1", min_size=1, max_size=3)
SENTENCES = [["a", "b", "a"], ["c", "a", "b", "D2"]]


@given(st.lists(st.lists(WORDS, max_size=6), min_size=1).filter(any), st.integers(1, 3))
def test_words_are_known_from_their_count_on_and_singletons_are_those_of_one(
    sentences: list[list[str]], min_count: int
) -> None:
    vocabulary = WordVocabulary.from_sentences(sentences, min_count)
    words = [word for words in sentences for word in words]
    first, stop = vocabulary.singletons
    for word in set(words):
        index = vocabulary.word_ids([word])[0]
        if words.count(word) >= min_count:
            assert vocabulary.words[index - 2] == word
            assert (first <= index < stop) == (words.count(word) == 1)
        else:
            assert index == UNKNOWN or vocabulary.words[index - 2] == word.lower()
    assert set(vocabulary.characters) == set("".join(words))
    assert len(vocabulary) == 2 + len(set(vocabulary.words)) == 2 + len(vocabulary.words)


def test_a_word_is_looked_up_as_written_then_in_lower_case() -> None:
    vocabulary = WordVocabulary(("us", "US", "river"))
    assert vocabulary.word_ids(["US", "us", "Us", "RIVER", "Rhine", ""]) == [3, 2, 2, 4, 1, 1]


def test_words_of_other_splits_are_known_and_no_singletons() -> None:
    vocabulary = WordVocabulary.from_sentences(SENTENCES, min_count=2, also=["test", "c", "test"])
    assert vocabulary.words == ("a", "b", "c", "test") and vocabulary.singletons == (4, 5)
    assert vocabulary.spellings() == {"a", "b", "c", "test"}
    assert "t" not in vocabulary.characters  # the characters are those of training


def test_digits_may_count_as_zeros() -> None:
    vocabulary = WordVocabulary.from_sentences([["2017", "2018", "x"]], zero_digits=True)
    assert vocabulary.words == ("0000", "x") and vocabulary.singletons == (3, 4)
    assert vocabulary.word_ids(["1999", "19"]) == [2, 1]


def test_words_are_spelt_up_to_a_limit() -> None:
    vocabulary = WordVocabulary(("ab",), ("a", "b"))
    assert vocabulary.character_ids(["abba", "xa", ""], 3) == [[2, 3, 3], [1, 2], [1]]


def test_it_is_what_json_gives_back() -> None:
    vocabulary = WordVocabulary.from_sentences([["Zürich", "\u200b", "🙂", "Zürich"]])
    assert WordVocabulary(**json.loads(json.dumps(vocabulary.to_dict()))) == vocabulary
    assert vocabulary.settings() == {"vocab_size": 5, "num_characters": 10, "singletons": [3, 5]}
    assert WordVocabulary(("a",)).settings()["num_characters"] == 0


@pytest.mark.parametrize(
    ("sentences", "sentence"),
    [([], "there are no words"), ([[]], "no words"), (["Paris"], "pass the list of its words")],
)
def test_what_has_no_words_gets_a_sentence(sentences: list, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        WordVocabulary.from_sentences(sentences)
