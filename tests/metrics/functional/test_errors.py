import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.metrics.functional.entities import entity_report
from hf_mlm.metrics.functional.errors import KINDS, SCHEMES, Match, Mention, error_report


TAGS = ["O", "O", "B-X", "I-X", "B-Y", "I-Y"]
SENTENCE = st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS)), min_size=1, max_size=9)
CORPUS = st.lists(SENTENCE, min_size=1, max_size=5)


def sides(corpus):
    return [[[pair[side] for pair in words] for words in corpus] for side in (0, 1)]


@given(CORPUS)
def test_the_schemes_of_semeval_are_those_of_nervaluate(corpus):
    nervaluate = pytest.importorskip("nervaluate")
    gold, found = sides(corpus)
    mentions = [[[] for _ in corpus] for _ in range(2)]
    for number, matches in enumerate(error_report(gold, found)[1]):
        for match in matches:
            for side, mention in enumerate((match.gold, match.found)):
                if mention:
                    span = {"label": mention.type, "start": mention.start, "end": mention.stop - 1}
                    mentions[side][number].append(span)
    mentions = [[sorted(each, key=lambda span: span["start"]) for each in side] for side in mentions]
    expected = nervaluate.Evaluator(*mentions, tags=["X", "Y"], loader="dict").evaluate()["overall"]
    report = error_report(gold, found)[0]["semeval"]
    for scheme in SCHEMES:
        theirs = expected["ent_type" if scheme == "type" else scheme]
        assert report[scheme] == {key: getattr(theirs, key) for key in report[scheme]}, scheme


@given(CORPUS)
def test_kinds_and_confusion_add_up_to_the_entities(corpus):
    gold, found = sides(corpus)
    report, matches = error_report(gold, found)
    scores, swapped = entity_report(gold, found), entity_report(found, gold)
    kinds = report["kinds"]
    total = sum(kinds.values())
    assert total - kinds["invented"] == scores["support"] and total - kinds["missed"] == swapped["support"]
    assert kinds["correct"] == report["semeval"]["strict"]["correct"]
    assert round(scores["recall"] * scores["support"]) == kinds["correct"]
    assert sum(sum(row.values()) for row in report["confusion"].values()) == sum(map(len, matches)) == total
    assert report["confusion"].get("", {}).get("X", 0) <= kinds["invented"]


@pytest.mark.parametrize(
    ("gold", "found", "kind"),
    [
        ("B-X I-X O", "B-X I-X O", "correct"),
        ("B-X I-X O", "B-Y I-Y O", "wrong_type"),
        ("B-X I-X O", "O B-X O", "wrong_boundary"),
        ("B-X I-X O", "O B-Y I-Y", "wrong_type_and_boundary"),
        ("B-X O O", "O O O", "missed"),
        ("O O O", "O B-X O", "invented"),
    ],
)
def test_kinds_of_errors(gold, found, kind):
    report, ((match,),) = error_report([gold.split()], [found.split()])
    assert match.kind == kind and report["kinds"] == dict.fromkeys(KINDS, 0) | {kind: 1}


def test_the_same_words_go_before_an_overlap():
    _, (matches,) = error_report([["B-X", "I-X", "B-X"]], [["O", "B-Y", "B-X"]])
    assert matches == [
        Match("wrong_type_and_boundary", Mention("X", 0, 2), Mention("Y", 1, 2)),
        Match("correct", Mention("X", 2, 3), Mention("X", 2, 3)),
    ]
