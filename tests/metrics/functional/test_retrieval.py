import numpy as np
import pytest

from hf_mlm.metrics.functional.bootstrap import resampled_weights
from hf_mlm.metrics.functional.retrieval import ranks, retrieval_report, sample_pools, two_way_ranks


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
