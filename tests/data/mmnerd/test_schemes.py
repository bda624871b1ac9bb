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
    Scheme,
    entities,
    join_tags,
    read_labels,
    read_type_map,
    recognise,
    rename,
    tags_found,
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
    repaired = Scheme().to_iob2(tags)
    assert violation(repaired) is None
    assert get_entities(repaired) == get_entities(tags)
    assert repaired == tags or violation(tags) is not None


LETTERS = {  # letters of an entity's words by its length: the only word, the first, those between, the last
    "IOB2": "BBII",
    "IOBES": "SBIE",
    "BILOU": "UBIL",
    "BMES": "SBME",
    "BILO": "BBIL",
    "IOE2": "EIIE",
    "IO": "IIII",
}
SPANS = st.lists(st.tuples(st.sampled_from(["PER", "LOC"]), st.integers(1, 4), st.integers(0, 2)), max_size=5)


def spelled(scheme: str, spans: list[tuple[str, int, int]]) -> list[str]:
    """Spell entities (type, words, words outside before the next) in a scheme."""
    tags: list[str] = []
    for position, (kind, length, gap) in enumerate(spans):
        single, first, inner, last = LETTERS.get(scheme, "IIII")
        letters = [single] if length == 1 else [first, *[inner] * (length - 2), last]
        touches = [position > 0 and spans[position - 1][0::2] == (kind, 0), gap == 0 and spans[position + 1 :][:1]]
        if scheme == "IOB1" and touches[0]:
            letters[0] = "B"
        if scheme == "IOE1" and touches[1] and spans[position + 1][0] == kind:
            letters[-1] = "E"
        tags += [f"{letter}-{kind}" for letter in letters] + ["O"] * gap
    return tags


@pytest.mark.parametrize("scheme", [*LETTERS, "IOB1", "IOE1"])
@given(sentences=st.lists(SPANS, min_size=1, max_size=4))
def test_every_scheme_is_recognised_and_comes_back_as_iob2(
    scheme: str, sentences: list[list[tuple[str, int, int]]]
) -> None:
    if scheme == "IO":  # which cannot tell neighbours of a type apart
        sentences = [[(kind, length, max(gap, 1)) for kind, length, gap in spans] for spans in sentences]
    tags = [spelled(scheme, spans) for spans in sentences]
    found = recognise(tags)
    assert [found.violation(each) for each in tags] == [None] * len(tags)
    assert [found.to_iob2(each) for each in tags] == [spelled("IOB2", spans) for spans in sentences]


@given(sentences=st.lists(SPANS, min_size=1, max_size=4))
def test_forms_are_recognised(sentences: list[list[tuple[str, int, int]]]) -> None:
    expected = [spelled("IOB2", spans) for spans in sentences]
    forms = {
        "suffix": [["O" if tag == "O" else f"{tag[2:]}-{tag[0]}" for tag in tags] for tags in expected],
        "underscore": [[tag.replace("-", "_") for tag in tags] for tags in expected],
    }
    for tags in forms.values():
        scheme = recognise(tags)
        assert [scheme.to_iob2(each) for each in tags] == expected


@pytest.mark.parametrize(
    ("tags", "title", "expected"),
    [
        (["PER", "PER", "O", "LOC"], "bare type", ["B-PER", "I-PER", "O", "B-LOC"]),
        (["B", "I", "O", "B"], "IOB2", ["B-ENTITY", "I-ENTITY", "O", "B-ENTITY"]),
        (["S-phone number", "O"], "IOBES", ["B-phone_number", "O"]),
        (["PER-S", "O", "LOC-B", "LOC-E"], "IOBES suffix", ["B-PER", "O", "B-LOC", "I-LOC"]),
        (["I-PER", "I-PER", "B-PER"], "IOB1", ["B-PER", "I-PER", "B-PER"]),
        (["O", "O"], "IOB2", ["O", "O"]),
        ([], "IOB2", []),
    ],
)
def test_titles_are_the_common_names(tags: list[str], title: str, expected: list[str]) -> None:
    scheme = recognise([tags])
    assert (scheme.title, scheme.to_iob2(tags)) == (title, expected)


@pytest.mark.parametrize(
    ("sentences", "place", "reason"),
    [
        ([["B-PER", "O"], ["O", "I-LOC"], ["B-X"]], (1, 1), "'I-LOC' follows 'O', which IOB2 does not allow"),
        ([["S-PER", "B-X", "E-X"], ["B-LOC", "O"]], (1, 1), "'O' follows 'B-LOC', which IOBES does not allow"),
        ([["U-PER", "B-X", "L-X"], ["O", "B-LOC"]], (1, 1), "ends with 'B-LOC', which BILOU does not allow"),
        ([["B-PER", "I-PER"], ["PER", "O"]], (1, 0), "'PER' is no IOB2 label, such as O and B-TYPE"),
        ([["PER-B", "PER-I"], ["O", "B-"]], (1, 1), "'B-' is no IOB2 suffix label, such as O and TYPE-B"),
    ],
)
def test_a_broken_scheme_is_the_one_that_most_labels_follow(
    sentences: list[list[str]], place: tuple[int, int], reason: str
) -> None:
    scheme = recognise(sentences)
    wrong = [scheme.violation(tags) for tags in sentences]
    first = next((number, found.position) for number, found in enumerate(wrong) if found)
    assert first == place and reason in wrong[place[0]].reason


def test_a_column_of_other_things_is_no_column_of_labels() -> None:
    with pytest.raises(ValueError, match="found ADP, DET, NN and no O"):
        recognise([["NN", "DET"], ["ADP"]])
    assert recognise([["E-BOAT", "TRAIN"]], ["E-BOAT", "TRAIN"]).form == "bare"


