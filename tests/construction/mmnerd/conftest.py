"""A small edition of captions, and people who annotate it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hf_mlm.construction.mmnerd.records import Record, Span
from hf_mlm.construction.mmnerd.sources import words_of


RULES = """\
names: {Rome: GPE, New York: GPE, Ada Lovelace: PERSON, UNESCO: ORG}
patterns: {CARDINAL: ['[0-9]+']}
"""
EDITION = """\
sources:
- {kind: captions, path: captions.tsv, language: en, name: web, licence: as found}
annotators: {en: {rules: rules.yaml}}
label_map: gpe_as_loc
"""
WORDS = ("amber", "birch", "cedar", "dusky", "early", "fresh", "green", "happy", "ivory", "jolly")


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """40 captions with two entities or more, 10 with one, and lines that are none."""
    lines = [
        f"https://example.org/{number}.jpg\t{WORDS[number % 10]} {WORDS[number // 10]} UNESCO day in New York 😀"
        for number in range(40)
    ]
    lines += [f"{number}.png\ta {WORDS[number]} view of Rome" for number in range(10)]
    lines += ["no caption", "a.png\t \u200b", "b.png\t<PERSON> in Rome, New York", lines[3], "40.png\tRome"]
    content = "\n".join(lines).encode() + b"\nbad.png\t\xff\xfe in Rome\n"
    (tmp_path / "captions.tsv").write_bytes(content)
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "config.yaml").write_text(EDITION)
    return tmp_path / "config.yaml"


@pytest.fixture
def record() -> Callable[..., Record]:
    """``record(text, *spans)``: a sentence; spans are ``(surface, label)``, found once in the text."""

    def make(text: str, *spans: tuple[str, str], id: str = "web/en/1", language: str = "en") -> Record:
        places = tuple(
            Span(text.index(surface), text.index(surface) + len(surface), label) for surface, label in spans
        )
        image = id.rpartition("/")[2].partition("#")[0]
        return Record(id, text, words_of(text), places, language, image, image, "web", "as found")

    return make
