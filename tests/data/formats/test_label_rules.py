import pytest

from hf_mlm.data.formats.conll import Sentence
from hf_mlm.data.formats.label_rules import LabelRules


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
    ],
)
def test_what_is_wrong_is_told_with_its_line(tags: list[str], rules: LabelRules, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        rules.apply(Sentence(["a", "b"], tags, line=7), "f")
