from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.data.mlm.views import choose_views, entity_keys


entities = st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=20, unique=True)


@given(entities, st.integers(0, 5))
def test_keys_are_the_crc_of_the_id(ids: list[str], seed: int) -> None:
    assert entity_keys(ids).tolist() == [zlib.crc32(name.encode("utf-8")) for name in ids]


@given(entities, st.sampled_from(["first", "random"]), st.data())
def test_positions_lie_below_their_counts(ids: list[str], views: str, data: st.DataObject) -> None:
    numbers = st.lists(st.integers(0, 4), min_size=len(ids), max_size=len(ids))
    counts = np.array([data.draw(numbers) for _ in range(3)])
    positions = choose_views(entity_keys(ids), counts, views)
    assert ((positions >= 0) & ((positions < counts) | (counts == 0))).all()
    assert (positions[counts == 0] == 0).all()


@given(entities, st.data())
def test_first_views_depend_on_the_entity_alone(ids: list[str], data: st.DataObject) -> None:
    counts = {name: [2, 3, 2] for name in ids}
    shuffled = data.draw(st.permutations(ids))[: max(1, len(ids) // 2)]

    def summaries(names: list[str]) -> dict[str, int]:
        positions = choose_views(entity_keys(names), np.array([counts[name] for name in names]).T)
        assert (positions[[0, 2]] == 0).all()
        return dict(zip(names, positions[1].tolist(), strict=True))

    assert summaries(shuffled).items() <= summaries(ids).items()


def test_first_views_share_out_the_languages() -> None:
    ids = [f"Q{number}" for number in range(3000)]
    languages = choose_views(entity_keys(ids), np.full((3, 3000), 3))[1]
    assert np.bincount(languages).min() > 900


def test_random_views_repeat_for_the_same_batch_and_change_with_its_order_and_the_seed() -> None:
    keys, counts = entity_keys([f"Q{number}" for number in range(50)]), np.full((3, 50), 4)
    views = choose_views(keys, counts, "random", seed=1)
    assert (choose_views(keys, counts, "random", seed=1) == views).all()
    assert (choose_views(keys[::-1].copy(), counts, "random", seed=1) != views).any()
    assert (choose_views(keys, counts, "random", seed=2) != views).any()


def test_random_views_show_everything_equally_often() -> None:
    counts = np.repeat([[2], [3], [5]], 5000, axis=1)
    positions = choose_views(entity_keys([f"Q{number}" for number in range(5000)]), counts, "random")
    for chosen, count in zip(positions, (2, 3, 5), strict=True):
        assert np.bincount(chosen, minlength=count) / 5000 == pytest.approx(np.full(count, 1 / count), abs=0.03)


def test_unknown_views_are_named() -> None:
    with pytest.raises(ValueError, match="views='best' must be one of 'first', 'random'"):
        choose_views(entity_keys(["Q1"]), np.ones((3, 1), dtype=int), "best")  # type: ignore[arg-type]
