"""What a split must not tear apart: sentences of one image, and sentences that say the same."""

from __future__ import annotations

from collections.abc import Sequence

from hf_mlm.construction.mmnerd.records import Record


def split_groups(records: Sequence[Record]) -> list[str]:
    """Give each sentence a group.

    Sentences are in one group if they share an image or, within a language, a text up to case, digits and signs,
    directly or by way of others.

    Captions are made from templates: the English test part of MMNERD has 17 such texts of its training part.

    Returns:
        the name of a group for each record: the group id of its first sentence.
    """
    parents: dict[str, str] = {}
    texts: dict[tuple[str, str], str] = {}
    for record in records:
        parents.setdefault(record.group_id, record.group_id)
        letters = "".join(sign for sign in record.text.casefold() if sign.isalpha())
        if letters:
            first = texts.setdefault((record.language, letters), record.group_id)
            _join(parents, first, record.group_id)
    return [_root(parents, record.group_id) for record in records]


def _root(parents: dict[str, str], group: str) -> str:
    while parents[group] != group:
        parents[group] = parents[parents[group]]
        group = parents[group]
    return group


def _join(parents: dict[str, str], one: str, other: str) -> None:
    parents[_root(parents, other)] = _root(parents, one)
