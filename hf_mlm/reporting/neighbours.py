"""The baseline beside the demo's figures: look up the most similar training examples, and answer as they would.

Images are compared by their colours, texts by their words. Nothing is learned but which colours and words are common.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize


LEVELS = 16  # of each of red, green and blue


class ColorHistograms:
    """Describe images by how often each colour occurs, wherever in the image.

    Red, green and blue are cut into 16 levels each, equally full over the training images, because overhead images are
    dark. A dot product of two descriptions is the Bhattacharyya coefficient of the histograms, 1 for equal ones.

    Args:
        images: training images, RGB, as Pillow images or uint8 arrays (height, width, 3).

    Example:
        >>> black, grey = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 99, np.uint8)
        >>> histograms = ColorHistograms([black, grey])
        >>> vectors = histograms([black, grey])
        >>> (vectors @ vectors.T).toarray().tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """

    def __init__(self, images: Sequence[Any]):
        pixels = np.concatenate([np.asarray(image).reshape(-1, 3)[::37] for image in images])  # (pixels, 3)
        edges = np.quantile(pixels, np.arange(1, LEVELS) / LEVELS, axis=0)  # (levels - 1, 3)
        values = np.arange(256)
        self.levels = np.stack([np.searchsorted(edges[:, color], values) for color in range(3)])  # (3, 256)

    def __call__(self, images: Sequence[Any]) -> sparse.csr_matrix:
        """Turn N images into sparse (N, 4096) rows of unit length."""
        rows = []
        for image in images:
            red, green, blue = np.asarray(image).reshape(-1, 3).T  # (pixels,) each
            colors = (self.levels[0][red] * LEVELS + self.levels[1][green]) * LEVELS + self.levels[2][blue]
            counts = np.bincount(colors, minlength=LEVELS**3)
            rows.append(sparse.csr_matrix(np.sqrt(counts / counts.sum())))
        return sparse.vstack(rows, format="csr")


def word_vectors(texts: Sequence[str]) -> TfidfVectorizer:
    """Fit tf-idf on training texts; ``transform`` gives sparse rows of unit length, rare words heavier."""
    return TfidfVectorizer(token_pattern=r"\w+", sublinear_tf=True).fit(texts)


def nearest(queries: sparse.csr_matrix, gallery: sparse.csr_matrix, count: int = 1) -> NDArray[np.int64]:
    """Find the rows of ``gallery`` with the largest dot product.

    Args:
        queries: (N, D).
        gallery: (M, D).
        count: how many, at most M.

    Returns:
        int64 (N, count), best first.
    """
    similarities = (queries @ gallery.T).toarray()  # (N, M)
    return np.argsort(-similarities, axis=1, kind="stable")[:, :count]


def words_for_images(
    images: sparse.csr_matrix, train_images: sparse.csr_matrix, train_texts: sparse.csr_matrix, count: int = 10
) -> sparse.csr_matrix:
    """Describe images in words: by the texts of the training images that they resemble most.

    That puts images and texts into one space, where they can be ranked against each other without any learning.

    Args:
        images: (N, D).
        train_images: (M, D).
        train_texts: (M, words); row i belongs to row i of ``train_images``.
        count: how many training images speak for one.

    Returns:
        (N, words) of unit length.
    """
    chosen = nearest(images, train_images, count)  # (N, count)
    rows = np.repeat(np.arange(len(chosen)), chosen.shape[1])
    shape = images.shape[0], train_images.shape[0]
    votes = sparse.csr_matrix((np.ones(chosen.size), (rows, chosen.ravel())), shape)
    return normalize(votes @ train_texts)
