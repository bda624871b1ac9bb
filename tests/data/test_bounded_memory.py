"""A memory against a dictionary without bounds, which computes the same values."""

from __future__ import annotations

import pickle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.data.bounded_memory import BoundedMemory


@given(
    batches=st.lists(st.lists(st.integers(0, 6), max_size=5), max_size=8),
    sizes=st.lists(st.integers(0, 9), min_size=7, max_size=7),
    room=st.integers(0, 40),
)
def test_values_are_right_and_each_computed_once_while_there_is_room(
    batches: list[list[int]], sizes: list[int], room: int
) -> None:
    memory: BoundedMemory[np.ndarray] = BoundedMemory(room)
    kept: set[int] = set()
    for keys in batches:
        asked: list[int] = []

        def compute(places: list[int], keys: list[int] = keys, asked: list[int] = asked) -> list[np.ndarray]:
            asked += [keys[place] for place in places]
            return [np.full(sizes[key], key, np.uint8) for key in asked]

        found = memory.get(keys, compute)
        assert [value.tolist() for value in found] == [[key] * sizes[key] for key in keys]
        assert asked == [key for key in dict.fromkeys(keys) if key not in kept]
        for key in asked:  # whatever still fits, first come, first kept
            if sum(sizes[other] for other in kept) + sizes[key] <= room:
                kept.add(key)
        assert set(memory.kept) == kept and len(memory) == len(kept)


def test_nothing_is_computed_where_everything_is_kept() -> None:
    memory: BoundedMemory[bytes] = BoundedMemory(9, size=len)
    assert memory.get(["a"], lambda places: [b"one"]) == [b"one"]
    assert memory.get(["a", "a"], lambda places: 1 / 0) == [b"one", b"one"]  # type: ignore[arg-type, return-value]
    assert memory.get([], lambda places: 1 / 0) == []  # type: ignore[arg-type, return-value]


def test_loaders_can_send_it_to_their_processes() -> None:
    memory: BoundedMemory[np.ndarray] = BoundedMemory(8)
    memory.get(["a"], lambda places: [np.zeros(1)])
    sent = pickle.loads(pickle.dumps(memory))
    assert len(sent) == 1 and sent.room == 0