@pytest.mark.parametrize(
    ("tags", "joined"),
    [
        (["_", "O"], "O"),
        (["O", "B-LOC"], "B-LOC"),
        (["B-LOC", "I-LOC"], "B-LOC"),
        (["I-LOC", "O"], "I-LOC"),
        (["I-PER", "E-PER"], "E-PER"),
        (["B-PER", "E-PER"], "S-PER"),
        (["PER-B", "PER-L"], "PER-U"),
        (["B-PER", "S-LOC"], "B-PER"),
        (["PER", "PER"], "PER"),
    ],
)
def test_a_word_has_the_label_of_its_parts(tags: list[str], joined: str) -> None:
    assert join_tags(tags) == joined


@pytest.mark.parametrize("tag", ["", "o", "B", "B-", "PER", "B-PER ", "0"])
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
    rules = LabelRules(repair=True, type_map=read_type_map({"GPE": "LOC", "DATE": "O"}))
    assert rules.apply(sentence, "f") == ["B-LOC", "I-LOC", "O", "O"]


def test_valid_labels_stay() -> None:
    tags = ["O", "B-PER", "I-PER", "B-PER"]
    assert LabelRules().apply(Sentence(list("abcd"), tags), "f") == tags


@pytest.mark.parametrize(
    "tags, rules, complaint",
    [
        (["B-PER", "I-LOC"], LabelRules(), "f:8: 'I-LOC' follows 'B-PER', .*; correct it, or pass repair=True"),
        (["O", "X"], LabelRules(repair=True), "f:8: 'X' is no IOB2 label, .*; correct it.$"),
        (["I-LOC", ""], LabelRules(repair=True), "f:8: '' is no IOB2 label"),
        (["B-GPE", "B-DATE"], LabelRules(type_map={"GPE": "LOC"}), "f:8: 'DATE' is no entity type among PER, LOC"),
        (["B-GPE", "O"], LabelRules(type_map={"GPE": "NORP"}), "f:7: 'NORP' is no entity type"),
        (
            ["O", "B-DATE"],
            LabelRules(tags=("O", "B-SHIP", "I-SHIP")),
            r"f:8: 'DATE' is no entity type among SHIP; pass labels=\['SHIP', 'DATE'\] to keep it, "
            r"type_map={'DATE': 'SHIP'} to rename it, or {'DATE': 'O'} to drop it.$",
        ),
        (["B-X", "I-X"], LabelRules(tags=("O", "B-X")), "f:8: the label 'I-X' is none of O, B-X; add it to labels.$"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tags: list[str], rules: LabelRules, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        rules.apply(Sentence(["a", "b"], tags, line=7), "f")


def test_all_unknown_types_are_named() -> None:
    rules = LabelRules(tags=read_labels(["PER"]))
    with pytest.raises(ValueError, match=r"^f:2: 'X', 'Y' .* labels=\['PER', 'X', 'Y'\]"):
        rules.refuse_unknown({"B-PER": "f:1", "B-X": "f:2", "I-X": "f:3", "B-Y": "g:9"})


def test_labels_of_other_types_are_kept() -> None:
    rules = LabelRules(type_map={"BOAT": "SHIP"}, tags=read_labels(["SHIP", "DATE"]))
    assert rules.tags == ("O", "B-SHIP", "I-SHIP", "B-DATE", "I-DATE")
    tags = ["B-BOAT", "I-BOAT", "O", "B-DATE"]
    assert rules.apply(Sentence(list("abcd"), tags), "f") == ["B-SHIP", "I-SHIP", "O", "B-DATE"]


def test_all_labels_keep_their_order() -> None:
    assert read_labels(["B-X", "O", "I-X"]) == ("B-X", "O", "I-X")


@pytest.mark.parametrize(
    ("labels", "tags"),
    [
        (["O", "B-X", "E-X", "S-Y"], ("O", "B-X", "I-X", "B-Y", "I-Y")),
        (["O", "X-B", "X-I"], ("O", "B-X", "I-X")),
        (["O", "PER", "LOC"], ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")),
        (["phone number"], ("O", "B-phone_number", "I-phone_number")),
    ],
)
def test_labels_of_other_schemes_name_types(labels: list[str], tags: tuple[str, ...]) -> None:
    assert read_labels(labels) == tags


def test_types_found_are_mmnerds_first() -> None:
    assert tags_found(["O", *TAGS]) == tags_found(reversed(TAGS)) == TAGS
    assert tags_found(["I-B", "B-A", "B-LOC"]) == ("O", "B-LOC", "I-LOC", "B-A", "I-A", "B-B", "I-B")


@pytest.mark.parametrize("labels", [[], "DATE", ["DATE", ""], [1], [" B"], 5, {"DATE": 1}])
def test_what_is_no_list_of_names_is_refused(labels: object) -> None:
    with pytest.raises(ValueError, match="labels .* found " + re.escape(repr(labels))):
        read_labels(labels)


@pytest.mark.parametrize("type_map", ["GPE=LOC", ["GPE", "LOC"], {"GPE": None}, {"GPE": ["LOC"]}, {1: "LOC"}])
def test_what_is_no_map_of_types_is_refused(type_map: object) -> None:
    with pytest.raises(ValueError, match="type_map .* found " + re.escape(repr(type_map))):
        read_type_map(type_map)


@pytest.mark.parametrize("labels", [["O"], ["B-DATE", "I-DATE"], ["DATE", "B-SHIP"]])
def test_labels_and_types_are_not_mixed(labels: list[str]) -> None:
    with pytest.raises(ValueError, match="types alone.* found " + re.escape(repr(labels))):
        read_labels(labels)


def test_a_label_comes_once() -> None:
    with pytest.raises(ValueError, match=r"once, found \['DATE', 'DATE'\]"):
        read_labels(["DATE", "DATE"])
