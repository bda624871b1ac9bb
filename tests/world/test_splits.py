import numpy as np
import pytest
import s2sphere
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.geo import s2
from hf_mlm.world.splits import BLOCK_LEVEL, blocks, fit_cells, split_by_group


@given(st.lists(st.integers(0, 40), min_size=1, max_size=300), st.integers(0, 5))
def test_groups_stay_together_and_shares_miss_by_at_most_the_largest_group(groups, seed):
    groups = np.array(groups)
    sides = split_by_group(groups, seed)
    assert all(len(set(sides[groups == group])) == 1 for group in set(groups))
    largest = np.bincount(groups).max()
    counts = np.bincount(sides, minlength=3)
    assert np.abs(counts - len(groups) * np.array([0.8, 0.1, 0.1])).max() <= largest


def test_the_split_depends_on_groups_and_seed_alone():
    groups = np.random.default_rng(0).integers(0, 200, 1000)
    order = np.random.default_rng(1).permutation(1000)
    np.testing.assert_array_equal(split_by_group(groups)[order], split_by_group(groups[order]))
    assert (split_by_group(groups) != split_by_group(groups, seed=1)).mean() > 0.2


def test_blocks_are_cells_of_s2sphere():
    rng = np.random.default_rng(2)
    latitudes, longitudes = rng.uniform(-90, 90, 200), rng.uniform(-180, 180, 200)
    expected = [
        s2sphere.CellId.from_lat_lng(s2sphere.LatLng.from_degrees(*place)).parent(5).id()
        for place in zip(latitudes.tolist(), longitudes.tolist(), strict=True)
    ]
    assert blocks(latitudes, longitudes).tolist() == expected


def crowd(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.normal(48, 2, count), rng.normal(9, 3, count)


def test_thresholds_are_the_papers_in_the_whole_world_and_shrink_with_it():
    latitudes, longitudes = crowd(3000)
    whole = fit_cells(latitudes, longitudes, share=1.0, coarser_than_blocks=False)
    assert whole.settings["max_entities"] == 500 and whole.settings["min_entities"] == 20
    demo = fit_cells(latitudes, longitudes, share=6000 / 234_908, coarser_than_blocks=False)
    assert demo.settings["max_entities"] == 240 and demo.settings["min_entities"] == 10


def test_cells_finer_than_blocks_are_merged_and_counted_anew():
    latitudes, longitudes = crowd(5000)
    fine = fit_cells(latitudes, longitudes, share=0.01, coarser_than_blocks=False)
    merged = fit_cells(latitudes, longitudes, share=0.01, coarser_than_blocks=True)
    assert fine.levels.max() > BLOCK_LEVEL > merged.levels.max()
    index = merged.assign(latitudes, longitudes)
    assert merged.counts.tolist() == [int((index == cell).sum()) for cell in range(len(merged))]
    assert (index[fine.assign(latitudes, longitudes) >= 0] >= 0).all()
    covered = s2.parents(fine.cell_ids[fine.levels >= 4], 4)
    assert set(merged.cell_ids.tolist()) == set(covered.tolist()) | set(fine.cell_ids[fine.levels < 4].tolist())


def test_a_world_too_small_for_cells_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="No cell holds enough"):
        fit_cells(np.array([0.0]), np.array([0.0]), share=1.0, coarser_than_blocks=True)
