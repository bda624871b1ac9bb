"""The baseline beside the demo's figures: look up the most similar training examples, and answer as they would.

Images are compared by their colours, texts by their words. Nothing is learned but which colours and words are common.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize
from transformers import EvalPrediction

from hf_mlm.data.mlm.views import choose_views, entity_keys
from hf_mlm.geo.distance import great_circle_distance
from hf_mlm.models.irle.modeling_irle import IRLEForRetrievalAndGeo
from hf_mlm.models.irle.processing_irle import IRLEProcessor
from hf_mlm.training.irle.metrics import RetrievalAndGeoMetrics
from hf_mlm.training.irle.scoring import score


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


WAYS = ("image_to_text", "text_to_image")
LANGUAGES = ("en", "de", "fr")
LOOKED_UP = 20_000  # training settlements that the baseline knows at most

Figures = dict[str, float]


@dataclass(frozen=True)
class Findings:
    """Figures named as by `RetrievalAndGeoMetrics`, and what the model estimated.

    Attributes:
        ours: of the model.
        ours_plain: the same model on texts without hints.
        neighbours: of the baseline.
        neighbours_plain: the baseline on texts without hints.
        chance: of answers drawn at random.
        predictions: ``image_embeds``, ``text_embeds`` (N, size), ``image_places``, ``text_places`` (N, 2) degrees.
    """

    ours: Figures
    ours_plain: Figures
    neighbours: Figures
    neighbours_plain: Figures
    chance: Figures
    predictions: dict[str, NDArray[Any]]


def find(
    model: IRLEForRetrievalAndGeo, processor: IRLEProcessor, train: Dataset, test: Dataset, plain: dict[str, Dataset]
) -> Findings:
    """Score a model, the baseline and chance on the same rows by the same functions.

    Args:
        model: trained on ``train``.
        processor: of the model.
        train: raw rows that were trained on.
        test: raw rows that were held out.
        plain: ``train`` and ``test`` again, with texts that leave the hints out.
    """
    ours, predictions = score(model, processor, test)
    ours_plain, _ = score(model, processor, plain["test"], resamples=0)
    metrics = RetrievalAndGeoMetrics(model.config)
    return Findings(
        ours=ours,
        ours_plain=ours_plain,
        neighbours=neighbour_figures(metrics, train, test),
        neighbours_plain=neighbour_figures(metrics, plain["train"], plain["test"]),
        chance=chance_figures(train, test, int(ours["pool_size"])),
        predictions=predictions,
    )


def neighbour_figures(metrics: RetrievalAndGeoMetrics, train: Dataset, test: Dataset) -> Figures:
    """Score the baseline: each test row is answered as the most similar training row would be."""
    train = train.select(range(min(len(train), LOOKED_UP)))
    train_pictures, pictures = first_images(train), first_images(test)
    histograms = ColorHistograms(train_pictures)
    train_colors, colors = histograms(train_pictures), histograms(pictures)
    documents = [" ".join(summaries[language] for language in LANGUAGES) for summaries in train["summaries"]]
    vectorizer = word_vectors(documents)
    train_words, words = vectorizer.transform(documents), vectorizer.transform([text for _, text in shown_texts(test)])
    found = {
        "image_embeds": words_for_images(colors, train_colors, train_words).toarray(),
        "text_embeds": words.toarray(),
        **_answers("image", nearest(colors, train_colors)[:, 0], train),
        **_answers("text", nearest(words, train_words)[:, 0], train),
    }
    cells = np.array(test["geo_cell"])
    return metrics.of(test)(EvalPrediction(found, (cells, cells)))


def chance_figures(train: Dataset, test: Dataset, pool_size: int) -> Figures:
    """What is to be expected of answers that are drawn from the training rows, and of a random order."""
    cells = np.array(train["geo_cell"])
    shares = np.bincount(cells, minlength=train.features["geo_cell"].num_classes) / len(cells)
    drawn = positions(train)[np.random.default_rng(0).integers(len(train), size=1000)]  # (1000, 2)
    distances = great_circle_distance(*positions(test).T[:, :, None], *drawn.T)  # (N, 1000) km
    figures = {f"{way}_{name}": value for way in WAYS for name, value in _random_order(pool_size).items()}
    geo = {"accuracy": float(shares[test["geo_cell"]].mean()), "median_km": float(np.median(distances))}
    return figures | {f"{modality}_{name}": value for modality in ("image", "text") for name, value in geo.items()}


def shown_texts(rows: Dataset) -> list[tuple[str, str]]:
    """The language and the summary of each row that evaluation shows to the model."""
    keys = entity_keys(rows["entity_id"][:])
    counts = np.tile(np.array([[1], [len(LANGUAGES)], [0]]), len(keys))  # images, summaries, classes
    chosen = [LANGUAGES[position] for position in choose_views(keys, counts)[1]]
    return [(language, texts[language]) for language, texts in zip(chosen, rows["summaries"], strict=True)]


def first_images(rows: Dataset) -> list[Any]:
    """The first image of each row, RGB."""
    return [images[0].convert("RGB") for images in rows["images"]]


def positions(rows: Dataset) -> NDArray[np.float64]:
    """Where the settlements are: (rows, 2) degrees of latitude and longitude."""
    return np.stack([rows["latitude"][:], rows["longitude"][:]], axis=1)


def _answers(modality: str, chosen: NDArray[np.int64], train: Dataset) -> dict[str, NDArray[Any]]:
    cells = np.array(train["geo_cell"])
    return {f"{modality}_cells": cells[chosen], f"{modality}_places": positions(train)[chosen]}


def _random_order(pool_size: int) -> Figures:
    return {"medR": (pool_size + 1) / 2, **{f"R@{k}": min(1.0, k / pool_size) for k in (1, 5, 10)}}
