import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hf_mlm.metrics.functional import retrieval
from hf_mlm.metrics.functional.bootstrap import resampled_weights
from hf_mlm.metrics.functional.retrieval import ranks, retrieval_report, sample_pools, two_way_ranks


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
    monkeypatch.setattr(retrieval, "_CHUNK_BYTES", chunk_bytes)
    np.testing.assert_array_equal(two_way_ranks(left, right), whole)


def test_float_data_agree_with_a_full_matrix():
    left = gaussian(700, 64, dtype=np.float64)
    right = left + gaussian(700, 64, seed=1, dtype=np.float64)
    order = np.argsort(-(left @ right.T), axis=1)
    np.testing.assert_array_equal(ranks(left, right), np.nonzero(order == np.arange(700)[:, None])[1] + 1)


@pytest.mark.parametrize("rows", [2, 33, 777])
def test_collapsed_embeddings_rank_in_the_middle(monkeypatch, rows):
    monkeypatch.setattr(retrieval, "_CHUNK_BYTES", 200 * 4 * rows)
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


def pair(rows, noise=2.0, width=32, seed=0):
    generator = np.random.default_rng(seed)
    images = generator.standard_normal((rows, width))
    return images, images + noise * generator.standard_normal((rows, width))


def published_protocol(queries, gallery, pools, ks):
    """The papers' figures, query by query: sort the pool, look the match up, average over the pools."""
    medians, recalls = [], {k: [] for k in ks}
    for pool in pools:
        places = []
        for row in pool:
            similarities = {other: float(np.dot(queries[row], gallery[other])) for other in pool}
            ordered = sorted(similarities, key=similarities.__getitem__, reverse=True)
            places.append(ordered.index(row) + 1)
        medians.append(np.median(places))
        for k in ks:
            recalls[k].append(sum(place <= k for place in places) / len(places))
    return {"medR": np.mean(medians), **{f"R@{k}": np.mean(shares) for k, shares in recalls.items()}}


@pytest.mark.parametrize("rows", [150, 500])
def test_pools_score_as_the_published_protocol_does(rows):
    images, texts = pair(rows)
    report = retrieval_report(images, texts, sample_size=100, repeats=3, ks=(1, 7), seed=5, resamples=0)
    pools = sample_pools(rows, 100, 3, seed=5)
    for direction, sides in (("image_to_text", (images, texts)), ("text_to_image", (texts, images))):
        expected = published_protocol(*sides, pools, (1, 7))
        assert {name: report[direction][name] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_the_full_gallery_is_scored_beside_the_pools():
    images, texts = pair(120)
    full = retrieval_report(images, texts, sample_size=50, resamples=0)["text_to_image"]["full"]
    expected = published_protocol(texts, images, [np.arange(120)], (1, 5, 10))
    places = ranks(texts, images)
    assert full == pytest.approx({**expected, "MRR": np.mean([1 / place for place in places])}, abs=1e-12)


def test_a_small_set_is_one_pool():
    report = retrieval_report(*pair(30), sample_size=500, resamples=10)
    assert (report["pools"], report["pool_size"], report["gallery_size"]) == (1, 30, 30)
    assert report["chance"] == {"medR": 15.5, "R@1": 1 / 30, "R@5": 5 / 30, "R@10": 10 / 30}
    assert report["image_to_text"]["medR"] == report["image_to_text"]["full"]["medR"]


def test_pools_hold_no_row_twice_and_follow_the_seed():
    pools = sample_pools(60, 40, 5, seed=1)
    assert pools.shape == (5, 40)
    assert all(len(set(pool)) == 40 and set(pool) <= set(range(60)) for pool in pools.tolist())
    np.testing.assert_array_equal(pools, sample_pools(60, 40, 5, seed=1))
    assert not np.array_equal(pools, sample_pools(60, 40, 5, seed=2))


def test_intervals_are_those_of_resampled_entities():
    images, texts = pair(80)
    report = retrieval_report(images, texts, sample_size=30, repeats=4, ks=(5,), seed=3, resamples=50)
    pools = sample_pools(80, 30, 4, seed=3)
    draws = []
    for weights in resampled_weights(80, 50, seed=3):
        drawn = [np.repeat(ranks(images[pool], texts[pool]), weights[pool]) for pool in pools]
        draws.append([np.mean([np.median(d) for d in drawn]), np.mean([np.mean(d <= 5) for d in drawn])])
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    intervals = report["image_to_text"]["intervals"]
    assert intervals["medR"] == pytest.approx((low[0], high[0]))
    assert intervals["R@5"] == pytest.approx((low[1], high[1]))


def test_full_intervals_are_those_of_resampled_queries():
    images, texts = pair(90)
    report = retrieval_report(images, texts, ks=(1,), resamples=40)["text_to_image"]["full"]
    _, backward = two_way_ranks(images, texts)
    draws = [np.mean(1 / np.repeat(backward, weights)) for weights in resampled_weights(90, 40, seed=0)]
    assert report["intervals"]["MRR"] == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])))
    assert report["intervals"]["medR"][0] <= report["medR"] <= report["intervals"]["medR"][1]


def test_pools_of_one_row_have_intervals_too():
    report = retrieval_report(*pair(20), sample_size=1, repeats=1, resamples=50)
    assert report["image_to_text"]["intervals"]["medR"] == (1.0, 1.0)


def test_collapsed_embeddings_score_as_chance_does():
    report = retrieval_report(np.ones((600, 8)), np.ones((600, 8)), resamples=0)
    for direction in ("image_to_text", "text_to_image"):
        assert report[direction]["medR"] == report["chance"]["medR"] == 250.5
        assert report[direction]["R@10"] == 0.0
        assert report[direction]["full"]["medR"] == 300.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_size": 0}, "sample_size=0"),
        ({"repeats": 0}, "repeats=0"),
        ({"ks": ()}, "at least one cut-off"),
        ({"ks": (0, 1)}, r"ks=\(0, 1\)"),
        ({"resamples": -1}, "resamples=-1"),
        ({"text_embeds": np.ones((3, 2))}, r"image_embeds \(4, 2\) and text_embeds \(3, 2\)"),
        ({"text_embeds": np.full((4, 2), np.nan)}, r"text_embeds has 4 row\(s\) with NaN"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        retrieval_report(**{"image_embeds": np.ones((4, 2)), "text_embeds": np.ones((4, 2)), **options})
