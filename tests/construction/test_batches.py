"""Batches: nothing lost, nothing doubled, none too large."""

from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.construction.batches import batched


@given(st.lists(st.integers()), st.integers(1, 7))
def test_batches(values: list[int], size: int) -> None:
    parts = list(batched(iter(values), size))
    assert [value for part in parts for value in part] == values
    assert [len(part) for part in parts[:-1]] == [size] * (len(parts) - 1) and all(parts)
