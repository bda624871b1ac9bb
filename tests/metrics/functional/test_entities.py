import random
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval import scheme as seqeval_schemes
from seqeval.metrics import classification_report, sequence_labeling, v1
from seqeval.scheme import IOB2

from hf_mlm.metrics.functional.entities import EntityTally, entity_counts, entity_report
from hf_mlm.metrics.functional.spans import LENIENT


NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-MISC", "I-MISC"]
# Types with hyphens, without a name, of one letter; tags that continue nothing come from drawing them at random.
IOB = ["O", "B-PER", "I-PER", "B-A-B", "I-A-B", "B", "I", "B--X", "I--X", "B-X-", "I-X-", "B-", "OTHER", "O-PER"]
OTHERS = ["E-PER", "S-PER", "E-A-B", "S-A-B", "E", "S", ".", ".-PER", "X-PER", "X", "PER", "b-PER"]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::sklearn.exceptions.UndefinedMetricWarning")


def scored_by_seqeval(references, predictions, mode):
    strict = {"mode": "strict", "scheme": IOB2} if mode == "strict" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = classification_report(references, predictions, output_dict=True, zero_division=0, **strict)
    scores = {name: tuple(float(x) for x in row.values()) for name, row in report.items() if " avg" not in name}
    return scores, tuple(float(x) for x in report["micro avg"].values())


def bare(report):
    """Our report in the form of ``scored_by_seqeval``; compared without tolerance."""
    keys = ("precision", "recall", "f1", "support")
    return (
        {name: tuple(row[key] for key in keys) for name, row in report["by_type"].items()},
        tuple(report[key] for key in keys),
    )


def sentences(tags):
    """Pairs of reference and predicted sentences of equal lengths, 0 and 1 included."""
    sentence = st.lists(st.tuples(st.sampled_from(tags), st.sampled_from(tags)), max_size=7)
    return st.lists(sentence, min_size=1, max_size=6).map(
        lambda pairs: tuple([[pair[side] for pair in words] for words in pairs] for side in (0, 1))
    )


def corpus(size, seed=0):
    """Well-formed references with predictions that are right four times in five."""
    generator = random.Random(seed)
    references = []
    for _ in range(size):
        words = []
        for _ in range(generator.randint(0, 12)):
            kind = generator.choice(["PER", "LOC", "ORG", "MISC"])
            words += generator.choice([["O"], ["O"], [f"B-{kind}"], [f"B-{kind}", f"I-{kind}"]])
        references.append(words)
    noisy = [[tag if generator.random() < 0.8 else generator.choice(NAMES) for tag in words] for words in references]
    return references, noisy


def as_ids(tags, seed=0):
    """Pad to an array, with ignored positions strewn in as sub-tokens would be."""
    generator = random.Random(seed)
    rows = []
    for words in tags:
        row = []
        for tag in words:
            row += [NAMES.index(tag)] + [-100] * generator.randint(0, 2)
        rows.append(row)
    width = max(map(len, rows)) + 1
    return np.array([row + [-100] * (width - len(row)) for row in rows])


@given(sentences(IOB + OTHERS))
def test_lenient_mode_is_seqevals_default(pair):
    assert bare(entity_report(*pair)) == scored_by_seqeval(*pair, "lenient")


@given(sentences(IOB))
def test_strict_mode_is_seqevals_iob2(pair):
    assert bare(entity_report(*pair, mode="strict")) == scored_by_seqeval(*pair, "strict")


@given(sentences(NAMES[:5]))
def test_few_tags_meet_often(pair):
    for mode in ("lenient", "strict"):
        assert bare(entity_report(*pair, mode=mode)) == scored_by_seqeval(*pair, mode)


ALPHABETS = {"IOB1": "IOB", "IOB2": "IOB", "IOE1": "IOE", "IOE2": "IOE", "IOBES": "IOBES", "BILOU": "BILOU"}
TYPED = ["X", "Y", "X-Y", ""]


@pytest.mark.parametrize("average", ["micro", "macro", "weighted"])
@pytest.mark.parametrize("suffix", [False, True])
@pytest.mark.parametrize("scheme", [None, *ALPHABETS])
@given(data=st.data(), zero=st.sampled_from([0, 1, "warn"]))
def test_every_scheme_average_and_form_is_seqevals(scheme, suffix, average, data, zero):
    letters = [letter for letter in ALPHABETS.get(scheme, "BIES") if letter != "O"]
    tags = ["O"] + [f"{kind}-{letter}" if suffix else f"{letter}-{kind}" for letter in letters for kind in TYPED]
    pair = data.draw(sentences(tags + ["O"] * 4))
    options = {"average": average, "zero_division": zero, "suffix": suffix}
    score = sequence_labeling if scheme is None else v1
    strict = {} if scheme is None else {"scheme": getattr(seqeval_schemes, scheme)}
    expected = score.precision_recall_fscore_support(*pair, **options, **strict)
    report = entity_report(*pair, mode="strict" if scheme else "lenient", scheme=scheme, **options)
    found = [report[key] for key in ("precision", "recall", "f1", "support")]
    np.testing.assert_array_equal(found, np.array(expected, float))


