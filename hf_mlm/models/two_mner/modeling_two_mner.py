"""2M-NER: words that see their sentence's image, and a CRF over them (2M-NER paper, Equations 1-18)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from hf_mlm.models.base.configuration import feature_size
from hf_mlm.models.base.encoders import build_encoder, drop_pooler, load_encoders
from hf_mlm.models.base.modeling import TaggerPreTrainedModel
from hf_mlm.models.layers.image_batch import image_rows
from hf_mlm.models.layers.pooling import masked_mean, pool_words
from hf_mlm.models.layers.tagging_head import TaggingHead
from hf_mlm.models.two_mner.configuration_two_mner import TwoMNERConfig
from hf_mlm.models.two_mner.layers_two_mner import Alignment, Collaboration, ImageEncoder


@dataclass
class TwoMNEROutput(ModelOutput):
    """What `TwoMNERForTokenClassification` returns, always in this order.

    Args:
        loss: scalar, alpha times the CRF's loss plus 1 - alpha times the sum of the alignment losses (Equation 18).
        crf_loss: scalar, the negative log-likelihood of a sentence's labels, mean over sentences.
        alignment_losses: (branches,), NT-Xent of each image branch; None without alignment.
        logits: (batch, tokens, labels), scores of the labels before the CRF.
        predictions: int64 (batch, tokens), the decoded label where a word starts, -100 elsewhere; None in training,
            and where nothing says where words start.
    """

    loss: torch.Tensor | None = None
    crf_loss: torch.Tensor | None = None
    alignment_losses: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    predictions: torch.Tensor | None = None


class TwoMNERForTokenClassification(TaggerPreTrainedModel):
    """Tag the words of sentences, most of which have an image.

    The pipelines ``multimodal-ner`` and, for texts alone, ``token-classification`` open it as they do a
    `CRFTaggerForTokenClassification`.

    Args:
        config: encoders, layers, losses and labels.
        text_encoder: the text encoder, already loaded; built from the configuration when omitted.
        vit: the vision transformer, already loaded.
        resnet: the convolutional network, already loaded.

    Example:
        >>> from transformers import BertConfig, ResNetConfig
        >>> text = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
        >>> resnet = ResNetConfig(embedding_size=4, hidden_sizes=[4, 6], depths=[1, 1], layer_type="basic")
        >>> settings = {"image_branches": ["resnet"], "collaboration_heads": 2}
        >>> config = TwoMNERConfig(text_encoder_config=text, resnet_config=resnet, **settings)
        >>> model = TwoMNERForTokenClassification(config).eval()
        >>> sentences = {"input_ids": torch.tensor([[2, 5, 6, 3]] * 2), "word_ids": torch.tensor([[-1, 0, 1, -1]] * 2)}
        >>> one_image = {"pixel_values": torch.rand(1, 3, 32, 32), "image_index": torch.tensor([0, -1])}
        >>> model(**sentences, **one_image).predictions.shape
        torch.Size([2, 4])
    """

    config_class = TwoMNERConfig
    base_model_prefix = "two_mner"
    input_modalities = ("image", "text")

    def __init__(
        self,
        config: TwoMNERConfig,
        text_encoder: PreTrainedModel | None = None,
        vit: PreTrainedModel | None = None,
        resnet: PreTrainedModel | None = None,
    ):
        super().__init__(config)
        self.text_encoder = build_encoder(config.text_encoder_config, text_encoder)
        loaded = {"vit": vit, "resnet": resnet}
        self.image_encoders = nn.ModuleDict(
            {name: ImageEncoder(config, name, loaded[name]) for name in config.image_branches}
        )
        hidden_size = width = feature_size(self.text_encoder.config)
        self.collaboration: Collaboration | None = None
        if config.use_collaboration and config.image_branches:
            channels = {name: encoder.channels for name, encoder in self.image_encoders.items()}
            self.collaboration = Collaboration(config, hidden_size, channels)
            width = self.collaboration.width
        self.alignment: Alignment | None = None
        if config.use_alignment and config.image_branches:
            vector_sizes = {name: encoder.vector_size for name, encoder in self.image_encoders.items()}
            self.alignment = Alignment(hidden_size, vector_sizes, config.temperature)
        self.head = TaggingHead(width, config.label_names, config.dropout, constrained=config.constrained_decoding)
        self._settle_pooler()
        self.post_init()
        for encoder in self._frozen_encoders():
            encoder.requires_grad_(False)

    @classmethod
    def from_encoders_pretrained(
        cls,
        text: str | os.PathLike[str],
        vit: str | os.PathLike[str] | None = None,
        resnet: str | os.PathLike[str] | None = None,
        **settings: Any,
    ) -> TwoMNERForTokenClassification:
        """Put 2M-NER on pretrained encoders; the image branches are those that are given.

        Args:
            text: folder or Hub name of a text model or of a pair such as CLIP, whose text half is taken.
            vit: folder or Hub name of a vision model or of a pair, whose vision half is taken.
            resnet: the same, or a ``.pth`` file of torchvision's, such as ``resnet152-b121ed2d.pth``.
            **settings: further settings of `TwoMNERConfig`.
        """
        encoders, found = load_encoders(text, vit, resnet)
        configs = {
            f"{'text_encoder' if name == 'text' else name}_config": model.config for name, model in encoders.items()
        }
        branches = [name for name in encoders if name != "text"]
        config = TwoMNERConfig(**{**configs, "image_branches": branches, **found, **settings})
        return cls(config, encoders["text"], encoders.get("vit"), encoders.get("resnet"))

    def train(self, mode: bool = True) -> TwoMNERForTokenClassification:
        """Switch training on or off; frozen encoders stay as in evaluation, batch statistics included."""
        super().train(mode)
        for encoder in self._frozen_encoders():
            encoder.eval()
        if self.config.frozen_batch_norm == "train" and "resnet" in self.image_encoders:
            self.image_encoders["resnet"].train(mode)
        return self

    def _frozen_encoders(self) -> list[nn.Module]:
        encoders = {"text_encoder": self.text_encoder, **self.image_encoders}
        return [encoder for name, encoder in encoders.items() if getattr(self.config, f"freeze_{name}")]

    def _settle_pooler(self) -> None:
        """Keep the text encoder's own layer over its first token where it is used, and there alone."""
        if self.alignment is None or self.config.alignment_text_pooling != "pooler":
            drop_pooler(self.text_encoder)
        elif getattr(self.text_encoder, "pooler", None) is None:
            raise ValueError(
                f"alignment_text_pooling='pooler' needs a text encoder with a pooler, and a "
                f"{type(self.text_encoder).__name__} has none: use 'mean' or 'cls'."
            )

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        word_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        image_index: torch.Tensor | None = None,
        image_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> TwoMNEROutput:
        """Score and decode a batch of sentences with their images.

        Args:
            input_ids: int64 (batch, tokens).
            attention_mask: (batch, tokens), 0 at padding.
            token_type_ids: int64 (batch, tokens), for encoders that take them.
            word_ids: int64 (batch, tokens), the word that each sub-token belongs to, -1 at special tokens and padding;
                words start where it changes. When omitted, words are where ``labels`` are, which will do for words
                pooled from their ``"first"`` sub-token.
            pixel_values: (images, 3, height, width), each image once; None if no sentence has one.
            image_index: int64 (batch,), which image each sentence has, -1 where none; when omitted, ``pixel_values``
                has a row for each sentence.
            image_mask: bool (batch,), False for sentences without an image, whatever their row of ``pixel_values``.
            labels: int64 (batch, tokens), at the first sub-token of a word, -100 elsewhere and where a word's label is
                not to be learnt.

        Raises:
            ValueError: if images and sentences do not correspond, or words are pooled and nothing tells them.
        """
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        encoded = self.text_encoder(input_ids=input_ids, attention_mask=attention_mask, **types)
        images = pixel_values if self.image_encoders else None
        index = image_rows(encoded.last_hidden_state.shape[0], images, image_index, image_mask)
        features = {} if index is None else {name: see(pixel_values) for name, see in self.image_encoders.items()}
        words = self._pool_words(encoded.last_hidden_state, word_ids)  # (batch, tokens, hidden)
        if self.collaboration is not None:
            words = self.collaboration(words, features, index)  # (batch, tokens, width)
        logits = self.head(words)  # (batch, tokens, labels)
        losses: dict[str, torch.Tensor | None] = {}
        if labels is not None:
            losses["crf_loss"] = self.head.loss(logits, labels)
            if self.alignment is not None:
                sentences = self._pool_sentences(encoded, attention_mask)  # (batch, hidden)
                losses["alignment_losses"] = self.alignment(sentences, features, index)
            losses["loss"] = self._total(**losses)
        return TwoMNEROutput(**losses, logits=logits, predictions=self._decode(logits, word_ids, labels))

    def _pool_words(self, hidden_states: torch.Tensor, word_ids: torch.Tensor | None) -> torch.Tensor:
        pooling = self.config.word_pooling
        if word_ids is None and pooling in ("mean", "last"):
            raise ValueError(f"word_pooling={pooling!r} needs word_ids, the word that each sub-token belongs to.")
        return pool_words(hidden_states, word_ids, pooling)

    def _pool_sentences(self, encoded: Any, attention_mask: torch.Tensor | None) -> torch.Tensor:
        pooling = self.config.alignment_text_pooling
        if pooling == "pooler":
            return encoded.pooler_output
        hidden_states = encoded.last_hidden_state
        return hidden_states[:, 0] if pooling == "cls" else masked_mean(hidden_states, attention_mask)

    def _total(self, crf_loss: torch.Tensor, alignment_losses: torch.Tensor | None = None) -> torch.Tensor:
        """Equation 18."""
        alpha, scale = self.config.alpha, self.config.loss_scale
        aligned = 0.0 if alignment_losses is None else alignment_losses.sum()
        return scale * (alpha * crf_loss + (1 - alpha) * aligned)
