"""Training of annotators: rounds on sentences whose entities are known (2M-NER: from 81 % to 90 %)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hf_mlm.construction.mmnerd.agreement import Pair, agreement
from hf_mlm.construction.mmnerd.exchange import Answers
from hf_mlm.construction.mmnerd.records import Record, Span
from hf_mlm.construction.mmnerd.sampling import draw


@dataclass(frozen=True)
class RoundScore:
    """What an annotator has got right in a round.

    Attributes:
        annotator: name.
        round: number of the round.
        sentences: answered.
        sentences_right: answered without any difference.
        entities: of the reference or the annotator, counted once where they are the same.
        right: entities that are the same in both.
        kappa: Cohen's, against the reference, over all words.
    """

    annotator: str
    round: int
    sentences: int
    sentences_right: int
    entities: int
    right: int
    kappa: float

    @property
    def accuracy(self) -> float:
        """Share of ``entities`` that are right: what is missed counts as what is wrong; 1 without any."""
        return self.right / self.entities if self.entities else 1.0


def round_sample(records: Sequence[Record], number: int, size: int, seed: int = 0) -> list[Record]:
    """Draw the sentences of a round, which all annotators get; rounds draw from different sentences.

    Args:
        records: of the build.
        number: of the round, from 1.
        size: sentences a round.
        seed: of the draws.

    Raises:
        ValueError: if there are no sentences left for the round.
    """
    drawn = draw(records, number * size, seed, "training")[(number - 1) * size :]
    if number < 1 or not drawn:
        raise ValueError(f"round {number} of {size} sentences each: there are {len(records)} sentences in all.")
    return drawn


def score_round(
    number: int,
    records: Mapping[str, Record],
    reference: Mapping[str, tuple[Span, ...]],
    answers: Mapping[str, Answers],
) -> list[RoundScore]:
    """Compare everybody's answers with the reference.

    Args:
        number: of the round.
        records: sentences by id.
        reference: id -> entities.
        answers: annotator -> answers; sentences outside of the reference are left aside.

    Raises:
        ValueError: if an annotator has answered nothing of the reference.
    """
    scores = []
    for name, given in answers.items():
        shared = [identity for identity in given.spans if identity in reference]
        if not shared:
            raise ValueError(f"{name} has answered no sentence of the reference of round {number}.")
        pairs = [Pair(records[identity], reference[identity], given.spans[identity]) for identity in shared]
        found = agreement(pairs)
        entities = sum(len(set(pair.first) | set(pair.second)) for pair in pairs)
        right = sum(len(set(pair.first) & set(pair.second)) for pair in pairs)
        scores.append(RoundScore(name, number, len(pairs), found.equal_sentences, entities, right, found.kappa))
    return scores
