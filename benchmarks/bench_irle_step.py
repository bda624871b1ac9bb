"""A training step of IR+LE against the same model with the published LSTMs and convolution.

Run ``OMP_NUM_THREADS=1 python benchmarks/bench_irle_step.py``. Both start from the same weights and read the same
batch at the published sizes; what is compared are the outputs of the first step.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from harness import Report

from hf_mlm.models.irle import IRLEConfig, IRLEForRetrievalAndGeo


sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.models.irle.published import PublishedIRLE, published_loss  # noqa: E402


BATCH, IMAGE, TEXT, SIZE = 128, 4096, 3072, 1024
Step = Callable[[], tuple[torch.Tensor, ...]]


def main() -> None:
    report = Report("IR+LE training step: forward, backward, Adam", ["torch", "transformers"])
    for dataset, cells in (("MLM-irle", 990), ("MLM-irle-gr", 99)):
        ours, peer = steps(cells)
        report.compare(
            f"step of {BATCH}, {dataset} ({cells} cells), {torch.get_num_threads()} threads",
            ours,
            peer,
            peer_name="`torch.nn.LSTM` and `Conv1d`",
            equal=lambda one, other: all(torch.allclose(a, b, atol=1e-5) for a, b in zip(one, other, strict=True)),
            items=BATCH,
            repeats=7,
            target="≥ 2×",
        )
    report.show()


def steps(cells: int) -> tuple[Step, Step]:
    """Our step and the peer's, each giving the outputs from before its update."""
    torch.manual_seed(0)
    published = PublishedIRLE(IMAGE, TEXT, SIZE, cells, dropout=0.0)
    irle = IRLEForRetrievalAndGeo(IRLEConfig.reference(num_geo_cells=cells, dropout=0.0))
    irle.load_reference_state_dict(published.state_dict())
    features = [torch.randn(BATCH, width) for width in (IMAGE, TEXT, TEXT)]
    targets, pairs = torch.randint(cells, (BATCH,)), 1 - 2 * (torch.arange(BATCH) % 2)
    own_optimizer, peer_optimizer = (torch.optim.Adam(model.parameters(), lr=1e-4) for model in (irle, published))

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
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


if __name__ == "__main__":
    main()
