"""IR+LE written down once more from its description, with the convolution and the LSTMs, under the published names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional

from hf_mlm.benchmarks.harness import Report
from hf_mlm.models.irle.configuration_irle import IRLEConfig
from hf_mlm.models.irle.modeling_irle import IRLEForRetrievalAndGeo


class FirstStep(nn.Module):
    """The hidden state of an LSTM's only step."""

    def forward(self, result: tuple) -> torch.Tensor:
        """Take it from what an LSTM returns."""
        return result[0][:, 0]


class UnitLength(nn.Module):
    """Rows divided by their lengths."""

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Divide (rows, size)."""
        return vectors / vectors.pow(2).sum(dim=1, keepdim=True).sqrt()


def branch(*layers: nn.Module) -> nn.ModuleDict:
    """Layers under the published name."""
    return nn.ModuleDict({"embedding": nn.Sequential(*layers, UnitLength())})


class PublishedIRLE(nn.Module):
    """All branches, both heads; ``forward`` gives image, text, image logits and text logits."""

    def __init__(self, image: int, text: int, size: int, cells: int, dropout: float = 0.1):
        super().__init__()
        linear, lstm = nn.Linear(size, size), lambda: nn.LSTM(text, size, batch_first=True)
        self.learn_img = branch(nn.Conv1d(image, size, 1), nn.Flatten(), nn.ReLU(), linear, nn.Tanh())
        self.learn_sum = branch(lstm(), FirstStep(), nn.ReLU(), nn.Linear(size, size), nn.Tanh())
        self.learn_cls = branch(lstm(), FirstStep(), nn.ReLU(), nn.Dropout(dropout), nn.Linear(size, size))
        hidden, output = nn.Linear(size, size), nn.Linear(size, cells)
        head = nn.Sequential(hidden, nn.ReLU(), nn.Flatten(), nn.Dropout(dropout), output)
        self.coord_net = nn.ModuleDict({"coord_net": head})
        self.fc1 = nn.Linear(2 * size, size)
        self.fc2 = nn.Linear(2 * cells, cells)

    def forward(self, images: torch.Tensor, summaries: torch.Tensor, classes: torch.Tensor) -> tuple:
        """Embed and locate a batch of features."""
        image = self.learn_img["embedding"](images[:, :, None])
        summary = self.learn_sum["embedding"](summaries[:, None])
        names = self.learn_cls["embedding"](classes[:, None])
        head = self.coord_net["coord_net"]
        text_logits = self.fc2(torch.cat([head(summary), head(names)], dim=1))
        return image, self.fc1(torch.cat([summary, names], dim=1)), head(image), text_logits


def published_loss(outputs: tuple, pair_targets: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """What the published training minimises: log variances of zero, the mean over tasks, one target for both sides."""
    image, text, image_logits, text_logits = outputs
    cosine = (image * text).sum(dim=1) / (image.norm(dim=1) * text.norm(dim=1))
    retrieval = torch.where(pair_targets > 0, 1 - cosine, (cosine - 0.1).clamp(min=0)).mean()
    geo = functional.cross_entropy(image_logits, cells) + functional.cross_entropy(text_logits, cells)
    return torch.stack([0.5 * retrieval, geo]).mean()


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
