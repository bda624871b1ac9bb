import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from hf_mlm.reporting.demo_findings import ColorHistograms, nearest, word_vectors, words_for_images


def pictures(count: int, seed: int) -> list[np.ndarray]:
    """Noise around a colour of its own for each picture."""
    rng = np.random.default_rng(seed)
    return [(rng.integers(0, 200, 3) + rng.integers(0, 40, (16, 16, 3))).astype(np.uint8) for _ in range(count)]


def test_colours_count_and_not_where_they_are() -> None:
    train = pictures(20, seed=0)
    histograms = ColorHistograms(train)
    rng = np.random.default_rng(1)
    shuffled = [rng.permutation(picture.reshape(-1, 3)).reshape(16, 16, 3) for picture in train]
    vectors, moved = histograms(train), histograms(shuffled)
    assert (vectors != moved).nnz == 0
    np.testing.assert_allclose(vectors.multiply(vectors).sum(axis=1), 1)
    assert nearest(moved, vectors)[:, 0].tolist() == list(range(20))


def test_levels_are_equally_full() -> None:
    dark = [np.random.default_rng(0).gamma(2.0, 12.0, (64, 64, 3)).clip(0, 255).astype(np.uint8) for _ in range(30)]
    histograms = ColorHistograms(dark)
    red = np.bincount(
        histograms.levels[0][np.concatenate([picture[..., 0].ravel() for picture in dark])], minlength=16
    )
    assert red.min() > 0.3 * red.mean() and red.max() < 2 * red.mean()


@given(st.integers(1, 8), st.integers(0, 10_000))
def test_nearest_agrees_with_comparing_one_by_one(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    queries, gallery = rng.normal(size=(5, 6)), rng.normal(size=(8, 6))
    expected = [sorted(range(8), key=lambda row: -float(query @ gallery[row]))[:count] for query in queries]
    assert nearest(sparse.csr_matrix(queries), sparse.csr_matrix(gallery), count).tolist() == expected


def test_an_image_speaks_with_the_texts_of_images_like_it() -> None:
    texts = ["desert and sand", "desert, dunes", "forest and lake", "forest, river"]
    images = sparse.csr_matrix(np.array([[1.0, 0], [0.9, 0.1], [0, 1.0], [0.1, 0.9]]))
    vectorizer = word_vectors(texts)
    query = sparse.csr_matrix(np.array([[1.0, 0.0]]))
    words = words_for_images(query, images, vectorizer.transform(texts), count=2)
    to_texts = (words @ vectorizer.transform(["a desert", "a forest"]).T).toarray()[0]
    assert to_texts[0] > 0.3 and to_texts[1] == 0
