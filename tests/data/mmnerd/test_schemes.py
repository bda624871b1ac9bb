import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from hf_mlm.data.mmnerd.conll import Sentence
from hf_mlm.data.mmnerd.schemes import (
    TAGS,
    TYPES,
    LabelRules,
    entities,
    read_labels,
    read_type_map,
    rename,
    repair,
    violation,
)


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


def test_rules_repair_and_rename() -> None:
    sentence = Sentence(["a", "b", "c", "d"], ["I-GPE", "I-GPE", "O", "B-DATE"])
    rules = LabelRules(repair=True, type_map={"GPE": "LOC", "DATE": "O"})
    assert rules.apply(sentence, "f") == ["B-LOC", "I-LOC", "O", "O"]


def test_valid_labels_stay() -> None:
    tags = ["O", "B-PER", "I-PER", "B-PER"]
    assert LabelRules().apply(Sentence(list("abcd"), tags), "f") == tags


@pytest.mark.parametrize(
    "tags, rules, complaint",
    [
        (["B-PER", "I-LOC"], LabelRules(), r"f:8: 'I-LOC' follows 'B-PER' .*; correct it, or pass repair=True"),
        (["O", "X"], LabelRules(repair=True), "f:8: 'X' is no IOB2 label, .* I-TYPE; correct it.$"),
        (["O", ""], LabelRules(repair=True), "f:8: '' is no IOB2 label"),
        (["B-GPE", "B-DATE"], LabelRules(type_map={"GPE": "LOC"}), "f:8: the entity type 'DATE' is none of PER, LOC"),
        (["B-GPE", "O"], LabelRules(type_map={"GPE": "NORP"}), "f:7: the entity type 'NORP' is none of"),
        (
            ["O", "B-DATE"],
            LabelRules(tags=("O", "B-SHIP", "I-SHIP")),
            r"f:8: the entity type 'DATE' is none of SHIP; pass labels=\['SHIP', 'DATE'\] to keep it, "
            r"type_map=\{'DATE': 'SHIP'\} to rename it, or \{'DATE': 'O'\} to drop it.$",
        ),
        (["B-X", "I-X"], LabelRules(tags=("O", "B-X")), "f:8: the label 'I-X' is none of O, B-X; add it to labels.$"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tags: list[str], rules: LabelRules, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        rules.apply(Sentence(["a", "b"], tags, line=7), "f")


def test_labels_of_other_types_are_kept() -> None:
    rules = LabelRules(type_map={"BOAT": "SHIP"}, tags=read_labels(["SHIP", "DATE"]))
    assert rules.tags == ("O", "B-SHIP", "I-SHIP", "B-DATE", "I-DATE")
    tags = ["B-BOAT", "I-BOAT", "O", "B-DATE"]
    assert rules.apply(Sentence(list("abcd"), tags), "f") == ["B-SHIP", "I-SHIP", "O", "B-DATE"]


def test_all_labels_keep_their_order() -> None:
    assert read_labels(["B-X", "O", "I-X"]) == ("B-X", "O", "I-X")


@pytest.mark.parametrize("labels", [[], "DATE", ["DATE", ""], [1], ["A B"], 5, {"DATE": 1}])
def test_what_is_no_list_of_names_is_refused(labels: object) -> None:
    with pytest.raises(ValueError, match=r"must be a list of entity types, such as \['PERSON', 'DATE'\].$"):
        read_labels(labels)


@pytest.mark.parametrize("type_map", ["GPE=LOC", ["GPE", "LOC"], {"GPE": None}, {"GPE": ["LOC"]}, {1: "LOC"}])
def test_what_is_no_map_of_types_is_refused(type_map: object) -> None:
    with pytest.raises(ValueError, match=r"^type_map=.* must map entity types to entity types, such as {'GPE'"):
        read_type_map(type_map)


@pytest.mark.parametrize("labels", [["O"], ["O", "DATE"], ["B-DATE", "I-DATE"], ["DATE", "B-SHIP"]])
def test_labels_and_types_are_not_mixed(labels: list[str]) -> None:
    with pytest.raises(ValueError, match=r"must be entity types alone, such as \['DATE'\], or all labels"):
        read_labels(labels)


def test_a_label_comes_once() -> None:
    with pytest.raises(ValueError, match="names a label twice"):
        read_labels(["DATE", "DATE"])
