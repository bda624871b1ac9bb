"""The block that translates: entities carried over by alignment, what was cut off dropped, what was lost told."""

from pathlib import Path
from typing import Any

import pytest

from hf_mlm.construction.mmnerd import translating
from hf_mlm.construction.mmnerd.records import Record
from hf_mlm.construction.mmnerd.translating import Translate
from hf_mlm.construction.mmnerd.translation import TranslationSettings
from hf_mlm.construction.stage import to_document


class Dictionary:
    """Translates what it knows."""

    def __init__(self, settings: Any, target: str, cache: Path) -> None:
        self.name, self.target = f"dictionary {target}", target

    def __call__(self, texts: list[str], source: str) -> list[str | None]:
        known = {"Ada in Rome": "in Rom Ada", "no end": None}
        return [known[text] for text in texts]


class ByHand:
    """Aligns what the dictionary says; nothing of Rome in German."""

    name = "by hand"

    def __init__(self, *_: Any) -> None:
        pass

    def __call__(self, source: list[str], target: list[str]) -> set[tuple[int, int]]:
        return {(0, 2), (1, 0)}


@pytest.fixture
def block(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Translate:
    monkeypatch.setattr(translating, "Translator", Dictionary)
    monkeypatch.setattr(translating, "EncoderAligner", ByHand)
    return Translate(TranslationSettings({"*": "m"}, "a"), tmp_path)


def test_translations(block: Translate, record: Any) -> None:
    one = record("Ada in Rome", ("Ada", "PER"), ("Rome", "LOC"))
    rows = [
        one.to_row() | {"translate_to": ["de"]},
        record("no end", id="web/en/2").to_row() | {"translate_to": ["de"]},
    ]
    rows.append(record("stays", id="web/en/3").to_row() | {"translate_to": []})
    (document,) = block.run([to_document(row) for row in rows])
    made = Record.from_row(document.metadata)
    assert (made.id, made.language, made.tokens, made.group_id) == (
        "web/de/1",
        "de",
        ["in", "Rom", "Ada"],
        one.group_id,
    )
    assert [(made.text[span.start : span.end], span.label) for span in made.spans] == [("Ada", "PER")]
    (failure,) = document.metadata["failures"]
    assert (failure["text"], failure["label"]) == ("Rome", "LOC")
    assert block.ledger.dropped == {"translation empty or cut off": 1} and sum(block.ledger.noted.values()) == 1
    assert block.ledger.facts == {"aligner": "by hand", "translator de": "dictionary de"}
