import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.data.splits import SPLITS, group_split, hash_split, kfold_indices


def test_position_is_the_hash_of_seed_and_group() -> None:
    groups = [f"Q{number}" for number in range(200)]
    fractions = [
        int(hashlib.blake2b(f"7:{group}".encode(), digest_size=8).hexdigest(), 16) / 2**64 for group in groups
    ]
    expected = [0 if x < 0.8 else 1 if x < 0.9 else 2 for x in fractions]
    assert hash_split(groups, seed=7).tolist() == expected


def test_published_assignments_never_move() -> None:
    assert hash_split(["Q64", "Q90", "Q84", "Q1899", "Q23178"], ratios=(0.5, 0.5), seed=1).tolist() == [0, 1, 0, 0, 0]


@given(st.lists(st.text(max_size=8), max_size=30), st.integers(0, 5), st.randoms())
def test_rows_of_a_group_stay_together_wherever_they_stand(groups: list[str], seed: int, random: object) -> None:
    rows = groups * 2
    random.shuffle(rows)  # type: ignore[attr-defined]
    together: dict[str, set[int]] = {}
    for group, split in zip(rows, hash_split(rows, seed=seed), strict=True):
        together.setdefault(group, set()).add(int(split))
    assert all(len(splits) == 1 for splits in together.values())
    assert {group: {int(hash_split([group], seed=seed)[0])} for group in together} == together


def test_shares_come_close_to_the_ratios() -> None:
    counts = np.bincount(hash_split(range(20_000)), minlength=len(SPLITS)) / 20_000
    np.testing.assert_allclose(counts, (0.8, 0.1, 0.1), atol=0.01)
    assert (hash_split(range(100), ratios=(0.0, 1.0, 0.0)) == 1).all()


def test_another_seed_draws_another_split() -> None:
    assert (hash_split(range(1000), seed=0) != hash_split(range(1000), seed=1)).any()


@pytest.mark.parametrize("ratios", [(0.8, 0.1), (1.2, -0.2), (0.5, 0.5, 0.5)])
def test_ratios_that_do_not_sum_to_one_are_refused(ratios: tuple[float, ...]) -> None:
    for split in (hash_split, group_split):
        with pytest.raises(ValueError, match=r"ratios must be positive and sum to 1, got \("):
            split([1], ratios=ratios)


def test_shares_are_those_of_the_paper() -> None:
    assert np.bincount(group_split(range(42_908))).tolist() == [34_326, 4_291, 4_291]


@given(st.lists(st.integers(0, 12), min_size=1, max_size=60), st.integers(0, 3), st.randoms())
def test_shares_are_exact_to_half_a_group_at_each_border(groups: list[int], seed: int, random: object) -> None:
    split = group_split(groups, seed=seed)
    assert all(len(set(split[np.array(groups) == group])) == 1 for group in groups)
    largest = max(groups.count(group) for group in groups)
    shares = np.cumsum(np.bincount(split, minlength=3))[:2]
    assert (np.abs(shares - len(groups) * np.array([0.8, 0.9])) <= largest / 2 + 1e-6).all()
    order = list(range(len(groups)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert (group_split([groups[i] for i in order], seed=seed) == split[order]).all()


def test_shares_hold_in_every_stratum() -> None:
    images = [number % 900 for number in range(1500)]  # 600 images in two languages, 300 in one
    languages = ["en" if number < 900 else "de" for number in range(1500)]
    split = group_split(images, strata=languages)
    assert (split[:600] == split[900:]).all()
    assert np.bincount(split[:600]).tolist() == [480, 60, 60]
    assert np.bincount(split[600:900]).tolist() == [240, 30, 30]
    with pytest.raises(ValueError, match="there are 1 strata for 2 rows; give one a row"):
        group_split([1, 2], strata=["en"])


@given(st.lists(st.integers(0, 40), min_size=40, max_size=80, unique=False), st.integers(2, 5))
def test_every_row_is_held_out_once_and_no_group_is_divided(groups: list[int], k: int) -> None:
    try:
        folds = kfold_indices(groups, k)
    except ValueError:
        assert max(map(groups.count, groups)) > len(groups) / k / 2  # a group that is as large as a fold
        return
    assert len(folds) == k
    assert sorted(row for _, held_out in folds for row in held_out.tolist()) == list(range(len(groups)))
    for train, held_out in folds:
        assert sorted([*train.tolist(), *held_out.tolist()]) == list(range(len(groups)))
        assert not {groups[row] for row in train} & {groups[row] for row in held_out}


def test_folds_are_equal_and_never_move() -> None:
    folds = kfold_indices([f"17_06_{number}" for number in range(1000)])
    assert [len(held_out) for _, held_out in folds] == [200] * 5
    assert [int(held_out[0]) for _, held_out in folds] == [0, 1, 4, 2, 3]


@pytest.mark.parametrize(
    "k, complaint", [(1, "k=1: cross-validation needs 2"), (4, "k=4: the groups of these 3 rows")]
)
def test_folds_that_cannot_be_are_refused(k: int, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        kfold_indices([1, 2, 3], k)
