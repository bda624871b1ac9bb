"""Ranks in both directions against one chunked matrix product, and the search of galleries against FAISS."""

from __future__ import annotations

import resource
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from datasets import Dataset
from torch.nn import functional

from hf_mlm.benchmarks.harness import Report, seconds
from hf_mlm.metrics.functional.retrieval import two_way_ranks
from hf_mlm.runs.gallery import Gallery


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


hot_ranks = partial(both_ways, 2000)


GALLERY, QUERIES, TOP = 250_000, 64, 10


def run_gallery(report: Report, sizes: Sequence[int]) -> None:
    """Compare exact search with FAISS's flat index; then the recall of two compressed indexes."""
    for size in sizes or [GALLERY]:
        search_gallery(report, size)


def search_gallery(report: Report, size: int) -> None:
    """Compare the search among so many rows."""
    import faiss

    gallery, queries = _gallery(size)
    vectors, asked = gallery.embeds["text"].numpy(), queries.numpy()
    flat = faiss.IndexFlatIP(WIDTH)
    flat.add(vectors)
    report.compare(
        f"{QUERIES} queries among {size:,} × {WIDTH}, top {TOP}, float32",
        lambda: gallery.search(queries, "text", TOP)[1],
        lambda: flat.search(asked, TOP)[1],
        peer_name="FAISS IndexFlatIP",
        equal=lambda ours, theirs: float((ours == theirs).mean()) > 0.99,  # rounding may change the order of two
        items=QUERIES,
        target="≥ 1×",
    )
    exact = flat.search(asked, TOP)[1]
    scalar = faiss.IndexScalarQuantizer(WIDTH, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    for name, index in (("int8", scalar), ("binary hashes", faiss.IndexLSH(WIDTH, WIDTH))):
        index.train(vectors)
        index.add(vectors)
        recall = np.mean([np.isin(*pair).mean() for pair in zip(exact, index.search(asked, TOP)[1], strict=True)])
        took = seconds(partial(index.search, asked, TOP))
        report.note(f"{size:,} rows by FAISS, {name}: recall {recall:.3f}, {1000 * took:,.0f} ms.")


def _gallery(size: int) -> tuple[Gallery, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    embeds = functional.normalize(torch.randn(size, WIDTH, generator=generator))
    noise = torch.randn(QUERIES, WIDTH, generator=generator) / WIDTH**0.5
    rows = Dataset.from_dict({"row": range(size)})
    return Gallery({"text": embeds}, rows, ""), functional.normalize(embeds[:QUERIES] + noise)


def hot_gallery() -> Callable[[], object]:
    """A search among 20,000 rows."""
    gallery, queries = _gallery(20_000)
    return lambda: gallery.search(queries, "text", TOP)
