"""Layers of the models: the linear-chain CRF against pytorch-crf, and NT-Xent against pairwise cosines.

Every timing of the CRF is of ten calls after one another. The peer gives lists of decoded tags, ours a padded tensor;
paths are compared by their scores. The pairwise form of NT-Xent is that of the published 2M-NER code; at N = 256 it
needs 5 GB and, a call, ten seconds.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch.nn import functional

from hf_mlm.benchmarks.harness import Report
from hf_mlm.models.layers import crf as crf_module
from hf_mlm.models.layers import crf_likelihood
from hf_mlm.models.layers.contrastive import nt_xent
from hf_mlm.models.layers.crf import LinearChainCRF


TAGS, CALLS, HIDDEN = 9, 10, 768
SHAPES = [(16, 32), (16, 64), (16, 128), (128, 64), (32, 512)]  # (batch, length)
KERNELS = "compiled_kernels"  # the function that both modules ask
TARGETS = {  # for 16 × 64 and 128 × 64
    ("loss and gradient", "plain"): "≥ 4×",
    ("loss and gradient", "numba"): "≥ 10×",
    ("decode", "plain"): "≥ 5×",
    ("decode", "numba"): "≥ 40×",
}


class Case:
    """Both fields with the same scores, and sentences of a third of ``length`` to ``length`` words."""

    def __init__(self, batch: int, length: int) -> None:
        from torchcrf import CRF as PeerCRF

        generator = torch.Generator().manual_seed(length)
        self.ours, self.peer = LinearChainCRF(TAGS), PeerCRF(TAGS, batch_first=True)
        self.peer.load_state_dict(self.ours.state_dict())
        lengths = torch.randint(length // 3, length + 1, (batch, 1), generator=generator)
        lengths[0] = length
        self.mask = torch.arange(length) < lengths
        self.tags = torch.randint(0, TAGS, (batch, length), generator=generator)
        self.emissions = torch.randn(batch, length, TAGS, generator=generator).requires_grad_()

    def loss(self, field: torch.nn.Module, **options: str) -> tuple[torch.Tensor, ...]:
        """Summed log-likelihood, and its gradient for the emissions and every score."""
        inputs = (self.emissions, *(field.get_parameter(name) for name, _ in self.ours.named_parameters()))
        likelihood = field(self.emissions, self.tags, self.mask, **options).sum()
        return likelihood.detach(), *torch.autograd.grad(likelihood, inputs)

    def decode(self, field: torch.nn.Module) -> torch.Tensor | list[list[int]]:
        """Best paths."""
        with torch.no_grad():
            return field.decode(self.emissions, self.mask)


@contextmanager
def kernels(kind: str) -> Iterator[None]:
    """Let the field have Numba's kernels, or not."""
    modules, found = (crf_module, crf_likelihood), crf_likelihood.compiled_kernels
    for module in modules if kind == "plain" else ():
        setattr(module, KERNELS, lambda: None)
    try:
        yield
    finally:
        for module in modules:
            setattr(module, KERNELS, found)


def repeated(call: Callable[[], object]) -> Callable[[], object]:
    """Make ten calls of one."""
    return lambda: [call() for _ in range(CALLS)][-1]


def same_loss(ours: tuple[torch.Tensor, ...], theirs: tuple[torch.Tensor, ...]) -> bool:
    """Equal to float32's rounding in sums over as many words as there are."""
    return all(torch.allclose(one, other, rtol=1e-4, atol=1e-2) for one, other in zip(ours, theirs, strict=True))


def same_scores(case: Case, ours: torch.Tensor, theirs: list[list[int]]) -> bool:
    """Equal scores of the paths in float64: float32 rounding may break a tie either way."""
    peer = torch.full_like(ours, -100)
    peer[case.mask] = torch.tensor([tag for row in theirs for tag in row])
    field, emissions = deepcopy(case.ours).double(), case.emissions.double()
    with torch.no_grad():
        one, other = (field(emissions, paths.clamp(min=0), case.mask) for paths in (ours, peer))
    return bool(((one - other).abs() < 1e-4).all())


def compare(report: Report, case: Case, job: str, kind: str) -> None:
    """Compare one job on one shape, with or without Numba's kernels."""
    jobs: dict[str, tuple[Any, Any, Any]] = {
        "loss and gradient": (lambda: case.loss(case.ours), lambda: case.loss(case.peer, reduction="sum"), same_loss),
        "decode": (lambda: case.decode(case.ours), lambda: case.decode(case.peer), partial(same_scores, case)),
    }
    ours, peer, equal = jobs[job]
    batch, length = case.mask.shape
    with kernels(kind):
        report.compare(
            f"{job}, {kind}, {batch} × {length}",
            repeated(ours),
            repeated(peer),
            peer_name="pytorch-crf",
            equal=equal,
            items=CALLS,
            peer_items=CALLS,
            target=TARGETS[job, kind] if (batch, length) in ((16, 64), (128, 64)) else "",
        )


def run_crf(report: Report, sizes: Sequence[int]) -> None:
    """Compare loss and decoding; then growth with batch and length, and the head's own matrix product as floor."""
    shapes = [(size, 64) for size in sizes] or SHAPES
    for shape in shapes:
        case = Case(*shape)
        for job, kind in TARGETS:
            compare(report, case, job, kind)
    batch = shapes[0][0]
    report.grow("loss and gradient, batch", lambda size: loss_of(size, 64), [batch * k for k in (1, 2, 4, 8)])
    report.grow("loss and gradient, words", lambda size: loss_of(16, size), [32, 64, 128, 256])
    report.grow("decode, words", lambda size: decode_of(16, size), [32, 64, 128, 256])
    words, weights = torch.randn(batch * 64, HIDDEN), torch.randn(HIDDEN, TAGS)
    product = f"the product that scores the words, {batch} × 64 × {HIDDEN} by {TAGS}"
    report.floor(f"loss and gradient, {batch} × 64", loss_of(batch, 64), lambda: words @ weights, product)
    report.floor(f"decode, {batch} × 64", decode_of(batch, 64), lambda: words @ weights, product)


def loss_of(batch: int, length: int) -> Callable[[], object]:
    """The loss with its gradient for a shape, with the kernels that there are."""
    case = Case(batch, length)
    return lambda: case.loss(case.ours)


def decode_of(batch: int, length: int) -> Callable[[], object]:
    """Decoding for a shape."""
    case = Case(batch, length)
    return lambda: case.decode(case.ours)


def hot_crf() -> Callable[[], object]:
    """Loss, gradient and decoding of 16 sentences in plain torch and NumPy."""
    case = Case(16, 64)

    def call() -> None:
        with kernels("plain"):
            case.loss(case.ours)
            case.decode(case.ours)

    return call


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


def same_gradients(ours: tuple[torch.Tensor, ...], theirs: tuple[torch.Tensor, ...]) -> bool:
    """Equal to float32's rounding."""
    return all(torch.allclose(one, other, rtol=1e-4, atol=1e-6) for one, other in zip(ours, theirs, strict=True))


def embeddings(rows: int) -> list[torch.Tensor]:
    """Texts and images, (rows, size) each."""
    generator = torch.Generator().manual_seed(rows)
    return [torch.randn(rows, SIZE, generator=generator).requires_grad_() for _ in range(2)]


def run_nt_xent(report: Report, sizes: Sequence[int]) -> None:
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
            equal=same_gradients,
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


hot_nt_xent = partial(with_gradient, nt_xent, embeddings(16), 20)
