"""A few hundred hostile inputs for each reader, in processes of their own; ``make fuzz`` tries a million."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.__main__ import OUTCOMES, attack, is_sentence
from tests.fuzz.mutations import mutate
from tests.fuzz.readers import READERS


INPUTS = {"saved_model": 60, "weights": 60, "recipe": 100}


@pytest.mark.parametrize("name", READERS)
def test_hostile_files_are_read_as_they_were_or_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    needed = {"hdf5": "h5py", "features": "h5py", "dump": "datatrove", "stage_manifest": "datatrove"}
    if name in needed:
        pytest.importorskip(needed[name])
    counts = attack(name, 0, INPUTS.get(name, 250), tmp_path)
    assert counts["sentence"] and not {outcome: counts[outcome] for outcome in OUTCOMES[2:] if counts[outcome]}


def test_the_same_seed_makes_the_same_changes() -> None:
    content = bytes(range(256))
    made = [mutate(content, random.Random(f"conll {number}")) for number in range(50)]
    assert made == [mutate(content, random.Random(f"conll {number}")) for number in range(50)]
    assert len(set(made)) > 40


@pytest.mark.parametrize(
    ("error", "right"),
    [
        (ValueError("a.txt:3: no tag"), True),
        (FileNotFoundError("there is no a.txt"), True),
        (ValueError("no tag"), False),
        (ValueError("a.txt:" + "\nno tag" * 20), False),
        (ValueError("a.txt" + "x" * 9000), False),
        (KeyError("a.txt"), False),
        (UnicodeDecodeError("utf-8", b"a.txt", 0, 1, "a.txt"), False),
        (OSError(22, "Invalid argument", "a.txt"), False),
    ],
)
def test_bare_errors_are_told_from_sentences(error: Exception, right: bool) -> None:
    assert is_sentence(error, ["a.txt"]) == right
