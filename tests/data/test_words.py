from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.data.words import split_words


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


@pytest.mark.real
def test_it_divides_text_as_mmnerd_does(shared_data: Path) -> None:
    with gzip.open(
        shared_data / "mmnerd_en" / "valid_conll_format.txt.gz", "rt", encoding="utf8", newline="\n"
    ) as file:
        blocks = file.read().split("\n\n")
    sentences = [[line.split("\t")[0] for line in block.split("\n") if "\t" in line] for block in blocks]
    found = total = 0
    for words in filter(None, sentences):
        own = set(split_words(" ".join(words))[1])
        starts = [sum(map(len, words[:number])) + number for number in range(len(words))]
        found += sum((start, start + len(word)) in own for start, word in zip(starts, words, strict=True))
        total += len(words)
    assert total > 40_000 and found / total > 0.99
