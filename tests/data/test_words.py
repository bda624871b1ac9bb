from __future__ import annotations

import gzip
import pickle
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.data.words import RULES, WordSplitter, join_words, split_words


@given(st.text())
def test_words_are_where_they_say_and_only_white_space_is_left_out(text: str) -> None:
    words, spans = split_words(text)
    assert [text[start:stop] for start, stop in spans] == words
    assert "".join(words) == "".join(character for character in text if not character.isspace())
    assert all(a[1] <= b[0] for a, b in zip(spans, spans[1:], strict=False))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Obama's trip, 12:30 — 1,000.5 km!", ["Obama", "'s", "trip", ",", "12:30", "—", "1,000.5", "km", "!"]),
        ("L’été à Noe\u0308l", ["L", "’", "été", "à", "Noe\u0308l"]),
        ("the U.S. can't -- ''really''...", ["the", "U.S.", "can", "'t", "--", "''", "really", "''", "..."]),
        ("#Köln ❤\ufe0f", ["#", "Köln", "❤", "\ufe0f"]),
        ("¿Dónde?\u200b\uf0d8", ["¿", "Dónde", "?", "\u200b", "\uf0d8"]),
        (" \n", []),
    ],
)
def test_words_of_four_languages(text: str, words: list[str]) -> None:
    assert split_words(text)[0] == words


def mmnerd_sentences(shared_data: Path) -> list[list[str]]:
    path = shared_data / "mmnerd_en" / "valid_conll_format.txt.gz"
    with gzip.open(path, "rt", encoding="utf8", newline="\n") as file:
        blocks = file.read().split("\n\n")
    sentences = ([line.split("\t")[0] for line in block.split("\n") if "\t" in line] for block in blocks)
    return list(filter(None, sentences))


def share_found(splitter: WordSplitter, sentences: Sequence[Sequence[str]]) -> float:
    """Of the words of sentences that single spaces join, counted with positions of their own."""
    found = total = 0
    for words in sentences:
        own = set(splitter(" ".join(words))[1])
        starts = [sum(map(len, words[:number])) + number for number in range(len(words))]
        found += sum((start, start + len(word)) in own for start, word in zip(starts, words, strict=True))
        total += len(words)
    return found / total


@pytest.mark.real
def test_it_divides_text_as_mmnerd_does(shared_data: Path) -> None:
    sentences = mmnerd_sentences(shared_data)
    assert sum(map(len, sentences)) > 40_000 and share_found(WordSplitter("mmnerd"), sentences) > 0.99


@pytest.mark.real
def test_a_rule_that_is_learnt_divides_held_out_sentences_better(shared_data: Path) -> None:
    sentences = mmnerd_sentences(shared_data)
    learnt, kept = WordSplitter.from_sentences(sentences[::2])
    assert learnt.rule == "unicode" and kept.spaced > 0.99
    assert share_found(learnt, sentences[1::2]) > max(0.995, share_found(WordSplitter("mmnerd"), sentences[1::2]))


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(lambda word: word.strip())


@given(st.lists(st.lists(WORDS, max_size=6), max_size=5), st.sampled_from([None, *RULES]), st.text())
def test_spans_are_exact_and_nothing_visible_is_left_out(sentences: list[list[str]], rule: str, text: str) -> None:
    words, spans = WordSplitter.from_sentences(sentences, rule)[0](text)
    assert [text[start:stop] for start, stop in spans] == words
    assert all(a[1] <= b[0] for a, b in zip(spans, spans[1:], strict=False))
    inside = {position for start, stop in spans for position in range(start, stop)}
    left_out = {text[position] for position in range(len(text)) if position not in inside}
    assert all(character.isspace() or unicodedata.category(character)[0] == "C" for character in left_out)


