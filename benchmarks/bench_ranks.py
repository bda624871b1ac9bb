"""Ranks of 22,000 matches in both directions against one chunked matrix product, the floor of any exact method."""

from __future__ import annotations

import resource
import sys
import tracemalloc

import numpy as np
from harness import Report

from hf_mlm.metrics.functional.ranking import two_way_ranks


ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 22_000
WIDTH, CHUNK = 1024, 512


def embeddings() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    images = generator.standard_normal((ROWS, WIDTH), dtype=np.float32)
    texts = images + 4.0 * generator.standard_normal((ROWS, WIDTH), dtype=np.float32)
    return tuple(side / np.linalg.norm(side, axis=1, keepdims=True) for side in (images, texts))


def one_product(images: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Compute every similarity once, keeping one chunk, and return some rows of the last for the comparison."""
    chunk = np.empty((CHUNK, len(texts)), np.float32)
    for start in range(0, len(images), CHUNK):
        queries = images[start : start + CHUNK]
        np.matmul(queries, texts.T, out=chunk[: len(queries)])
    return chunk[: len(queries)]


def agree(ranks: tuple[np.ndarray, np.ndarray], last: np.ndarray) -> bool:
    """The last rows' ranks, sorted out from the peer's similarities."""
    first = len(ranks[0]) - len(last)
    own = np.arange(first, len(ranks[0]))
    order = np.argsort(-last, axis=1)
    return np.array_equal(np.nonzero(order == own[:, None])[1] + 1, ranks[0][first:])


def main() -> None:
    images, texts = embeddings()
    tracemalloc.start()
    two_way_ranks(images[:200], texts[:200])
    tracemalloc.reset_peak()
    two_way_ranks(images, texts)
    beyond = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    report = Report(f"Ranks, {ROWS:,} × {ROWS:,}, {WIDTH} dimensions, both directions", ("numpy",))
    report.compare(
        "both directions",
        lambda: two_way_ranks(images, texts),
        lambda: one_product(images, texts),
        peer_name=f"np.matmul alone, chunks of {CHUNK}",
        equal=agree,
        repeats=3,
        target="≥ 0.71× (≤ 1.4 products)",
    )
    report.show()
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nBeyond the embeddings: {beyond:.0f} MB (bar: 100 MB); resident at most {resident:.0f} MB with both.")


if __name__ == "__main__":
    main()
