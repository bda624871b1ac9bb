"""Some at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar


_T = TypeVar("_T")


def batched(values: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Divide values into lists of at most ``size`` (`itertools.batched` is there from Python 3.12 only).

    Example:
        >>> list(batched("abcde", 2))
        [['a', 'b'], ['c', 'd'], ['e']]
    """
    remaining = iter(values)
    while part := list(islice(remaining, size)):
        yield part
