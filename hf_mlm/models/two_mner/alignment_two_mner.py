"""Sentences and their images pulled together (2M-NER paper, Equations 7-10)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from hf_mlm.models.layers.nt_xent import nt_xent
from hf_mlm.models.two_mner.encoders_two_mner import ImageFeatures


class AlignmentHead(nn.Module):
    """Linear, ReLU, linear: into the space that texts and images share.

    Args:
        in_features: width of the input.
        size: width of the space.
    """

    def __init__(self, in_features: int, size: int):
        super().__init__()
        self.hidden = nn.Linear(in_features, size)
        self.output = nn.Linear(size, size)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map (rows, in_features) to (rows, size)."""
        return self.output(self.hidden(features).relu())


class Alignment(nn.Module):
    """NT-Xent between sentences and each encoder's view of their images.

    Args:
        hidden_size: width of the sentences' vectors, and of the shared space.
        vector_sizes: width of the images' vectors of each encoder.
        temperature: of NT-Xent.
    """

    def __init__(self, hidden_size: int, vector_sizes: Mapping[str, int], temperature: float):
        super().__init__()
        self.temperature = temperature
        self.text = AlignmentHead(hidden_size, hidden_size)
        self.images = nn.ModuleDict({name: AlignmentHead(size, hidden_size) for name, size in vector_sizes.items()})

    def forward(
        self, sentences: torch.Tensor, features: Mapping[str, ImageFeatures], index: torch.Tensor | None
    ) -> torch.Tensor:
        """Compare all sentences that have an image with all images of the batch.

        Of several sentences about one image the first is compared: to the others their own image would be a negative.

        Args:
            sentences: (batch, hidden).
            features: each encoder's view of the images; none if there are no images at all.
            index: int64 (batch,), the image of each sentence, -1 where it has none; None if none has.

        Returns:
            (encoders,) losses.
        """
        texts = self.text(sentences)  # (batch, hidden)
        if index is None:
            index = torch.full(texts.shape[:1], -1, device=texts.device)
        pairs = _first_of_each(index)
        losses = [
            nt_xent(texts, head(features[name].vector)[index.clamp(min=0)], self.temperature, pairs)
            if name in features
            else nt_xent(texts, torch.zeros_like(texts), self.temperature, pairs)  # 0, and other processes wait for it
            for name, head in self.images.items()
        ]
        return torch.stack(losses)


def _first_of_each(index: torch.Tensor) -> torch.Tensor:
    """The first sentence of each image: bool (batch,).

    Example:
        >>> _first_of_each(torch.tensor([1, -1, 0, 1]))
        tensor([ True, False,  True, False])
    """
    repeated = (index.unsqueeze(0) == index.unsqueeze(1)).tril(-1).any(dim=1)
    return (index >= 0) & ~repeated
