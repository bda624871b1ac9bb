import random
import time
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.data.mmnerd.duplicates import (
    ImageLeakage,
    image_leakage,
    near_repeats,
    nearest,
    repeated_images,
    repeated_texts,
)


SETS = st.lists(st.frozensets(st.sampled_from("abcdefgh")), max_size=12)


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0


@given(SETS, SETS, st.sampled_from([0.2, 0.5, 2 / 3, 0.75, 0.8, 1.0]))
def test_it_finds_what_comparing_everything_finds(sets: list, queries: list, threshold: float) -> None:
    expected = []
    for query, elements in enumerate(queries):
        similarities = [jaccard(elements, other) for other in sets]
        best = max(similarities, default=0.0)
        if best >= threshold:
            expected.append((query, similarities.index(best), best))
    assert nearest(sets, queries, threshold) == expected


def test_twenty_thousand_sets_take_seconds() -> None:
    """Comparing everything would be 400 million comparisons, which take minutes."""
    draw = random.Random(0)
    words = [f"w{number}" for number in range(20_000)]
    weights = list(accumulate(1 / (number + 10) for number in range(20_000)))
    sets = [frozenset(draw.choices(words, cum_weights=weights, k=16)) for _ in range(20_000)]
    changed = [frozenset([*sorted(elements)[1:], "new"]) for elements in sets]
    start = time.process_time()
    matches = nearest(sets, changed, 0.8)
    assert time.process_time() - start < 10
    assert [match.query for match in matches] == [match.neighbour for match in matches] == list(range(20_000))


@pytest.mark.parametrize("threshold", [0.0, 1.1, -1.0])
def test_thresholds_that_mean_nothing_are_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match=f"threshold .* found {threshold}"):
        nearest([], [], threshold)


def test_texts_that_repeat(row) -> None:
    rows = [
        row("a b"),
        row("a b"),
        row("A b"),
        row("a b", "de"),
        row("a b", split="test"),
        row("a b", split="test"),
        row("A B", split="test"),
        row("c", split="test"),
    ]
    found = repeated_texts(rows)
    assert found.within == {"train": 1, "test": 1} and found.across == {"train/test": 2}
    found = repeated_texts(rows, ignore_case=True)
    assert found.within == {"train": 2, "test": 2} and found.across == {"train/test": 3}


def test_images_that_repeat_within_a_language(row) -> None:
    rows = [row("a", image_id="1"), row("b", image_id="1"), row("c", "de", "test", "1"), row("d", split="test")]
    rows += [row("e", split="test", image_id="1"), row("f", split="test")]
    found = repeated_images(rows)
    assert found.within == {"train": 1, "test": 0} and found.across == {"train/test": 1}


def test_near_repeats_between_splits_only(row) -> None:
    rows = [
        row("The cat sat on a mat", line=1),
        row("the cat sat on a rug", line=3),
        row("the cat sat on a", split="test", line=5),
        row("The CAT sat on a mat", split="test", line=7),
        row("the dog ran", split="test", line=9),
        row("something else", split="validation", line=11),
    ]
    found = near_repeats(rows, similarities=(1.0, 0.8))
    assert found.counts == {
        "train/test": {1.0: 1, 0.8: 2},
        "train/validation": {1.0: 0, 0.8: 0},
        "test/validation": {1.0: 0, 0.8: 0},
    }
    assert found.examples["train/test"] == [("f.txt:1", "f.txt:7", 1.0), ("f.txt:1", "f.txt:5", 5 / 6)]


def test_translations_of_a_training_tweet_leak(row) -> None:
    rows = [
        row("a", "en", "train", "O_1"),
        row("a", "de", "test", "O_1"),
        row("b", "de", "train", "O_2"),
        row("b", "de", "test", "O_2"),
        row("c", "de", "test", "O_3"),
        row("c", "en", "test", "O_3"),
        row("d", "de", "test"),
    ]
    assert image_leakage(rows) == [
        ImageLeakage("de", "test", sentences=3, same_language=1, other_languages=1),
        ImageLeakage("en", "test", sentences=1),
    ]
