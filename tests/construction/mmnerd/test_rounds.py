"""Rounds of training."""

import pytest

from hf_mlm.construction.mmnerd.exchange import Answers
from hf_mlm.construction.mmnerd.records import Span
from hf_mlm.construction.mmnerd.rounds import round_sample, score_round


def test_rounds_draw_other_sentences(record) -> None:
    records = [record("Rome", id=f"web/en/{number}") for number in range(25)]
    rounds = [{one.id for one in round_sample(records, number, 10)} for number in (1, 2, 3)]
    assert [len(drawn) for drawn in rounds] == [10, 10, 5] and len(set.union(*rounds)) == 25
    with pytest.raises(ValueError, match="round 4 of 10 sentences"):
        round_sample(records, 4, 10)


def test_accuracy(record) -> None:
    one = record("Rome met UNESCO", ("Rome", "LOC"), ("UNESCO", "ORG"))
    two = record("Rome", ("Rome", "LOC"), id="web/en/2")
    reference = {item.id: item.spans for item in (one, two)}
    answers = Answers({one.id: (Span(0, 4, "PER"), Span(9, 15, "ORG")), two.id: two.spans})
    (score,) = score_round(1, {item.id: item for item in (one, two)}, reference, {"anna": answers})
    assert (score.sentences, score.sentences_right, score.entities, score.right) == (2, 1, 4, 2)
    assert score.accuracy == 0.5
    with pytest.raises(ValueError, match="ben has answered no sentence of the reference"):
        score_round(1, {}, reference, {"ben": Answers()})