@given(sentences(["O", "B-X", "I-X", "E-X", "S-X", "B-Y", "E-Y"]))
def test_the_scheme_of_strict_mode_is_found_as_seqeval_finds_it(pair):
    try:
        expected = classification_report(*pair, mode="strict", output_dict=True, zero_division=0)["micro avg"]
    except ValueError:  # no scheme, no entity, or tags of another scheme in the predictions
        return
    assert entity_report(*pair, mode="strict")["f1"] == expected["f1-score"]


@pytest.mark.parametrize("mode", ["lenient", "strict"])
@pytest.mark.parametrize("seed", range(5))
def test_corpora_score_as_seqeval_scores_them(mode, seed):
    references, predictions = corpus(200, seed)
    expected = scored_by_seqeval(references, predictions, mode)
    assert 0 < expected[1][2] < 1
    assert bare(entity_report(references, predictions, mode=mode)) == expected
    ids = as_ids(references, seed), as_ids(predictions, seed)
    assert bare(entity_report(*ids, label_names=NAMES, mode=mode)) == expected
    ragged = [[[NAMES.index(tag) for tag in words] for words in side] for side in (references, predictions)]
    assert bare(entity_report(*ragged, label_names=NAMES, mode=mode)) == expected


def test_predictions_are_not_read_where_references_are_ignored():
    references, predictions = (as_ids(side) for side in corpus(50))
    expected = entity_report(references, predictions, NAMES)
    predictions[references == -100] = 7
    assert entity_report(references, predictions, NAMES) == expected


@pytest.mark.parametrize("mode", ["lenient", "strict"])
def test_groups_are_scored_as_if_alone(mode):
    references, predictions = corpus(120)
    groups = [("en", "de", "fr")[i % 3] for i in range(120)]
    report = entity_report(references, predictions, mode=mode, groups=groups)
    assert list(report["by_group"]) == ["en", "de", "fr"]
    for i, group in enumerate(["en", "de", "fr"]):
        alone = scored_by_seqeval(references[i::3], predictions[i::3], mode)
        assert tuple(report["by_group"][group].values()) == alone[1]
    assert bare(report) == scored_by_seqeval(references, predictions, mode)


def test_groups_without_entities_are_reported():
    report = entity_report([["O"], ["B-PER"]], [["O"], ["B-PER"]], groups=np.array([3, 1]))
    assert report["by_group"] == {
        3: {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0},
        1: {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1},
    }


@pytest.mark.parametrize("mode", ["lenient", "strict"])
def test_counts_are_those_of_each_sentence_alone(mode):
    references, predictions = corpus(40)
    alone = [entity_counts([r], [p], mode=mode)[0] for r, p in zip(references, predictions, strict=True)]
    counts = entity_counts(references, predictions, mode=mode)
    np.testing.assert_array_equal(counts, alone)
    report = entity_report(references, predictions, mode=mode)
    assert counts.sum(axis=0)[0] / counts.sum(axis=0)[1] == report["precision"]
    assert counts.sum(axis=0)[2] == report["support"]


def test_modes_differ_where_an_entity_starts_with_an_inside_tag():
    gold, found = [["O", "B-PER"]], [["O", "I-PER"]]
    assert entity_report(gold, found)["f1"] == 1.0
    assert entity_report(gold, found, mode="strict")["f1"] == 0.0


@pytest.mark.parametrize("empty", [[], [[]], [["O", "O"]]])
def test_nothing_to_find_scores_zero(empty):
    zero = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0, "by_type": {}, "by_group": {}}
    assert entity_report(empty, empty) == zero
    assert entity_counts(empty, empty).shape == (len(empty), 3)


def test_an_array_without_sentences_or_words_scores_zero():
    for shape in ((0, 4), (3, 0)):
        assert entity_report(np.zeros(shape, int), np.zeros(shape, int), NAMES)["support"] == 0
    assert entity_report(np.full((2, 3), -100), np.full((2, 3), -100), NAMES)["support"] == 0


