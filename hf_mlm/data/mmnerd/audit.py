"""Audit of sentences: statistics, duplicates and leaks, contradictions, defects of labels, tokens and images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from hf_mlm.data.checks import ImageFolder
from hf_mlm.data.mmnerd.defects import (
    ImageProblems,
    LabelConflicts,
    LabelProblems,
    OddTokens,
    image_problems,
    label_conflicts,
    label_problems,
    odd_tokens,
)
from hf_mlm.data.mmnerd.duplicates import (
    ImageLeakage,
    NearRepeats,
    Repeats,
    image_leakage,
    near_repeats,
    repeated_images,
    repeated_texts,
)
from hf_mlm.data.mmnerd.schemes import TYPES
from hf_mlm.data.mmnerd.statistics import Row, Statistics, statistics


@dataclass
class AuditReport:
    """Findings of `audit`; each part is described by its class."""

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
        """Convert to plain lists and dictionaries, for JSON."""
        plain: dict[str, Any] = _plain(self)
        return plain


def audit(rows: Sequence[Row], images: ImageFolder | None = None, types: Sequence[str] = TYPES) -> AuditReport:
    """Audit sentences.

    Args:
        rows: sentences of any languages and splits (`hf_mlm.data.mmnerd.statistics.read_rows`), those of the training
            split first.
        images: folder of their images; None leaves images unchecked.
        types: expected entity types.

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
    """Convert dataclasses, tuples and counters, which `dataclasses.asdict` cannot copy."""
    if is_dataclass(value):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
