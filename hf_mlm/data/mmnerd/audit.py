"""Looks through files of sentences for what makes results wrong: leaks, duplicates, contradictions, damage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from hf_mlm.data.images import ImageFolder
from hf_mlm.data.mmnerd.checks.duplicates import (
    NearRepeats,
    Repeats,
    near_repeats,
    repeated_images,
    repeated_texts,
)
from hf_mlm.data.mmnerd.checks.images import ImageLeakage, ImageProblems, image_leakage, image_problems
from hf_mlm.data.mmnerd.checks.labels import (
    LabelConflicts,
    LabelProblems,
    OddTokens,
    label_conflicts,
    label_problems,
    odd_tokens,
)
from hf_mlm.data.mmnerd.checks.statistics import Row, Statistics, statistics
from hf_mlm.data.mmnerd.schemes import TYPES


@dataclass
class AuditReport:
    """Everything that `audit` looks for; each part is described by its class.

    Attributes:
        statistics: counts by language, split and source.
        labels: what keeps the files from being loaded.
        texts: equal texts.
        texts_ignoring_case: the same, without regard to case.
        near_texts: nearly equal texts in two splits.
        conflicts: the same words with different labels.
        image_ids: equal image ids.
        leakage: held-out sentences whose image is in the training data, in other languages too.
        images: absent and broken images.
        odd_tokens: tokens that a tokenizer may swallow.
    """

    statistics: list[Statistics]
    labels: LabelProblems
    texts: Repeats
    texts_ignoring_case: Repeats
    near_texts: NearRepeats
    conflicts: LabelConflicts
    image_ids: Repeats
    leakage: list[ImageLeakage]
    images: ImageProblems
    odd_tokens: OddTokens

    def to_dict(self) -> dict[str, Any]:
        """The report as plain lists and dictionaries, for JSON."""
        plain: dict[str, Any] = _plain(self)
        return plain


def audit(rows: Sequence[Row], images: ImageFolder | None = None, types: Sequence[str] = TYPES) -> AuditReport:
    """Look through sentences.

    Args:
        rows: sentences of any languages and splits (`hf_mlm.data.mmnerd.checks.statistics.read_rows`); where splits are compared,
            the one whose sentences come first is held to be the one to train on.
        images: their images; None when they are not to be looked at.
        types: of entities that are expected.

    Example:
        >>> from hf_mlm.data.mmnerd.conll import Sentence
        >>> rows = [Row(Sentence(["Rome", "!"], ["B-LOC", "O"]), "en", split) for split in ("train", "test")]
        >>> report = audit(rows)
        >>> report.texts.across, report.statistics[0].mentions
        ({'train/test': 1}, Counter({'LOC': 1}))
    """
    return AuditReport(
        statistics=statistics(rows),
        labels=label_problems(rows, types),
        texts=repeated_texts(rows),
        texts_ignoring_case=repeated_texts(rows, ignore_case=True),
        near_texts=near_repeats(rows),
        conflicts=label_conflicts(rows),
        image_ids=repeated_images(rows),
        leakage=image_leakage(rows),
        images=image_problems(rows, images),
        odd_tokens=odd_tokens(rows),
    )


def _plain(value: Any) -> Any:
    """Lists and dictionaries for dataclasses, tuples and counters (of which `dataclasses.asdict` makes nonsense)."""
    if is_dataclass(value):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
