"""Values that are computed once, as many of them as there is room for."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from operator import attrgetter
from typing import Generic, TypeVar


Value = TypeVar("Value")


class BoundedMemory(Generic[Value]):
    """Values by their keys: the first ones are kept while there is room, later ones computed anew every time.

    None is ever given up for another. Training passes over all of its rows in every epoch, so that a memory that gave
    up its oldest values would have lost each of them by the time it is asked for again.

    Args:
        room: bytes that kept values may take.
        size: how many bytes a value takes; its ``nbytes`` when omitted.

    Example:
        >>> memory: BoundedMemory[bytes] = BoundedMemory(room=3, size=len)
        >>> memory.get("abca", lambda new: [b"22" if place == 0 else b"333" for place in new])
        [b'22', b'333', b'333', b'22']
        >>> len(memory)
        1
    """

    def __init__(self, room: int, size: Callable[[Value], int] = attrgetter("nbytes")):
        self.room, self.size = room, size
        self.kept: dict[Hashable, Value] = {}

    def __len__(self) -> int:
        return len(self.kept)

    def get(self, keys: Sequence[Hashable], compute: Callable[[list[int]], Iterable[Value]]) -> list[Value]:
        """Look values up, and compute those that are not kept, each once.

        Args:
            keys: what tells one value from another.
            compute: makes the values of the keys at these places, in their order; not called where all are kept. They
                own their bytes, as a view of a batch would keep the whole of it.

        Returns:
            A value for each key.
        """
        places: dict[Hashable, int] = {}
        for place, key in enumerate(keys):
            if key not in self.kept:
                places.setdefault(key, place)
        new = dict(zip(places, compute(list(places.values())), strict=True)) if places else {}
        found = [new[key] if key in new else self.kept[key] for key in keys]
        for key, value in new.items():
            if self.size(value) <= self.room:
                self.kept[key] = value
                self.room -= self.size(value)
        return found
