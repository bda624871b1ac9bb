"""What 2M-NER sees of an image: tokens for words to look at, a vector to align with the sentence (Equations 4-6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import nn
from transformers import PreTrainedModel

from hf_mlm.models.base.configuration import feature_size, patch_count
from hf_mlm.models.base.encoders import build_encoder, drop_pooler
from hf_mlm.models.layers.attention import CrossModalBlock
from hf_mlm.models.layers.contrastive import nt_xent
from hf_mlm.models.layers.pooling import pool_image
from hf_mlm.models.two_mner.configuration_two_mner import TwoMNERConfig


class ImageFeatures(NamedTuple):
    """An encoder's view of the images.

    Args:
        tokens: (images, tokens, channels), patches or positions of a feature map: what words attend to.
        vector: (images, size), of the whole image: what is aligned with the sentence.
    """

    tokens: torch.Tensor
    vector: torch.Tensor


class ImageEncoder(nn.Module):
    """The ViT or the ResNet of 2M-NER.

    Args:
        config: of the whole model.
        name: ``"vit"`` or ``"resnet"``.
        model: the encoder, already loaded; built from the configuration when omitted.
    """

    def __init__(self, config: TwoMNERConfig, name: str, model: PreTrainedModel | None = None):
        super().__init__()
        encoder_config = getattr(config, f"{name}_config")
        self.model = drop_pooler(build_encoder(encoder_config, model))
        self.pools_tokens = name == "resnet" and config.resnet_tokens == "pooled"
        self.flattens = name == "vit" and config.alignment_vit_pooling == "flatten"
        self.rescaling = config.rescaling if name == "resnet" else None
        self.channels = feature_size(encoder_config)
        self.vector_size = self.channels * (patch_count(encoder_config) if self.flattens else 1)

    def forward(self, pixel_values: torch.Tensor) -> ImageFeatures:
        """Look at (images, 3, height, width)."""
        if self.rescaling is not None:
            scale, shift = pixel_values.new_tensor(self.rescaling)[..., None, None]  # (3, 1, 1) each
            pixel_values = pixel_values * scale + shift
        outputs = self.model(pixel_values=pixel_values.to(self.model.dtype))
        hidden = outputs.last_hidden_state
        tokens = hidden.flatten(2).transpose(1, 2) if hidden.dim() == 4 else hidden
        pooled = pool_image(outputs)
        return ImageFeatures(
            tokens=pooled.unsqueeze(1) if self.pools_tokens else tokens,
            vector=tokens.flatten(1) if self.flattens else pooled,
        )


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
