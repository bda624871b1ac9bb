"""Batches of rows of like length, in random order: little padding, and no drift from long to short."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler


class LengthBucketSampler(Sampler[int]):
    """Yields row numbers so that every ``batch_size`` of them in a row are of like length.

    The rows are shuffled, sorted by length in buckets of ``batches_per_bucket`` batches, cut into batches, and the
    batches shuffled; the one that is not full comes last. Order depends on ``seed`` and epoch alone, so that all
    processes agree on it and a resumed run finds it again.

    Args:
        lengths: (rows,), such as sub-tokens of each sentence.
        batch_size: rows that one step takes together: of all processes, and of all steps that are accumulated.
        seed: of the shuffling.
        batches_per_bucket: more of them pad less and mix less.

    Example:
        >>> sampler = LengthBucketSampler([9, 1, 8, 2], batch_size=2)
        >>> order = list(sampler)
        >>> sorted([sorted(order[:2]), sorted(order[2:])])
        [[0, 2], [1, 3]]
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int = 0, batches_per_bucket: int = 100):
        self.lengths = np.asarray(lengths)
        self.batch_size, self.seed, self.batches_per_bucket = batch_size, seed, batches_per_bucket
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.lengths)

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch; accelerate calls this."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng((self.seed, self.epoch))
        rows = generator.permutation(len(self.lengths))
        bucket = self.batch_size * self.batches_per_bucket
        number = np.arange(len(rows)) // bucket  # (rows,), the bucket of each
        rows = rows[np.lexsort((self.lengths[rows], number))]
        full = len(rows) // self.batch_size * self.batch_size
        batches = generator.permutation(rows[:full].reshape(-1, self.batch_size))  # shuffles the first axis
        yield from batches.ravel().tolist()
        yield from rows[full:].tolist()


def padding_waste(lengths: Sequence[int], order: Sequence[int], batch_size: int) -> float:
    """Share of padded positions that hold nothing, when each batch is padded to its longest row.

    Args:
        lengths: (rows,) of each row.
        order: row numbers as a sampler yields them.
        batch_size: rows of a batch.

    Returns:
        Positions of padding over positions that hold something.

    Example:
        >>> padding_waste([4, 2, 2], [0, 1, 2], batch_size=2)
        0.25
    """
    ordered = np.asarray(lengths)[np.asarray(order)]
    starts = np.arange(0, len(ordered), batch_size)
    longest = np.maximum.reduceat(ordered, starts)
    rows = np.diff(starts, append=len(ordered))
    return float((longest * rows).sum() / ordered.sum() - 1)
