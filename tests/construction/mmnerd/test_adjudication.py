"""Who sees what, and who decides."""

from collections import Counter

import pytest

from hf_mlm.construction.mmnerd.adjudication import adjudicate, answered_pairs, assign
from hf_mlm.construction.mmnerd.exchange import Answers
from hf_mlm.construction.mmnerd.records import Span


ROME, NAME = (Span(0, 4, "LOC"),), (Span(0, 4, "PER"),)


def test_everybody_works_with_everybody() -> None:
    assignment = assign([f"s{number}" for number in range(60)], ["a", "b", "c", "d"], seed=3)
    assert set(Counter(assignment.values()).values()) == {10} and len(set(assignment.values())) == 6
    assert assignment == assign([f"s{number}" for number in range(60)], ["a", "b", "c", "d"], seed=3)
    with pytest.raises(ValueError, match="two people"):
        assign(["s"], ["a"])
    with pytest.raises(ValueError, match="none named twice"):
        assign(["s"], ["a", "a"])


def test_decisions(record) -> None:
    records = {f"web/en/{number}": record("Rome sleeps", id=f"web/en/{number}") for number in range(5)}
    assignment = dict.fromkeys(records, ("anna", "ben"))
    ids = list(records)
    anna = Answers({ids[0]: ROME, ids[1]: ROME, ids[2]: ROME, ids[3]: ROME, ids[4]: ROME})
    ben = Answers({ids[0]: ROME, ids[1]: NAME, ids[2]: NAME, ids[3]: ROME})
    inspector = Answers({ids[2]: NAME, ids[3]: ()})
    decisions = adjudicate(records, assignment, {"anna": anna, "ben": ben}, inspector)
    assert [(one.how, one.final, one.overruled) for one in decisions] == [
        ("agreed", ROME, False),
        ("open", None, False),
        ("inspected", NAME, False),
        ("inspected", (), True),
        ("open", None, False),
    ]
    assert len(answered_pairs(records, decisions)) == 4
    assert decisions[1].to_row()["answers"]["ben"] == [{"start": 0, "end": 4, "label": "PER"}]
    with pytest.raises(ValueError, match="carl has answered 5 sentences that were not assigned"):
        adjudicate(records, assignment, {"carl": anna})