def test_a_tally_of_batches_is_the_report_of_all():
    references, predictions = corpus(90)
    groups = [str(i % 4) for i in range(90)]
    one, other = EntityTally(), EntityTally()
    for start in range(0, 60, 7):
        batch = slice(start, min(start + 7, 60))
        one.add(references[batch], predictions[batch], groups[batch])
    other.add(references[60:], predictions[60:], groups[60:])
    one.merge(other)
    for mode in ("lenient", "strict"):
        assert one.report(mode) == entity_report(references, predictions, mode=mode, groups=groups)


@pytest.mark.parametrize("average", ["micro", "macro", "weighted"])
def test_averages_of_groups_are_those_of_each_alone(average):
    references, predictions = corpus(40)
    groups = ["en", "de"] * 20
    report = entity_report(references, predictions, groups=groups, average=average)
    for start, group in enumerate(["en", "de"]):
        alone = entity_report(references[start::2], predictions[start::2], average=average)
        assert report["by_group"][group] == {key: alone[key] for key in ("precision", "recall", "f1", "support")}


def test_types_of_any_name_stand_by_themselves():
    tags = [["B-strict", "B-en", "B-overall", "B-micro"]]
    report = entity_report(tags, tags, groups=["en"])
    assert (
        sorted(report["by_type"]) == ["en", "micro", "overall", "strict"] and report["by_group"]["en"]["support"] == 4
    )


def test_a_tally_reports_only_what_it_counts():
    tally = EntityTally(rules=[LENIENT])
    with pytest.raises(ValueError, match="found mode='strict'"):
        tally.report("strict")


def test_a_tag_of_another_scheme_ends_strict_counting_alone():
    tally = EntityTally()
    tally.add([["B-X"]], [["B-X"]])
    tally.add([["S-X"]], [["S-X"]])
    assert tally.report()["support"] == 2
    with pytest.raises(ValueError, match="scheme IOB2, found 'S-X'; pass scheme="):
        tally.report("strict")


def test_tags_that_are_none_are_pointed_out():
    with pytest.warns(UserWarning, match="'PER' is no entity tag"):
        entity_report([["PER"]], [["O"]])


@pytest.mark.parametrize(
    ("references", "predictions", "options", "message"),
    [
        ([["O"]], [["O"], ["O"]], {}, "1 reference sentences and 2 predicted ones"),
        ([["O"], ["O", "O"]], [["O"], ["O"]], {}, "sentence 1 has 2 reference tags and 1 predicted ones"),
        (["O", "B-PER"], ["O", "O"], {}, r"references\[0\] is 'O', not a sentence"),
        ([["O"]], [[""]], {}, "the tag '' is not a tag"),
        ([[0]], [[1]], {}, "the tag 0 is not a tag such as 'B-PER'; with integer ids, pass label_names"),
        ([["O"]], [["O"]], {"label_names": NAMES}, "integer ids"),
        ([[0]], [[0]], {"label_names": ["B-PER", "I-PER"]}, "must hold 'O'"),
        (np.zeros((2, 3, 9)), np.zeros((2, 3)), {"label_names": NAMES}, r"shape \(2, 3, 9\)"),
        (np.zeros((2, 3)), np.zeros((2, 3)), {"label_names": NAMES}, "dtype float64; give integer ids"),
        (
            np.zeros((2, 3), int),
            np.zeros((2, 4), int),
            {"label_names": NAMES},
            "sentence 0 has 3 reference",
        ),
        (np.array([[9]]), np.array([[0]]), {"label_names": NAMES}, "references holds the id 9 at a scored word"),
        (np.array([[0]]), np.array([[-100]]), {"label_names": NAMES}, "predictions holds the id -100"),
        ([["E-PER"]], [["O"]], {"mode": "strict", "scheme": "IOB2"}, "scheme IOB2, found 'E-PER'; pass scheme="),
        ([["X-PER"]], [["O"]], {"mode": "strict"}, "scheme IOB2, found 'X-PER'; pass scheme="),
        ([["O"]], [["O"]], {"mode": "exact"}, "mode to be one of lenient, strict, found 'exact'"),
        ([["O"]], [["O"]], {"scheme": "BIO"}, "scheme to be one of IOB1, .*, found 'BIO'"),
        ([["O"]], [["O"]], {"average": "mean"}, "average to be one of micro, macro, weighted, found 'mean'"),
        ([["O"]], [["O"]], {"groups": ["en", "de"]}, "each of 1 sentences, found 2"),
    ],
)
def test_bad_input_is_named(references, predictions, options, message):
    with pytest.raises(ValueError, match=message):
        entity_report(references, predictions, **options)
