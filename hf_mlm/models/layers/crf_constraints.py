"""Which tags may follow one another in IOB2."""

from __future__ import annotations

from collections.abc import Sequence


def iob2_allowed(label_names: Sequence[str]) -> tuple[list[bool], list[list[bool]]]:
    """Tell which tags may come first and which may follow which: I-X only after B-X or I-X.

    Args:
        label_names: "O", "B-X" and "I-X" in the order of the tags.

    Returns:
        (tags,) which may come first, and (tags, tags) whether the column's tag may follow the row's.

    Raises:
        ValueError: if a name is not of IOB2, or an "I-X" is there without its "B-X".

    Example:
        >>> first, following = iob2_allowed(["O", "B-PER", "I-PER"])
        >>> first, following[0], following[1]
        ([True, True, False], [True, True, False], [True, True, True])
    """
    for name in label_names:
        if name != "O" and name[:2] not in ("B-", "I-"):
            raise ValueError(f"label name {name!r} is not of IOB2, which knows 'O', 'B-X' and 'I-X'.")
        if name.startswith("I-") and f"B-{name[2:]}" not in label_names:
            raise ValueError(f"label name {name!r} has no 'B-{name[2:]}' beside it, so that no entity could begin.")
    first = [not name.startswith("I-") for name in label_names]
    return first, [[_may_follow(name, previous) for name in label_names] for previous in label_names]


def _may_follow(name: str, previous: str) -> bool:
    return not name.startswith("I-") or previous in (f"B-{name[2:]}", name)