CORPORA = {
    "hyphens and initials": (
        [["Jana", "O'Neill", "left", "Guinea-Bissau", "on", "1996-12-06", "."], ["The", "U.S.", "fell", ",", "too"]],
        "O'Brien left Timor-Leste on 2001-01-02.",
        ["O'Brien", "left", "Timor-Leste", "on", "2001-01-02", "."],
    ),
    "hyphens divided": (
        [["state", "-", "of", "-", "the", "-", "art", "trains", "in", "Guinea", "-", "Bissau"]],
        "Timor-Leste's",
        ["Timor", "-", "Leste", "'", "s"],
    ),
    "clitics and elisions": (
        [["Obama", "'s", "trip"], ["l'", "Europe", "et", "d'", "Oslo", "."], ["aujourd'hui", "qu'", "il", "'s"]],
        "Lind's trip à l'Irlande aujourd'hui",
        ["Lind", "'s", "trip", "à", "l'", "Irlande", "aujourd'hui"],
    ),
    "Devanagari": (
        [["मीरा", "दिल्ली", "में", "रहती", "है", "।"], ["कल", "सुनील", "गई", "।"]],
        "गीता मुंबई में रहती है।",
        ["गीता", "मुंबई", "में", "रहती", "है", "।"],
    ),
    "Arabic": (
        [["زار", "محمّد", "بَيْرُوت", "،", "عاصمة", "لُبنان", "."]],
        "عاصمة بَيْرُوت، محمّد.",
        ["عاصمة", "بَيْرُوت", "،", "محمّد", "."],
    ),
    "Chinese characters": (
        [["我", "住", "在", "北", "京", "。"], ["张", "三", "有", "iPhone", "。"]],
        "张三住在iPhone。",
        ["张", "三", "住", "在", "iPhone", "。"],
    ),
    "every character": ([list("我有iPhone。")], "在iPad", ["在", "i", "P", "a", "d"]),
    "Thai words": (
        [["ฉัน", "รัก", "กรุงเทพ"], ["เขา", "รัก", "เชียงใหม่"]],
        "เขารักกรุงเทพ",
        ["เขา", "รัก", "กรุงเทพ"],
    ),
}


@pytest.mark.parametrize("name", CORPORA)
def test_text_is_split_as_the_training_words_are(name: str) -> None:
    sentences, text, words = CORPORA[name]
    splitter, kept = WordSplitter.from_sentences(sentences * 8)
    assert splitter(text)[0] == words
    assert kept == (1, 1)


def test_words_that_keep_their_punctuation_are_divided_by_spaces_alone() -> None:
    names = ["Oslo", "Cork", "Bergen", "Lima", "Perth", "Wien", "Bonn", "Rome", "Kyiv", "Riga", "Nice", "Lviv"]
    sentences = [["We", "saw", f"{name},", f"{other}."] for name, other in zip(names, reversed(names), strict=True)]
    splitter, kept = WordSplitter.from_sentences(sentences)
    assert splitter("Galway, Ireland.")[0] == ["Galway,", "Ireland."] and kept == (1, 1)


def test_invisible_characters_are_no_words_and_emoji_are_whole() -> None:
    splitter = WordSplitter("unicode")
    assert splitter("\ufeffa\u200b b\u200e \u200b")[0] == ["a", "b"]
    assert splitter("👍🏽👨\u200d👩\u200d👧 ❤\ufe0f")[0] == ["👍🏽", "👨\u200d👩\u200d👧", "❤\ufe0f"]
    assert splitter("Don\u00adau \u0645\u06cc\u200c\u062e\u0648\u0627\u0647")[0] == ["Don\u00adau", "می\u200cخواه"]


def test_a_rule_can_be_set_and_an_unknown_one_is_named() -> None:
    sentences = [["Guinea-Bissau", "."]]
    assert [WordSplitter.from_sentences(sentences, rule)[0].rule for rule in RULES] == list(RULES)
    assert WordSplitter("whitespace")("a-b c.")[0] == ["a-b", "c."]
    with pytest.raises(ValueError, match="word_splitter to be one of .*whitespace, found 'spacy'"):
        WordSplitter("spacy")


def test_what_is_saved_makes_the_same_splitter() -> None:
    splitter = WordSplitter.from_sentences(CORPORA["hyphens and initials"][0])[0]
    assert WordSplitter(splitter.rule, **splitter.settings) == splitter == pickle.loads(pickle.dumps(splitter))
    assert WordSplitter("mmnerd").settings == {}


def test_words_are_joined_as_people_write() -> None:
    words = ["«", "Ana", "'s", "trip", "»", ",", "(", "l'", "Ain", ")", "!", "北", "京", "2"]
    text, spans = join_words(words, natural=True)
    assert text == "«Ana's trip», (l'Ain)! 北京 2" and [text[start:stop] for start, stop in spans] == words
    assert join_words(words)[0] == " ".join(words) and join_words([]) == ("", [])
