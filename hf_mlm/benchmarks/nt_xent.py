"""NT-Xent as a matrix product against the pairwise cosines of the published 2M-NER code, forward and backward.

At N = 256 the pairwise form needs 5 GB and, a call, ten seconds. The note counts the memory that N = 1024 takes beyond
its inputs.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

from hf_mlm.benchmarks.harness import Report
from hf_mlm.models.layers.contrastive import nt_xent


SIZE, TEMPERATURE = 768, 0.5
CASES = [(16, 50, "≥ 40×"), (64, 1, ""), (256, 1, "≥ 400×")]  # (N, calls, about as long as one of the peer, target)


def pairwise(texts: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Broadcast every pair of views to (2N, 2N, size), take its cosine, and exclude each view itself by a mask."""
    views, n = torch.cat((texts, images)), len(texts)
    cosines = functional.cosine_similarity(views.unsqueeze(1), views.unsqueeze(0), dim=2)  # (2N, 2N)
    positives = torch.cat((cosines.diag(n), cosines.diag(-n)))
    others = (~torch.eye(2 * n, dtype=torch.bool)).float()
    denominators = (others * (cosines / TEMPERATURE).exp()).sum(1)
    return -((positives / TEMPERATURE).exp() / denominators).log().mean()


def with_gradient(
    loss: Callable[..., torch.Tensor], inputs: list[torch.Tensor], calls: int
) -> Callable[[], tuple[torch.Tensor, ...]]:
    """Calls of a loss, each with the gradient for its inputs."""

    def call() -> tuple[torch.Tensor, ...]:
        value = loss(*inputs)
        return value.detach(), *torch.autograd.grad(value, inputs)

    return lambda: [call() for _ in range(calls)][-1]


def equal(ours: tuple[torch.Tensor, ...], theirs: tuple[torch.Tensor, ...]) -> bool:
    """Equal to float32's rounding."""
    return all(torch.allclose(one, other, rtol=1e-4, atol=1e-6) for one, other in zip(ours, theirs, strict=True))


def embeddings(rows: int) -> list[torch.Tensor]:
    """Texts and images, (rows, size) each."""
    generator = torch.Generator().manual_seed(rows)
    return [torch.randn(rows, SIZE, generator=generator).requires_grad_() for _ in range(2)]


def run(report: Report, sizes: Sequence[int]) -> None:
    """Compare with the pairwise form; then N = 1024, its memory, growth, and the three products as floor."""
    cases = [(size, 1, "") for size in sizes] or CASES
    if not sizes:
        inputs = embeddings(1024)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        report.measure("N = 1024", with_gradient(nt_xent, inputs, 1), target="< 1 GB")
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        report.note(f"N = 1024: peak memory grew by {grown:.0f} MB.")
    for rows, calls, target in cases:
        inputs = embeddings(rows)
        report.compare(
            f"N = {rows}",
            with_gradient(nt_xent, inputs, calls),
            with_gradient(pairwise, inputs, 1),
            peer_name="pairwise cosines",
            equal=equal,
            items=calls,
            peer_items=1,
            target=target,
        )
    first = cases[0][0]
    report.grow("N", lambda rows: with_gradient(nt_xent, embeddings(rows), 1), [first * k for k in (1, 2, 4, 8)])
    views = torch.cat([side.detach() for side in embeddings(first)])
    report.floor(
        f"N = {first}",
        with_gradient(nt_xent, embeddings(first), 1),
        lambda: (views @ views.T) @ views,
        "the product of the views with themselves, and its gradient's",
    )


def hot() -> Callable[[], object]:
    """Loss and gradient of 16 pairs."""
    return with_gradient(nt_xent, embeddings(16), 20)
