from collections import Counter

from hf_mlm.data.checks.rows import Row
from hf_mlm.data.checks.tokens import odd_tokens
from hf_mlm.data.formats.conll import Sentence


def test_odd_tokens_are_counted_and_those_that_vanish_found() -> None:
    sentences = [
        ["\u200b", "\u200b\uf0d8", "a\u200bb"],
        ["plain", "caf\u00e9", "\U0001f600", "."],
        ["two\u00a0words", "a\u200bb"],
        ["", "\ufffd"],
    ]
    rows = [
        Row(Sentence(tokens, ["O"] * len(tokens), line=n), "en", "train", "f") for n, tokens in enumerate(sentences)
    ]
    found = odd_tokens(rows)
    assert found.characters == Counter(
        {
            "U+200B ZERO WIDTH SPACE": 4,
            "U+F0D8": 1,
            "U+00A0 NO-BREAK SPACE": 1,
            "U+FFFD REPLACEMENT CHARACTER": 1,
        }
    )
    assert (found.vanishing, found.sentences, found.examples) == (4, 2, ["f:0", "f:3"])
