"""Findings of the demo: the model beside a baseline, an oracle and chance, with intervals.

The baseline looks up the most similar training example, by the colours of images and the words of texts, and answers
as it would. Nothing is learned but which colours and words are common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from hf_mlm.geo.partition import GeoCellPartition
from hf_mlm.metrics.functional.bootstrap import percentile_interval, resampled_weights
from hf_mlm.metrics.functional.retrieval import DIRECTIONS, PoolRanks, pool_ranks, sample_pools
from hf_mlm.models.irle.cells_irle import MODALITIES
from hf_mlm.models.irle.modeling_irle import IRLEForRetrievalAndGeo
from hf_mlm.models.irle.processing_irle import IRLEProcessor
from hf_mlm.runs.gallery import Gallery
from hf_mlm.training.irle.metrics import RetrievalAndGeoMetrics
from hf_mlm.training.irle.scoring import raw_outputs
from hf_mlm.world.embedded import blocks


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


LOOKED_UP = 20_000  # training settlements that the baseline knows at most
RESAMPLES = 300  # of whole blocks, for the intervals
LOWER_IS_BETTER = ("medR", "km")


@dataclass(frozen=True)
class Answers:
    """Answers of one system to N held-out settlements.

    Attributes:
        ranks: of the right answers in pools of candidates, by direction; empty where nothing is retrieved.
        kilometres: (N,) errors of the positions, by modality.
        right: (N,) whether the position lies in the right cell, by modality.
    """

    ranks: Mapping[str, PoolRanks]
    kilometres: Mapping[str, NDArray[np.float64]]
    right: Mapping[str, NDArray[np.bool_]]

    def measures(self, weights: NDArray[np.int64] | None = None) -> dict[str, float]:
        """Summarise them, settlement i counted ``weights[i]`` times: ``image_to_text_medR``, ``image_median_km`` …"""
        counted = np.ones(len(self.kilometres["image"]), np.int64) if weights is None else weights
        found = {
            f"{direction}_{name}": value
            for direction, ranks in self.ranks.items()
            for name, value in ranks.summary(counted).items()
        }
        for modality, kilometres in self.kilometres.items():
            found[f"{modality}_accuracy"] = float(np.average(self.right[modality], weights=counted))
            found[f"{modality}_median_km"] = float(np.median(np.repeat(kilometres, counted)))
        return found


@dataclass(frozen=True)
class Comparison:
    """Measures of the model beside the nearest neighbour's, with 95 % intervals by resampling whole blocks.

    Attributes:
        ours: of the model.
        neighbours: of the baseline.
        intervals: measure -> of ours, of the baseline's, and of the difference between them, low and high each.
    """

    ours: dict[str, float]
    neighbours: dict[str, float]
    intervals: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]]

    def verdict(self, measure: str) -> int:
        """1 where the model is better, -1 where it is worse, and 0 where the interval of the difference holds 0."""
        low, high = self.intervals[measure][2]
        sign = -1 if measure.endswith(LOWER_IS_BETTER) else 1
        return 0 if low <= 0 <= high else sign * (1 if low > 0 else -1)


@dataclass(frozen=True)
class Findings:
    """Everything that the demo found out.

    Attributes:
        hinted: on texts with hints, and on images.
        plain: on texts without hints.
        chance: of answers drawn at random.
        oracle: of the training settlement that lies nearest.
        metrics: of `RetrievalAndGeoMetrics`, coverage among them.
        areas_km2: (N,) of the smallest region that holds the truth, by modality; empty without neighbours.
        predictions: ``image_embeds``, ``text_embeds`` (N, size), ``image_places``, ``text_places`` (N, 2) degrees.
    """

    hinted: Comparison
    plain: Comparison
    chance: dict[str, float]
    oracle: dict[str, float]
    metrics: dict[str, float]
    areas_km2: dict[str, NDArray[np.float64]]
    predictions: dict[str, NDArray[Any]]


def find(
    model: IRLEForRetrievalAndGeo,
    processor: IRLEProcessor,
    gallery: Gallery | None,
    train: Dataset,
    test: Dataset,
    plain: Mapping[str, Dataset],
) -> Findings:
    """Score a model, the baseline, an oracle and chance on the same rows by the same functions.

    Args:
        model: trained on ``train``.
        processor: of the model.
        gallery: of the model's training split.
        train: raw rows that were trained on.
        test: raw rows that were held out.
        plain: ``train`` and ``test`` again, with texts that leave the hints out.
    """
    metrics = RetrievalAndGeoMetrics(model.config, gallery=gallery)
    outputs, cells = raw_outputs(model, processor, test)
    predictions = {name: values.numpy() for name, values in metrics.reduce(outputs).items()}
    plain_outputs, _ = raw_outputs(model, processor, plain["test"])
    plain_predictions = {name: values.numpy() for name, values in metrics.reduce(plain_outputs).items()}
    scores = metrics.of(test)(EvalPrediction(predictions, cells))
    return Findings(
        hinted=compare(answers(predictions, test), answers(neighbour_answers(train, test), test), test),
        plain=compare(
            answers(plain_predictions, test), answers(neighbour_answers(plain["train"], plain["test"]), test), test
        ),
        chance=chance_measures(train, test, int(scores["pool_size"])),
        oracle=oracle_measures(train, test),
        metrics=scores,
        areas_km2=_areas(metrics, metrics.named(outputs), test),
        predictions=predictions,
    )


def answers(predictions: Mapping[str, NDArray[Any]], test: Dataset) -> Answers:
    """Compare predictions, named as by `RetrievalAndGeoMetrics.reduce`, with the truth."""
    pools, truth, cells = sample_pools(len(test), 500, 10, seed=0), positions(test), np.array(test["geo_cell"])
    places = {name: predictions[f"{name}_places"].astype(np.float64) for name in MODALITIES}
    partition = GeoCellPartition.from_tokens(test.features["geo_cell"].names)
    return Answers(
        pool_ranks(predictions["image_embeds"], predictions["text_embeds"], pools, ks=(10,)),
        {name: great_circle_distance(*truth.T, *place.T) for name, place in places.items()},
        {name: partition.assign(*place.T) == cells for name, place in places.items()},
    )


def compare(ours: Answers, neighbours: Answers, test: Dataset) -> Comparison:
    """Measure both systems, again and again on blocks drawn with replacement, the same for both."""
    _, block = np.unique(blocks(*positions(test).T), return_inverse=True)
    draws = [
        (ours.measures(weights[block]), neighbours.measures(weights[block]))
        for weights in resampled_weights(int(block.max()) + 1, RESAMPLES, seed=0)
    ]
    intervals = {
        name: (
            percentile_interval([mine[name] for mine, _ in draws]),
            percentile_interval([theirs[name] for _, theirs in draws]),
            percentile_interval([mine[name] - theirs[name] for mine, theirs in draws]),
        )
        for name in ours.measures()
    }
    return Comparison(ours.measures(), neighbours.measures(), intervals)


def neighbour_answers(train: Dataset, test: Dataset) -> dict[str, NDArray[Any]]:
    """Answer each test row as the training row with the most similar colours, or words, would."""
    train = train.select(range(min(len(train), LOOKED_UP)))
    train_pictures, pictures = first_images(train), first_images(test)
    histograms = ColorHistograms(train_pictures)
    train_colors, colors = histograms(train_pictures), histograms(pictures)
    documents = [" ".join(text for text in summaries.values() if text) for summaries in train["summaries"]]
    vectorizer = word_vectors(documents)
    train_words, words = vectorizer.transform(documents), vectorizer.transform([text for _, text in shown_texts(test)])
    nearest_rows = {"image": nearest(colors, train_colors)[:, 0], "text": nearest(words, train_words)[:, 0]}
    places = positions(train)
    return {
        "image_embeds": words_for_images(colors, train_colors, train_words).toarray(),
        "text_embeds": words.toarray(),
        **{f"{name}_places": places[rows] for name, rows in nearest_rows.items()},
    }


def oracle_measures(train: Dataset, test: Dataset) -> dict[str, float]:
    """Answer with the training settlement that really lies nearest: what looking up can give at best."""
    known, truth = positions(train), positions(test)
    rows = np.array([great_circle_distance(*place, *known.T).argmin() for place in truth])  # (N,)
    right = np.array(train["geo_cell"])[rows] == np.array(test["geo_cell"])
    median = float(np.median(great_circle_distance(*truth.T, *known[rows].T)))
    found = {"accuracy": float(right.mean()), "median_km": median}
    ranks = {f"{way}_{name}": 1.0 for way in DIRECTIONS for name in ("medR", "R@10")}
    return ranks | {f"{modality}_{name}": value for modality in MODALITIES for name, value in found.items()}


def chance_measures(train: Dataset, test: Dataset, pool_size: int) -> dict[str, float]:
    """Expect what answers drawn from the training rows would give, and a random order of the candidates."""
    cells = np.array(train["geo_cell"])
    shares = np.bincount(cells, minlength=train.features["geo_cell"].num_classes) / len(cells)
    drawn = positions(train)[np.random.default_rng(0).integers(len(train), size=1000)]  # (1000, 2)
    distances = great_circle_distance(*positions(test).T[:, :, None], *drawn.T)  # (N, 1000) km
    order = {"medR": (pool_size + 1) / 2, "R@10": min(1.0, 10 / pool_size)}
    geo = {"accuracy": float(shares[test["geo_cell"]].mean()), "median_km": float(np.median(distances))}
    found = {f"{way}_{name}": value for way in DIRECTIONS for name, value in order.items()}
    return found | {f"{modality}_{name}": value for modality in MODALITIES for name, value in geo.items()}


def shown_texts(rows: Dataset) -> list[tuple[str, str]]:
    """The language and the summary of each row that evaluation shows to the model."""
    found = [[(name, text) for name, text in summaries.items() if text] for summaries in rows["summaries"]]
    kinds = [[1] * len(found), [len(texts) for texts in found], [0] * len(found)]  # images, summaries, classes
    counts = np.array(kinds)
    chosen = choose_views(entity_keys(rows["entity_id"][:]), counts)[1]
    return [texts[position] for texts, position in zip(found, chosen.tolist(), strict=True)]


def first_images(rows: Dataset) -> list[Any]:
    """The first image of each row, RGB."""
    return [images[0].convert("RGB") for images in rows["images"]]


def positions(rows: Dataset) -> NDArray[np.float64]:
    """Positions of the settlements, (rows, 2) degrees of latitude and longitude."""
    return np.stack([rows["latitude"][:], rows["longitude"][:]], axis=1)


def _areas(
    metrics: RetrievalAndGeoMetrics, outputs: Mapping[str, Any], test: Dataset
) -> dict[str, NDArray[np.float64]]:
    if metrics.locator is None or metrics.locator.strategy != "neighbours":
        return {}
    areas = {}
    for name in MODALITIES:
        output = {"embeds": outputs[f"{name}_embeds"], "geo_logits": outputs[f"{name}_logits"]}
        areas[name] = metrics.locator.density({name: output}).areas_km2(*positions(test).T)
    return areas
