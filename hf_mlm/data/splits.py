"""Which split a row belongs to, decided by a seeded hash of its group."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


SPLITS: tuple[str, ...] = ("train", "validation", "test")


def hash_split(
    group_ids: Iterable[str | int], ratios: Sequence[float] = (0.8, 0.1, 0.1), seed: int = 0
) -> NDArray[np.int8]:
    """Assign rows to splits so that all rows of a group share one, whatever other rows there are.

    The position of a group in [0, 1) is the 64-bit BLAKE2b hash of ``"<seed>:<group>"``, so that a split is the same
    on every platform and does not move when rows are added, dropped or reordered. (The authors' split was drawn
    without a seed and cannot be repeated; where their files carry it, it is replayed instead.)

    Args:
        group_ids: one id a row (an entity, an image); equal ids go to the same split.
        ratios: expected share of groups in each split; positive and summing to 1.
        seed: another seed draws another split.

    Returns:
        int8 (rows,): index into ``ratios``, hence into ``SPLITS`` by default.

    Raises:
        ValueError: if a ratio is negative or they do not sum to 1.

    Example:
        >>> hash_split(["Q64", "Q90", "Q64"], ratios=(0.5, 0.5), seed=1)
        array([0, 1, 0], dtype=int8)
    """
    bounds = _bounds(ratios)
    groups = [str(group) for group in group_ids]
    position = {group: _position(group, seed) for group in set(groups)}
    return np.searchsorted(bounds, [position[group] for group in groups], side="right").astype(np.int8)


def group_split(
    group_ids: Iterable[str | int],
    ratios: Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    strata: Iterable[str] | None = None,
) -> NDArray[np.int8]:
    """Assign rows to splits so that all rows of a group share one and the shares are exact.

    Groups stand in the order of their hashes, and each goes where its middle row falls. So the shares are those of
    rows, to within half a group, where `hash_split` comes close to them only; in return, rows that are added may move
    others. MMNERD's 42,908 sentences become 34,326, 4,291 and 4,291, as in 2M-NER, Table 2.

    Args:
        group_ids: one id a row (the image, shared by the translations of a sentence).
        ratios: share of rows in each split; positive and summing to 1.
        seed: another seed draws another split.
        strata: one a row (its language, its source): the shares hold in each. Groups with rows in several are strata
            of their own.

    Returns:
        int8 (rows,): index into ``ratios``, hence into ``SPLITS`` by default.

    Raises:
        ValueError: if a ratio is negative, they do not sum to 1, or there is not one stratum a row.

    Example:
        >>> group_split(["a", "a", "b", "b", "c", "c", "d", "d"], ratios=(0.5, 0.25, 0.25))
        array([1, 1, 0, 0, 0, 0, 2, 2], dtype=int8)
    """
    bounds = _bounds(ratios)
    numbers: dict[str, int] = {}
    group_of = np.array([numbers.setdefault(str(group), len(numbers)) for group in group_ids], dtype=np.int64)
    sizes = np.bincount(group_of, minlength=len(numbers))
    order = np.argsort([_position(group, seed) for group in numbers])
    split = np.empty(len(numbers), dtype=np.int8)
    for members in _by_stratum(order, group_of, strata):
        ends = np.cumsum(sizes[members])
        split[members] = np.searchsorted(bounds, (ends - sizes[members] / 2) / ends[-1], side="right")
    return split[group_of]


def kfold_indices(
    group_ids: Iterable[str | int], k: int = 5, seed: int = 0
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Divide rows into k folds, no group in two, for cross-validation (2M-NER, Table 8).

    Args:
        group_ids: one id a row.
        k: number of folds, 2 or more.
        seed: another seed draws other folds.

    Returns:
        for each fold, int64 positions of the rows outside it (to train on) and inside it (held out), ascending.

    Raises:
        ValueError: if k is less than 2 or the groups do not fill k folds.

    Example:
        >>> [held_out.tolist() for _, held_out in kfold_indices(["a", "b", "a", "c"], k=2)]
        [[1, 3], [0, 2]]
    """
    if k < 2:
        raise ValueError(f"k={k}: cross-validation needs 2 folds or more.")
    fold = group_split(group_ids, [1 / k] * k, seed)
    if len(np.unique(fold)) < k:
        raise ValueError(f"k={k}: the groups of these {len(fold)} rows are too few or too unequal for {k} folds.")
    return [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(k)]


def _bounds(ratios: Sequence[float]) -> NDArray[np.float64]:
    if min(ratios) < 0 or abs(sum(ratios) - 1) > 1e-9:
        raise ValueError(f"ratios must be positive and sum to 1, got {tuple(ratios)}.")
    return np.cumsum(ratios)[:-1]


def _by_stratum(
    order: NDArray[np.int64], group_of: NDArray[np.int64], strata: Iterable[str] | None
) -> list[NDArray[np.int64]]:
    """The groups of each stratum, in the given order."""
    if strata is None:
        return [order] if len(order) else []
    listed = list(strata)
    if len(listed) != len(group_of):
        raise ValueError(f"there are {len(listed)} strata for {len(group_of)} rows; give one a row.")
    of_group: list[set[str]] = [set() for _ in order]
    for group, stratum in zip(group_of.tolist(), listed, strict=True):
        of_group[group].add(stratum)
    members: dict[frozenset[str], list[int]] = {}
    for group in order.tolist():
        members.setdefault(frozenset(of_group[group]), []).append(group)
    return [np.array(groups) for groups in members.values()]


def _position(group: str, seed: int) -> float:
    digest = hashlib.blake2b(f"{seed}:{group}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
