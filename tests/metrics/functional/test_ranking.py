import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hf_mlm.metrics.functional import ranking
from hf_mlm.metrics.functional.ranking import ranks, two_way_ranks


# Small integers: every similarity is exact, so equal means equal and ties abound.
PAIRS = st.tuples(st.integers(1, 40), st.integers(1, 4)).flatmap(
    lambda shape: st.tuples(*[hnp.arrays(np.float32, shape, elements=st.integers(-2, 2))] * 2)
)


def rank_by_hand(queries, gallery, ties):
    """Sort the candidates of every query in Python and look where its match may stand."""
    found = []
    for i, query in enumerate(queries.tolist()):
        similarities = [sum(q * g for q, g in zip(query, row, strict=True)) for row in gallery.tolist()]
        places = [p for p, s in enumerate(sorted(similarities, reverse=True), 1) if s == similarities[i]]
        found.append({"optimistic": places[0], "pessimistic": places[-1], "average": sum(places) / len(places)}[ties])
    return found


def gaussian(rows, width, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal((rows, width)).astype(dtype)


@given(pair=PAIRS, ties=st.sampled_from(["average", "optimistic", "pessimistic"]))
def test_ranks_are_places_in_the_sorted_candidates(pair, ties):
    assert ranks(*pair, ties=ties).tolist() == rank_by_hand(*pair, ties)


@given(pair=PAIRS, ties=st.sampled_from(["average", "optimistic", "pessimistic"]))
def test_two_ways_are_both_ways(pair, ties):
    forward, backward = two_way_ranks(*pair, ties=ties)
    assert forward.tolist() == rank_by_hand(pair[0], pair[1], ties)
    assert backward.tolist() == rank_by_hand(pair[1], pair[0], ties)


@pytest.mark.parametrize("chunk_bytes", [1, 1 << 16, 1 << 18])
def test_chunks_change_nothing(monkeypatch, chunk_bytes):
    left = np.random.default_rng(0).integers(-3, 4, (611, 5)).astype(np.float32)
    right = np.roll(left, 1, axis=1)
    whole = two_way_ranks(left, right)
    monkeypatch.setattr(ranking, "_CHUNK_BYTES", chunk_bytes)
    np.testing.assert_array_equal(two_way_ranks(left, right), whole)


def test_float_data_agree_with_a_full_matrix():
    left = gaussian(700, 64, dtype=np.float64)
    right = left + gaussian(700, 64, seed=1, dtype=np.float64)
    order = np.argsort(-(left @ right.T), axis=1)
    np.testing.assert_array_equal(ranks(left, right), np.nonzero(order == np.arange(700)[:, None])[1] + 1)


@pytest.mark.parametrize("rows", [2, 33, 777])
def test_collapsed_embeddings_rank_in_the_middle(monkeypatch, rows):
    monkeypatch.setattr(ranking, "_CHUNK_BYTES", 200 * 4 * rows)
    left, right = np.repeat(gaussian(1, 1024), rows, axis=0), np.repeat(gaussian(1, 1024, seed=1), rows, axis=0)
    for direction in two_way_ranks(left, right):
        np.testing.assert_array_equal(direction, (rows + 1) / 2)


def test_one_collapsed_side_ties_only_its_own_candidates():
    left, right = gaussian(300, 512), np.repeat(gaussian(1, 512, seed=1), 300, axis=0)
    forward, backward = two_way_ranks(left, right)
    np.testing.assert_array_equal(forward, 150.5)
    assert sorted(backward) == list(range(1, 301))


def test_nearly_collapsed_embeddings_do_not_look_perfect():
    base = np.repeat(gaussian(1, 1024), 1000, axis=0) / 32
    noise = np.float32(1e-7)
    forward, backward = two_way_ranks(base + noise * gaussian(1000, 1024, 1), base + noise * gaussian(1000, 1024, 2))
    assert 400 < np.median(forward) < 600
    assert 400 < np.median(backward) < 600


def test_a_negative_zero_is_a_zero():
    gallery = np.array([[0.0, 1.0], [-0.0, 1.0], [1.0, 0.0]])
    assert ranks(gallery, gallery).tolist() == [1.5, 1.5, 1.0]


@pytest.mark.parametrize("dtype", [np.float16, np.int64, np.float64])
def test_any_real_dtype_ranks(dtype):
    rows = np.array([[1, 0], [1, 1], [0, 1]], dtype)
    assert ranks(rows, rows).tolist() == [1.5, 1.0, 1.5]


def test_memory_stays_flat():
    left, right = gaussian(22_000, 4), gaussian(22_000, 4, seed=1)
    tracemalloc.start()
    two_way_ranks(left, right)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


@pytest.mark.parametrize(
    ("queries", "gallery", "message"),
    [
        (np.ones((3, 2)), np.ones((4, 2)), r"queries \(3, 2\) and gallery \(4, 2\) must have one shape"),
        (np.ones(3), np.ones(3), r"queries has the shape \(3,\)"),
        (np.ones((0, 3)), np.ones((0, 3)), "at least one row"),
        ([["a"]], [["b"]], "give real numbers"),
        (np.ones((2, 2)), np.array([[1, 1], [np.nan, 1]]), r"gallery has 1 row\(s\) with NaN.* at row 1"),
        (np.array([[np.inf, 1], [1, 1]]), np.ones((2, 2)), r"queries has 1 row\(s\).* at row 0"),
        (np.full((2, 2), 1e30, np.float32), np.ones((2, 2), np.float32), "overflowing"),
    ],
)
def test_what_has_no_ranks_is_refused(queries, gallery, message):
    with pytest.raises(ValueError, match=message):
        ranks(queries, gallery)


def test_an_unknown_rule_for_ties_is_refused():
    with pytest.raises(ValueError, match="ties='mean' is unknown; choose one of average, optimistic, pessimistic"):
        ranks([[1.0]], [[1.0]], ties="mean")
