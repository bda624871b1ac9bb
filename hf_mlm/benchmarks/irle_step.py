"""A training step of IR+LE against the same model with the published LSTMs and convolution.

Both start from the same weights and read the same batch at the published sizes; what is compared are the outputs of
the first step. Adam is fused in ours, as in the recipes, and goes one tensor at a time in the peer, as published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from hf_mlm.benchmarks.harness import Report
from hf_mlm.benchmarks.published_irle import PublishedIRLE, published_loss
from hf_mlm.models.irle import IRLEConfig, IRLEForRetrievalAndGeo


BATCH, IMAGE, TEXT, SIZE = 128, 4096, 3072, 1024
Step = Callable[[], tuple[torch.Tensor, ...]]


def run(report: Report, sizes: Sequence[int]) -> None:
    """Compare steps of both datasets; then growth with the batch, and the weights' products as floor."""
    for batch in sizes or [BATCH]:
        for dataset, cells in (("MLM-irle", 990), ("MLM-irle-gr", 99)):
            ours, peer = steps(cells, batch)
            report.compare(
                f"step of {batch}, {dataset} ({cells} cells), {torch.get_num_threads()} threads",
                ours,
                peer,
                peer_name="`torch.nn.LSTM` and `Conv1d`, plain Adam",
                equal=lambda one, other: all(torch.allclose(a, b, atol=1e-5) for a, b in zip(one, other, strict=True)),
                items=batch,
                target="≥ 2×",
            )
    first = (sizes or [BATCH])[0]
    report.grow("rows of a batch", lambda batch: steps(990, batch)[0], [first * factor for factor in (1, 2, 4, 8)])
    ours, _ = steps(990, first)
    report.floor(f"step of {first}", ours, products(first), "the products of every weight, forward and backward")


def products(batch: int) -> Callable[[], object]:
    """Three products for each matrix of the model: its output, and both gradients."""
    irle = IRLEForRetrievalAndGeo(IRLEConfig(num_geo_cells=990))
    weights = [weight.detach() for weight in irle.parameters() if weight.dim() == 2]
    sides = [(torch.randn(batch, weight.shape[1]), torch.randn(batch, weight.shape[0])) for weight in weights]
    return lambda: [
        (rows @ weight.T, gradient @ weight, gradient.T @ rows)
        for weight, (rows, gradient) in zip(weights, sides, strict=True)
    ]


def hot() -> Callable[[], object]:
    """A step of 32."""
    return steps(990, 32)[0]


def steps(cells: int, batch: int) -> tuple[Step, Step]:
    """Our step and the peer's, each giving the outputs from before its update."""
    torch.manual_seed(0)
    published = PublishedIRLE(IMAGE, TEXT, SIZE, cells, dropout=0.0)
    irle = IRLEForRetrievalAndGeo(IRLEConfig.reference(num_geo_cells=cells, dropout=0.0))
    irle.load_reference_state_dict(published.state_dict())
    features = [torch.randn(batch, width) for width in (IMAGE, TEXT, TEXT)]
    targets, pairs = torch.randint(cells, (batch,)), 1 - 2 * (torch.arange(batch) % 2)
    own_optimizer = torch.optim.Adam(irle.parameters(), lr=1e-4, fused=True)
    peer_optimizer = torch.optim.Adam(published.parameters(), lr=1e-4)

    def ours() -> tuple[torch.Tensor, ...]:
        outputs = irle(*features, image_cells=targets, text_cells=targets, pair_targets=pairs)
        update(own_optimizer, outputs.loss)
        embeds, logits = outputs[3:5], outputs[5:7]
        return (*embeds, *logits, outputs.loss)

    def peer() -> tuple[torch.Tensor, ...]:
        outputs = published(*features)
        loss = published_loss(outputs, pairs, targets)
        update(peer_optimizer, loss)
        return (*outputs, loss)

    return ours, peer


def update(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """Take a step down the gradient."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
