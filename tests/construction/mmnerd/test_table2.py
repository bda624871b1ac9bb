"""Table 2 counted by hand."""

from hf_mlm.construction.mmnerd.table2 import table2
from hf_mlm.data.checks.rows import Row
from hf_mlm.data.formats.conll import Sentence


def row(language: str, split: str, *words: tuple[str, str]) -> Row:
    tokens, tags = zip(*words, strict=True)
    return Row(Sentence(list(tokens), list(tags), "1"), language, split)


def test_both_ways_of_counting() -> None:
    rome, other = ("Rome", "B-LOC"), ("or", "O")
    table = table2([row("en", "train", rome, other, rome), row("en", "test", other), row("de", "train", rome)])
    assert list(table) == ["en, train", "en", "en, test", "de, train", "de", "all, train", "all", "all, test"]
    nothing = {"PER": 0, "ORG": 0, "MISC": 0}
    assert table["en, train"] == {
        "sentences": 1,
        "mentions": nothing | {"LOC": 2, "entities": 2},
        "names": nothing | {"LOC": 1, "entities": 1},
    }
    assert table["all"]["sentences"] == 3 and table["all"]["mentions"]["entities"] == 3
    assert table["all"]["names"]["LOC"] == 2 and table["en, test"]["mentions"]["entities"] == 0
