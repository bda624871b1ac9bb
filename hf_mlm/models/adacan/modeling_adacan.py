"""AdaCAN: a CNN spells words, a BiLSTM reads them, co-attention looks at the image, a CRF tags (Zhang et al. 2018)."""

from __future__ import annotations

import os
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.utils.generic import can_return_tuple

from hf_mlm.models.adacan.coattention_adacan import Coattention
from hf_mlm.models.adacan.configuration_adacan import AdaCANConfig
from hf_mlm.models.encoder_sizes import feature_size
from hf_mlm.models.encoders import build_encoder, drop_pooler, load_encoder
from hf_mlm.models.layers.image_index import image_rows
from hf_mlm.models.layers.tagging_head import TaggingHead
from hf_mlm.models.tagger_base import TaggerOutput
from hf_mlm.models.torchvision_resnet import load_torchvision_resnet
from hf_mlm.models.two_mner.pretrained_two_mner import is_torchvision
from hf_mlm.models.word_level.characters import CharacterCNN
from hf_mlm.models.word_level.modeling import (
    SentenceEncoder,
    WordTaggerPreTrainedModel,
    places_read,
)


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
        self.image_encoder: PreTrainedModel | None = None
        self.coattention: Coattention | None = None
        if config.use_images:
            self.image_encoder = drop_pooler(build_encoder(config.image_encoder_config, image_encoder))
            self.coattention = Coattention(size, feature_size(config.image_encoder_config), config.coattention)
        width = 2 * size if config.use_images else size
        self.head = TaggingHead(width, config.label_names, config.dropout, constrained=config.constrained_decoding)
        self.post_init()
        if self.image_encoder is not None and config.freeze_image_encoder:
            self.image_encoder.requires_grad_(False).eval()

    @classmethod
    def from_image_encoder_pretrained(
        cls, image_encoder: str | os.PathLike[str], **settings: Any
    ) -> AdaCANForTokenClassification:
        """Put the model on a pretrained image encoder.

        Args:
            image_encoder: folder or Hub name of a vision model or of a pair such as CLIP, whose vision half is taken,
                or a ``.pth`` file of a ResNet of torchvision's.
            **settings: further settings of `AdaCANConfig`, such as `WordVocabulary.settings`.
        """
        torchvision = is_torchvision(image_encoder)
        loaded = (
            load_torchvision_resnet(image_encoder) if torchvision else load_encoder(image_encoder, "vision_config")
        )
        return cls(AdaCANConfig(image_encoder_config=loaded.config, **settings), loaded)

    def train(self, mode: bool = True) -> AdaCANForTokenClassification:
        """Switch training on or off; a frozen image encoder stays as in evaluation, batch statistics included."""
        super().train(mode)
        if self.image_encoder is not None and self.config.freeze_image_encoder:
            self.image_encoder.eval()
        return self

    @can_return_tuple
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
        """Score and decode a batch of sentences with their images.

        Args:
            input_ids: int64 (batch, words).
            attention_mask: (batch, words), 0 at padding, which stands at the right.
            word_ids: int64 (batch, words), the number of each word, -1 at padding. When omitted, words are where
                ``labels`` are.
            character_ids: int64 (batch, words, characters), 0 at padding.
            pixel_values: (images, 3, height, width), each image once; None if no sentence has one.
            image_index: int64 (batch,), which image each sentence has, -1 where none; when omitted, ``pixel_values``
                has a row for each sentence.
            image_mask: bool (batch,), False for sentences without an image, whatever their row of ``pixel_values``.
            labels: int64 (batch, words), -100 at padding and where a word's label is not to be learnt.

        Raises:
            ValueError: if ``character_ids`` are missing, or images and sentences do not correspond.
        """
        inside = places_read(input_ids, attention_mask)
        words = self.sentence_encoder(input_ids, inside, character_ids)  # (batch, words, hidden)
        if self.coattention is not None:
            index = image_rows(len(words), pixel_values, image_index, image_mask)
            seen = self._look(self.coattention, words, inside, pixel_values, index)
            words = torch.cat([words, seen], dim=-1)  # (batch, words, 2 * hidden)
        return self._finish(self.head(words), word_ids, labels)

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
            regions = _regions(self.image_encoder, pixel_values)[index.clamp(min=0)]  # (batch, regions, channels)
        seen = coattention(words, regions.to(words.dtype), inside)
        return seen * (index >= 0).view(-1, 1, 1)


def _regions(image_encoder: Any, pixel_values: torch.Tensor) -> torch.Tensor:
    """The image encoder's last feature map, or its tokens: (images, regions, channels)."""
    hidden = image_encoder(pixel_values=pixel_values.to(image_encoder.dtype)).last_hidden_state
    return hidden.flatten(2).transpose(1, 2) if hidden.dim() == 4 else hidden
