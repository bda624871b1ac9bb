"""IR+LE written down once more from its description, with the convolution and the LSTMs, under the published names."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


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
