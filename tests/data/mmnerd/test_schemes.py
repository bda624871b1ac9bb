import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from hf_mlm.data.mmnerd.schemes import TAGS, TYPES, entities, rename, repair, violation


SEQUENCES = st.lists(st.sampled_from(TAGS), max_size=12)


def test_the_order_of_the_labels_is_fixed() -> None:
    assert list(TAGS) == ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-MISC", "I-MISC"]


@given(SEQUENCES)
def test_entities_are_those_of_seqeval(tags: list[str]) -> None:
    assert [(item.type, item.start, item.stop - 1) for item in entities(tags)] == get_entities(tags)


@given(SEQUENCES)
def test_a_violation_is_what_a_grammar_does_not_parse(tags: list[str]) -> None:
    grammar = "|".join(f"(?:B-{kind} (?:I-{kind} )*)" for kind in TYPES)

    def is_valid(part: list[str]) -> bool:
        return re.fullmatch(f"(?:O |{grammar})*", "".join(f"{tag} " for tag in part)) is not None

    found = violation(tags)
    assert (found is None) == is_valid(tags)
    if found is not None:
        assert is_valid(tags[: found.position]) and not is_valid(tags[: found.position + 1])
        assert found.reason.startswith(f"{tags[found.position]!r} follows ")


@given(SEQUENCES)
def test_repair_changes_no_entity_and_leaves_no_violation(tags: list[str]) -> None:
    assert violation(repair(tags)) is None
    assert get_entities(repair(tags)) == get_entities(tags)
    assert repair(tags) == tags or violation(tags) is not None


@pytest.mark.parametrize("tag", ["", "o", "B", "B-", "S-PER", "B_PER", "PER", "B-PER ", "0"])
def test_other_labels_are_violations(tag: str) -> None:
    found = violation(["O", tag])
    assert found is not None and found.position == 1 and "is no IOB2 label" in found.reason
    assert entities(["B-PER", tag, "O"]) == [("PER", 0, 1)]


def test_types_are_renamed_or_dropped() -> None:
    assert rename(["B-GPE", "I-GPE", "O", "B-LOC", "B-DATE", "I-DATE"], {"GPE": "LOC", "DATE": "O"}) == [
        "B-LOC",
        "I-LOC",
        "O",
        "B-LOC",
        "O",
        "O",
    ]
