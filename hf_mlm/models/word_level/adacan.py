"""AdaCAN: words and image regions attend to each other, and gates weigh what they find (Zhang et al. 2018)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn
from transformers import PreTrainedModel

from hf_mlm.models.base.configuration import feature_size
from hf_mlm.models.base.encoders import Source, build_encoder, drop_pooler, load_encoder
from hf_mlm.models.base.modeling import TaggerOutput, feature_tokens, image_rows, tagger_forward
from hf_mlm.models.word_level.configuration import AdaCANConfig
from hf_mlm.models.word_level.modeling import CharacterCNN, SentenceEncoder, WordTaggerPreTrainedModel, positions_read


LARGEST_STEP = 2**24  # numbers that additive attention holds at a time, unless one query has more


class Attention(nn.Module):
    """Attention by a small network: ``softmax(w tanh(…))``, with what is attended to as its own value.

    Additive, the network sees ``W q + U k + b``. By concatenation, as published, it sees ``[W q + b; U k]``: then
    ``w tanh(…)`` is one number of the query plus one of the key, and the softmax over keys cancels the query's. What
    is left is computed alone, once for all queries; the weights that cancel are not built.

    Args:
        size: width of queries, keys and the network.
        kind: ``"additive"`` or ``"concat"``.
    """

    def __init__(self, size: int, kind: Literal["additive", "concat"]):
        super().__init__()
        self.query = nn.Linear(size, size) if kind == "additive" else None
        self.key = nn.Linear(size, size, bias=False)
        self.score = nn.Linear(size, 1, bias=False)

    def forward(self, queries: torch.Tensor, keys: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Gather for queries (batch, queries, size) what they attend to of keys (batch, keys, size).

        ``mask`` is bool (batch, keys), False at keys that are not there.
        """
        projected = self.key(keys)  # (batch, keys, size)
        if self.query is None:
            attended = self._gather(self.score(projected.tanh()).transpose(1, 2), keys, mask)  # (batch, 1, size)
            return attended.expand(-1, queries.shape[1], -1)
        step = max(1, LARGEST_STEP // max(projected.numel(), 1))
        parts = [
            self._gather(self._score(part, projected), keys, mask) for part in self.query(queries).split(step, dim=1)
        ]
        return torch.cat(parts, dim=1)

    def _score(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """(batch, queries, keys)."""
        return self.score((queries.unsqueeze(2) + keys.unsqueeze(1)).tanh()).squeeze(-1)

    @staticmethod
    def _gather(scores: torch.Tensor, keys: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        if mask is not None:
            scores = scores.masked_fill(~mask.unsqueeze(1), torch.finfo(scores.dtype).min)
        return scores.softmax(dim=-1) @ keys


class Coattention(nn.Module):
    """What a word learns from the image: co-attention, gated fusion, and a gate that filters it.

    Args:
        size: width of words and of projected regions.
        channels: width of the image encoder's regions.
        kind: of both attentions, ``"additive"`` or ``"concat"``.
    """

    def __init__(self, size: int, channels: int, kind: Literal["additive", "concat"]):
        super().__init__()
        self.regions = nn.Linear(channels, size)
        self.visual_attention = Attention(size, kind)
        self.textual_attention = Attention(size, kind)
        self.fusion = GatedFusion(size)
        self.filter = FiltrationGate(size)

    def forward(self, words: torch.Tensor, regions: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Let words (batch, words, size), as far as the bool mask goes, look at regions (batch, regions, channels)."""
        seen = self.visual_attention(words, self.regions(regions).tanh())  # word-guided visual attention
        read = self.textual_attention(seen, words, mask)  # image-guided textual attention
        return self.filter(words, self.fusion(seen, read))


class GatedFusion(nn.Module):
    """What was seen and what was read, weighed against each other ("gated multimodal fusion"): ``g v + (1 - g) h``."""

    def __init__(self, size: int):
        super().__init__()
        self.seen = nn.Linear(size, size)
        self.read = nn.Linear(size, size)
        self.gate = nn.Linear(2 * size, 1)

    def forward(self, seen: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
        """Fuse two of (batch, words, size) into one."""
        seen, read = self.seen(seen).tanh(), self.read(read).tanh()
        gate = self.gate(torch.cat([seen, read], dim=-1)).sigmoid()  # (batch, words, 1)
        return gate * seen + (1 - gate) * read


class FiltrationGate(nn.Module):
    """How much of the fused vector a word lets in ("filtration gate"): ``s tanh(W m)``.

    The gate's projections of word and fused vector, which have no nonlinearity between them and their weights, are
    one linear layer here.
    """

    def __init__(self, size: int):
        super().__init__()
        self.gate = nn.Linear(2 * size, 1)
        self.fused = nn.Linear(size, size)

    def forward(self, words: torch.Tensor, fused: torch.Tensor) -> torch.Tensor:
        """Filter (batch, words, size) by words of the same shape."""
        gate = self.gate(torch.cat([words, fused], dim=-1)).sigmoid()  # (batch, words, 1)
        return gate * self.fused(fused).tanh()


class AdaCANForTokenClassification(WordTaggerPreTrainedModel):
    """Tag the words of sentences, most of which have an image.

    Args:
        config: vocabulary, sizes, image encoder and labels.
        image_encoder: already loaded; built from the configuration when omitted.

    Example:
        >>> from transformers import ResNetConfig
        >>> resnet = ResNetConfig(embedding_size=4, hidden_sizes=[4, 6], depths=[1, 1], layer_type="basic")
        >>> config = AdaCANConfig(vocab_size=9, num_characters=30, image_encoder_config=resnet)
        >>> model = AdaCANForTokenClassification(config).eval()
        >>> words, characters = torch.tensor([[2, 5]] * 2), torch.tensor([[[7, 8, 9], [2, 0, 0]]] * 2)
        >>> one_image = {"pixel_values": torch.rand(1, 3, 32, 32), "image_index": torch.tensor([0, -1])}
        >>> model(words, character_ids=characters, **one_image).logits.shape
        torch.Size([2, 2, 9])
    """

    config_class = AdaCANConfig
    base_model_prefix = "adacan"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True  # by the image encoder

    config: AdaCANConfig

    def __init__(self, config: AdaCANConfig, image_encoder: PreTrainedModel | None = None):
        super().__init__(config)
        size, character_size = config.hidden_size, config.character_size
        characters = CharacterCNN(
            config.num_characters,
            config.character_embedding_size,
            config.character_widths,
            config.character_filters,
            config.character_hidden_size,
            character_size,
            config.character_dropout,
        )
        self.sentence_encoder = SentenceEncoder(config, characters, character_size)
        self.image_encoder: Any = None
        self.coattention: Coattention | None = None
        if config.use_images:
            self.image_encoder = drop_pooler(build_encoder(config.image_encoder_config, image_encoder))
            self.coattention = Coattention(size, feature_size(config.image_encoder_config), config.coattention)
        width = 2 * size if config.use_images else size
        self.head = self._make_head(width)
        self.post_init()

    @classmethod
    def from_image_encoder_pretrained(cls, image_encoder: Source, **settings: Any) -> AdaCANForTokenClassification:
        """Put the model on a pretrained image encoder.

        Args:
            image_encoder: folder or Hub name of a vision model or of a pair such as CLIP, whose vision half is taken,
                or a ``.pth`` file of a ResNet of torchvision's.
            **settings: further settings of `AdaCANConfig`, such as `WordVocabulary.settings`.
        """
        loaded = load_encoder(image_encoder, "vision_config")
        return cls(AdaCANConfig(image_encoder_config=loaded.config, **settings), loaded)

    @tagger_forward
    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        word_ids: torch.Tensor | None = None,
        character_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        image_index: torch.Tensor | None = None,
        image_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> TaggerOutput:
        """Score and decode a batch of sentences with their images."""
        inside = positions_read(input_ids, attention_mask)
        words = self.sentence_encoder(input_ids, inside, character_ids)  # (batch, words, hidden)
        if self.coattention is not None:
            index = image_rows(len(words), pixel_values, image_index, image_mask)
            seen = self._look(self.coattention, words, inside, pixel_values, index)
            words = torch.cat([words, seen], dim=-1)  # (batch, words, 2 * hidden)
        return self._finish(self.head(words), word_ids, labels, attention_mask)

    def _look(
        self,
        coattention: Coattention,
        words: torch.Tensor,
        inside: torch.Tensor,
        pixel_values: torch.Tensor | None,
        index: torch.Tensor | None,
    ) -> torch.Tensor:
        """What each word lets in of its image, 0 for sentences without one: (batch, words, hidden)."""
        if pixel_values is None or index is None:  # gradients of 0, for which other processes wait
            regions = words.new_zeros(len(words), 1, coattention.regions.in_features)
            index = torch.full(words.shape[:1], -1, device=words.device)
        else:
            hidden = self.image_encoder(pixel_values=pixel_values.to(self.image_encoder.dtype)).last_hidden_state
            regions = feature_tokens(hidden)[index.clamp(min=0)]  # (batch, regions, channels)
        seen = coattention(words, regions.to(words.dtype), inside)
        return seen * (index >= 0).view(-1, 1, 1)
