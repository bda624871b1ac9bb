"""Rounds of training."""

import json
from collections import Counter
from pathlib import Path

import pytest
from conftest import run_stage

from hf_mlm.construction.mmnerd.annotation import (
    collect_answers,
    count_open,
    round_sample,
    score_round,
    score_round_answers,
    write_annotation_tasks,
    write_round_tasks,
)
from hf_mlm.construction.mmnerd.build import draft_stages, load_ner_build_config
from hf_mlm.construction.mmnerd.records import Span
from hf_mlm.construction.mmnerd.tasks import Answers


def test_rounds_draw_other_sentences(record) -> None:
    records = [record("Rome", id=f"web/en/{number}") for number in range(25)]
    rounds = [{one.id for one in round_sample(records, number, 10)} for number in (1, 2, 3)]
    assert [len(drawn) for drawn in rounds] == [10, 10, 5] and len(set.union(*rounds)) == 25
    with pytest.raises(ValueError, match="round 4 of 10 each, found 25"):
        round_sample(records, 4, 10)


def test_accuracy(record) -> None:
    one = record("Rome met UNESCO", ("Rome", "LOC"), ("UNESCO", "ORG"))
    two = record("Rome", ("Rome", "LOC"), id="web/en/2")
    reference = {item.id: item.spans for item in (one, two)}
    answers = Answers({one.id: (Span(0, 4, "PER"), Span(9, 15, "ORG")), two.id: two.spans})
    (score,) = score_round(1, {item.id: item for item in (one, two)}, reference, {"anna": answers})
    assert (score.sentences, score.sentences_right, score.entities, score.right) == (2, 1, 4, 2)
    assert score.accuracy == 0.5
    with pytest.raises(ValueError, match="answers of ben .* found none"):
        score_round(1, {}, reference, {"ben": Answers()})


PEOPLE = ("anna", "ben", "eve")


@pytest.fixture
def build(config_file: Path, tmp_path: Path) -> Path:
    for stage in draft_stages(tmp_path / "build", load_ner_build_config(config_file), 1):
        run_stage(stage)
    return tmp_path / "build"


def answered(tasks: Path, skip: int = 0) -> Path:
    """Accept everything but the first few."""
    lines = [json.loads(line) for line in tasks.read_text().splitlines()]
    given = [line | {"answer": "ignore" if number < skip else "accept"} for number, line in enumerate(lines)]
    path = tasks.with_name(f"answered-{tasks.name}")
    path.write_text("\n".join(map(json.dumps, given)))
    return path


def test_everybody_gets_as_much_and_nobody_is_robbed(build: Path) -> None:
    counts = write_annotation_tasks(build, PEOPLE, "prodigy")
    assert sum(counts.values()) == 2 * 41 and max(counts.values()) - min(counts.values()) <= 1
    assignment = json.loads((build / "assignment.json").read_text())
    assert Counter(name for pair in assignment.values() for name in pair) == counts
    assert write_annotation_tasks(build, PEOPLE, "argilla") == counts  # the same people, another tool
    with pytest.raises(ValueError, match="Expected the annotators of"):
        write_annotation_tasks(build, ("anna", "zoe"), "prodigy")
    with pytest.raises(ValueError, match="Expected other names than 'inspector'"):
        write_annotation_tasks(build, ("anna", "inspector"), "prodigy")


def test_what_nobody_answered_stays_open(build: Path) -> None:
    with pytest.raises(FileNotFoundError, match="Expected tasks in"):
        collect_answers(build, {}, "prodigy")
    write_annotation_tasks(build, ("anna", "ben"), "prodigy")
    files = {"anna": answered(build / "tasks" / "anna.jsonl", skip=4), "ben": answered(build / "tasks" / "ben.jsonl")}
    result = collect_answers(build, files, "prodigy")
    assert (len(result.finished), result.open) == (37, 4) and count_open(build) == 4
    assert result.overall is not None and result.overall.kappa == 1 and result.overall.sentences == 37
    assert (build / "tasks" / "inspector.jsonl").read_text() == ""  # an inspector decides, and annotates nothing alone
    alone = collect_answers(build, {"ben": files["ben"]}, "prodigy")
    assert alone.overall is None and alone.open == 41 and json.loads((build / "agreement.json").read_text()) is None


def test_scores_of_rounds_are_kept_side_by_side(build: Path) -> None:
    for number in (1, 2):
        assert write_round_tasks(build, number, 5, ["anna"], "prodigy") == 5
        path = answered(build / "tasks" / f"round-{number}-anna.jsonl")
        (score,) = score_round_answers(build, number, path, {"anna": path}, "prodigy")
        assert score.accuracy == 1
    score_round_answers(build, 2, path, {"anna": path}, "prodigy")
    kept = json.loads((build / "rounds.json").read_text())
    assert [(one["round"], one["annotator"], one["accuracy"]) for one in kept] == [(1, "anna", 1), (2, "anna", 1)]
