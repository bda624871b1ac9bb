"""Ranks of 22,000 matches in both directions against one chunked matrix product, the floor of any exact method."""

from __future__ import annotations

import resource
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from hf_mlm.benchmarks.harness import Report
from hf_mlm.metrics.functional.retrieval import two_way_ranks


ROWS = 22_000
WIDTH, CHUNK = 1024, 512
NOISE = 16.0  # a match's cosine is then as that of the best of fifty others, and ranks are of every size
CHECKED = 64  # texts whose ranks are looked at


def embeddings(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows, the texts' like the images' but for noise."""
    generator = np.random.default_rng(0)
    images = generator.standard_normal((rows, WIDTH), dtype=np.float32)
    texts = images + NOISE * generator.standard_normal((rows, WIDTH), dtype=np.float32)
    images, texts = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (images, texts))
    return images, texts


def one_product(images: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Compute every similarity once, keeping one chunk, and return some rows of the last for the comparison."""
    chunk = np.empty((CHUNK, len(texts)), np.float32)
    for start in range(0, len(images), CHUNK):
        queries = images[start : start + CHUNK]
        np.matmul(queries, texts.T, out=chunk[: len(queries)])
    return chunk[: len(queries)]


def agree(ranks: tuple[np.ndarray, np.ndarray], last: np.ndarray, images: np.ndarray, texts: np.ndarray) -> bool:
    """Whether the last images' ranks follow from the peer's similarities, and the last texts' from their own.

    By one place they may differ: products are rounded by their place in a matrix.
    """
    to_texts, to_images = ranks
    first = max(0, len(texts) - CHECKED)
    return near(to_texts[len(texts) - len(last) :], last) and near(to_images[first:], texts[first:] @ images.T)


def near(ranks: np.ndarray, similarities: np.ndarray) -> bool:
    """Whether these are the ranks of the last rows' matches, by similarities (rows, candidates)."""
    rows, candidates = similarities.shape
    own = similarities[np.arange(rows), np.arange(candidates - rows, candidates)]
    above = np.count_nonzero(similarities > own[:, None], axis=1)
    return bool((np.abs(ranks - 1 - above) <= 1).all())


def run_ranks(report: Report, sizes: Sequence[int]) -> None:
    """Compare with one product of all rows, which is the floor too; then the memory, and growth."""
    for size in sizes or [ROWS]:
        images, texts = embeddings(size)
        report.compare(
            f"both directions, {size:,} × {size:,}, {WIDTH} dimensions",
            partial(two_way_ranks, images, texts),
            partial(one_product, images, texts),
            peer_name=f"np.matmul alone, chunks of {CHUNK}",
            equal=partial(agree, images=images, texts=texts),
            target="≥ 0.71× (≤ 1.4 products)",
        )
        beyond = traced_memory(images, texts)
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        report.note(f"{size:,} rows: {beyond:.0f} MB beyond the embeddings (bar: 100 MB), {resident:.0f} MB resident.")
    first = (sizes or [ROWS])[0]
    report.grow("rows", both_ways, [max(16, first // 16) * factor for factor in (1, 2, 4, 8)])


def both_ways(size: int) -> Callable[[], object]:
    """Ranks of so many rows."""
    return partial(two_way_ranks, *embeddings(size))


def traced_memory(images: np.ndarray, texts: np.ndarray) -> float:
    """Megabytes that the ranks take at most beyond the embeddings."""
    tracemalloc.start()
    two_way_ranks(images[:200], texts[:200])
    tracemalloc.reset_peak()
    two_way_ranks(images, texts)
    beyond = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return beyond


def hot_ranks() -> Callable[[], object]:
    """Ranks of 2,000 rows."""
    return both_ways(2000)
