"""Words and the images of their sentences, joined (2M-NER paper, Equations 11-14)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from hf_mlm.models.layers.attention import CrossModalBlock
from hf_mlm.models.two_mner.configuration_two_mner import TwoMNERConfig
from hf_mlm.models.two_mner.encoders_two_mner import ImageFeatures


class Collaboration(nn.Module):
    """Words attend to each encoder's tokens, and what they become is put side by side.

    Args:
        config: of the whole model.
        hidden_size: width of the words.
        channels: width of the tokens of each encoder.
    """

    def __init__(self, config: TwoMNERConfig, hidden_size: int, channels: Mapping[str, int]):
        super().__init__()
        self.projections = nn.ModuleDict(
            {name: nn.Linear(size, hidden_size) for name, size in channels.items() if size != hidden_size}
        )
        self.blocks = nn.ModuleDict(
            {
                name: CrossModalBlock(
                    hidden_size,
                    config.collaboration_heads,
                    config.dropout,
                    use_ffn=config.collaboration_ffn,
                    tie_query_key=config.tie_query_key,
                )
                for name in channels
            }
        )
        width = len(channels) * hidden_size
        self.fusion = None if config.fusion_size is None else nn.Linear(width, config.fusion_size)
        self.width = config.fusion_size or width

    def forward(
        self, words: torch.Tensor, features: Mapping[str, ImageFeatures], index: torch.Tensor | None
    ) -> torch.Tensor:
        """Show words the image of their sentence; those without one stay as they are.

        Args:
            words: (batch, tokens, hidden).
            features: each encoder's view of the images; none if there are no images at all.
            index: int64 (batch,), the image of each sentence, -1 where it has none; None if none has.

        Returns:
            (batch, tokens, width).
        """
        views = [words] * len(self.blocks)
        if index is not None:
            tokens = {name: self._tokens(name, features[name])[index.clamp(min=0)] for name in self.blocks}
            views = [block(words, tokens[name], image_mask=index >= 0) for name, block in self.blocks.items()]
        joined = torch.cat(views, dim=-1)  # (batch, tokens, encoders * hidden)
        return joined if self.fusion is None else self.fusion(joined)

    def _tokens(self, name: str, features: ImageFeatures) -> torch.Tensor:
        """As wide as words: (images, tokens, hidden)."""
        return self.projections[name](features.tokens) if name in self.projections else features.tokens
