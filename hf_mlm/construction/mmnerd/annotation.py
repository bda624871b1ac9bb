"""Annotation by people: tasks for two annotators and an inspector, their answers, and training rounds.

In the training rounds of 2M-NER, on sentences whose entities are known, accuracy rose from 81 % to 90 %.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hf_mlm.construction.mmnerd.adjudication import (
    OPEN,
    Agreement,
    Decision,
    Pair,
    adjudicate,
    agreement,
    answered_pairs,
    assign,
)
from hf_mlm.construction.mmnerd.build import read_draft
from hf_mlm.construction.mmnerd.images import image_addresses
from hf_mlm.construction.mmnerd.records import Record, Span, draw, read_records, write_records
from hf_mlm.construction.mmnerd.tasks import Answers, Task, difference, read_answers, write_tasks
from hf_mlm.files import write_text


@dataclass(frozen=True)
class RoundScore:
    """Score of an annotator in a training round."""

    annotator: str
    round: int
    sentences: int
    sentences_right: int  # without any difference
    entities: int  # of the reference or the annotator, counted once where they are the same
    right: int  # the same in both
    kappa: float  # Cohen's, against the reference, over all words

    @property
    def accuracy(self) -> float:
        """Share of ``entities`` that are right, missed ones counting as wrong; 1 without any."""
        return self.right / self.entities if self.entities else 1.0


def round_sample(records: Sequence[Record], number: int, size: int, seed: int = 0) -> list[Record]:
    """Draw the sentences of a round, which all annotators get; rounds draw from different sentences.

    Raises:
        ValueError: if there are no sentences left for the round.
    """
    drawn = draw(records, number * size, seed, "training")[(number - 1) * size :]
    if number < 1 or not drawn:
        raise ValueError(f"Expected sentences for round {number} of {size} each, found {len(records)} in all.")
    return drawn


def score_round(
    number: int,
    records: Mapping[str, Record],
    reference: Mapping[str, tuple[Span, ...]],
    answers: Mapping[str, Answers],
) -> list[RoundScore]:
    """Compare everybody's answers with the reference.

    Raises:
        ValueError: if an annotator has answered nothing of the reference.
    """
    scores = []
    for name, given in answers.items():
        shared = [identity for identity in given.spans if identity in reference]
        if not shared:
            raise ValueError(f"Expected answers of {name} to the reference of round {number}, found none.")
        pairs = [Pair(records[identity], reference[identity], given.spans[identity]) for identity in shared]
        found = agreement(pairs)
        entities = sum(len(set(pair.first) | set(pair.second)) for pair in pairs)
        right = sum(len(set(pair.first) & set(pair.second)) for pair in pairs)
        scores.append(RoundScore(name, number, len(pairs), found.equal_sentences, entities, right, found.kappa))
    return scores


ASSIGNMENT, LOG, GOLD, AGREEMENT, ROUNDS = (
    "assignment.json",
    "adjudication.jsonl",
    "gold.jsonl",
    "agreement.json",
    "rounds.json",
)
INSPECTOR = "inspector"  # name of the inspector's tasks


@dataclass(frozen=True)
class Adjudication:
    """State of a build's annotation.

    Attributes:
        overall: agreement of all annotators, None while no sentence has two answers.
        decisions: one a sentence.
        finished: sentences that are decided.
    """

    overall: Agreement | None
    decisions: list[Decision]
    finished: list[Record]

    @property
    def open(self) -> int:
        """Number of undecided sentences."""
        return len(self.decisions) - len(self.finished)


def write_annotation_tasks(
    target: Path, annotators: Sequence[str], tool: str, seed: int = 0, images: str | None = None
) -> dict[str, int]:
    """Write a file of tasks for each annotator, and the assignment.

    Args:
        target: folder of a build whose draft is finished.
        annotators: two or more names; also names of files.
        tool: of `TOOLS`.
        seed: of the assignment.
        images: address of the folder ``images`` of the build, as the tool sees it, for images without an address.

    Returns:
        annotator -> number of sentences.

    Raises:
        ValueError: if the sentences are assigned to others already, so that nobody's work is lost, or somebody is
            called ``inspector``, the name of the inspector's tasks.
    """
    if INSPECTOR in annotators:
        raise ValueError(f"Expected other names than {INSPECTOR!r}, found annotators={list(annotators)}.")
    records = read_draft(target)
    assignment = assign([record.id for record in records], annotators, seed)
    path = target / ASSIGNMENT
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) != {k: list(v) for k, v in assignment.items()}:
        raise ValueError(
            f"Expected the annotators of {path}, found others; repeat its names, or remove it to start anew."
        )
    write_text(path, json.dumps(assignment, indent=1, ensure_ascii=False))
    counts, image_of = {}, image_addresses(target, images)
    for name in annotators:
        own = [record for record in records if name in assignment[record.id]]
        write_tasks(_tasks(target, name, tool), (_proposed(record, image_of) for record in own), tool)
        counts[name] = len(own)
    return counts


def collect_answers(
    target: Path, files: Mapping[str, str | Path], tool: str, inspector: Path | None = None, images: str | None = None
) -> Adjudication:
    """Read answers, measure agreement, decide; write log, finished sentences and the inspector's tasks.

    Args:
        target: folder of a build with tasks.
        files: annotator -> export of the tool; ``"FILE#ID"`` for one person in an export of several.
        tool: of `TOOLS`.
        inspector: export of the inspector.
        images: as of `write_annotation_tasks`.

    Raises:
        FileNotFoundError: if there are no tasks, or a file is missing.
        ValueError: as `read_answers` and `adjudicate`.
    """
    records = {record.id: record for record in read_draft(target)}
    if not (target / ASSIGNMENT).is_file():
        raise FileNotFoundError(f"Expected tasks in {target}, found none; run `hf-mlm build mmnerd tasks` first.")
    assignment = json.loads((target / ASSIGNMENT).read_text(encoding="utf-8"))
    answers = {name: _read(path, records, tool) for name, path in files.items()}
    ruled = read_answers(inspector, records, tool) if inspector else None
    decisions = adjudicate(records, assignment, answers, ruled)
    finished = [records[one.id].with_spans(one.final) for one in decisions if one.final is not None]
    pairs = answered_pairs(records, decisions)
    overall = agreement(pairs) if pairs else None
    write_text(target / LOG, "".join(json.dumps(one.to_row(), ensure_ascii=False) + "\n" for one in decisions))
    write_text(target / AGREEMENT, json.dumps(_figures(overall), indent=1))
    write_records(target / GOLD, finished)
    image_of = image_addresses(target, images)
    to_inspect = [
        Task(record, one.answers, image_of(record), difference(record, one.answers))
        for one in decisions
        if one.how == OPEN and len(one.answers) == 2 and (record := records[one.id])
    ]
    write_tasks(_tasks(target, INSPECTOR, tool), to_inspect, tool, inspects=True)
    return Adjudication(overall, decisions, finished)


def write_round_tasks(
    target: Path, number: int, size: int, annotators: Sequence[str], tool: str, seed: int = 0
) -> int:
    """Write the tasks of a training round, the same for everybody, and return the number of sentences.

    Raises:
        ValueError: as `round_sample`.
    """
    sample = round_sample(read_draft(target), number, size, seed)
    image_of = image_addresses(target, None)
    for name in annotators:
        write_tasks(_tasks(target, f"round-{number}-{name}", tool), [_proposed(one, image_of) for one in sample], tool)
    return len(sample)


def score_round_answers(
    target: Path, number: int, reference: Path, files: Mapping[str, str | Path], tool: str
) -> list[RoundScore]:
    """Score a training round and keep the scores beside those of other rounds.

    Args:
        target: folder of the build.
        number: of the round.
        reference: sentences with the right entities: an export of the tool, or JSONL of finished sentences.
        files: annotator -> export of the tool.
        tool: of `TOOLS`.
    """
    records = {record.id: record for record in read_draft(target)}
    if reference.name == GOLD:
        known = {record.id: record.spans for record in read_records(reference)}
    else:
        known = read_answers(reference, records, tool).spans
    answers = {name: _read(path, records, tool) for name, path in files.items()}
    scores = score_round(number, records, known, answers)
    path = target / ROUNDS
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    kept = [score for score in earlier if score["round"] != number or score["annotator"] not in files]
    rows = kept + [asdict(score) | {"accuracy": score.accuracy} for score in scores]
    write_text(path, json.dumps(sorted(rows, key=lambda row: (row["round"], row["annotator"])), indent=1))
    return scores


def _tasks(target: Path, name: str, tool: str) -> Path:
    """File of somebody's tasks; Label Studio imports a list, the others a line each."""
    folder = target / "tasks"
    folder.mkdir(exist_ok=True)
    return folder / f"{name}.{'json' if tool == 'label-studio' else 'jsonl'}"


def count_open(target: Path) -> int:
    """Number of sentences that were given to annotators and are not decided."""
    assigned = target / ASSIGNMENT
    if not assigned.is_file():
        return 0
    decided = sum(1 for _ in read_records(target / GOLD)) if (target / GOLD).is_file() else 0
    return len(json.loads(assigned.read_text(encoding="utf-8"))) - decided


def _read(file: str | Path, records: Mapping[str, Record], tool: str) -> Answers:
    """Answers in ``FILE``, or of one person in ``FILE#ID``."""
    path, _, person = (str(file), "", "") if Path(file).is_file() else str(file).partition("#")
    return read_answers(Path(path), records, tool, person or None)


def _proposed(record: Record, image_of: Callable[[Record], str]) -> Task:
    return Task(record, {"machine": record.spans}, image_of(record))


def _figures(overall: Agreement | None) -> dict[str, float | None] | None:
    """Agreement as JSON knows it; NaN becomes null."""
    if overall is None:
        return None
    return {name: None if value != value else value for name, value in asdict(overall).items()}
