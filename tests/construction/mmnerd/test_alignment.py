"""Alignment: pairs that are each other's nearest, by enumeration, and words of many sub-tokens."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hf_mlm.construction.mmnerd.alignment import EncoderAligner, mutual_nearest
from tests.construction.features.tiny import save_text_encoder


@given(
    arrays(np.float32, st.tuples(st.integers(0, 5), st.just(3)), elements=st.integers(-3, 3).map(float)),
    arrays(np.float32, st.tuples(st.integers(0, 5), st.just(3)), elements=st.integers(-3, 3).map(float)),
)
def test_every_pair_is_nearest_both_ways(sources: np.ndarray, targets: np.ndarray) -> None:
    def cosine(one: np.ndarray, other: np.ndarray) -> float:
        lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
        return float(one @ other) / lengths if lengths else 0.0

    pairs = mutual_nearest(sources, targets)
    assert len({word for word, _ in pairs}) == len(pairs) == len({word for _, word in pairs})
    for word, other in pairs:
        near = cosine(sources[word], targets[other]) + 1e-5
        assert all(cosine(sources[word], one) <= near for one in targets)
        assert all(cosine(one, targets[other]) <= near for one in sources)
    if (
        len(sources)
        and len(targets)
        and np.linalg.norm(sources, axis=1).min()
        and np.linalg.norm(targets, axis=1).min()
    ):
        assert pairs  # the most similar pair of all is one


def test_a_sentence_is_aligned_with_itself(tmp_path: Path) -> None:
    aligner = EncoderAligner(str(save_text_encoder(tmp_path)), 2)
    words = ["the", "river", "in", "paris"]
    assert aligner(words, words) == {(number, number) for number in range(4)}
    assert aligner([], words) == set() and "layer 2" in aligner.name
    with pytest.raises(ValueError, match="aligner_layer=9: .* has layers 0 to 4"):
        EncoderAligner(str(tmp_path / "bert"), 9)
