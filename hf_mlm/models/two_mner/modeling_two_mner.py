"""2M-NER: words that see their sentence's image, and a CRF over them (2M-NER paper, Equations 1-18)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from hf_mlm.models.base.configuration import feature_size, patch_count
from hf_mlm.models.base.encoders import Source, build_encoder, drop_pooler, load_encoder, pixel_rescaling
from hf_mlm.models.base.modeling import TaggerPreTrainedModel, feature_tokens, image_rows, tagger_forward
from hf_mlm.models.layers.attention import CrossModalBlock
from hf_mlm.models.layers.contrastive import nt_xent
from hf_mlm.models.layers.pooling import masked_mean, pool_image, pool_words
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

    cacheable_features = True  # `forward` looks at each image by itself, unless batch norms are in training mode

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
        tokens, pooled = feature_tokens(outputs.last_hidden_state), pool_image(outputs)
        return ImageFeatures(
            tokens=pooled.unsqueeze(1) if self.pools_tokens else tokens,
            vector=tokens.flatten(1) if self.flattens else pooled,
        )


class AlignmentHead(nn.Module):
    """Linear, ReLU, linear: into the space that texts and images share."""

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
        repeated: whether all sentences about one image are compared, or the first of them alone.
    """

    def __init__(self, hidden_size: int, vector_sizes: Mapping[str, int], temperature: float, repeated: bool = False):
        super().__init__()
        self.temperature, self.repeated = temperature, repeated
        self.text = AlignmentHead(hidden_size, hidden_size)
        self.images = nn.ModuleDict({name: AlignmentHead(size, hidden_size) for name, size in vector_sizes.items()})

    def forward(
        self, sentences: torch.Tensor, features: Mapping[str, ImageFeatures], index: torch.Tensor | None
    ) -> torch.Tensor:
        """Compare all sentences (batch, hidden) that have an image with all images of the batch: (encoders,) losses.

        Of several sentences about one image the first is compared: to the others their own image would be a negative.
        ``index`` is int64 (batch,), the image of each sentence, -1 where it has none; None if none has.
        """
        texts = self.text(sentences)  # (batch, hidden)
        if index is None:
            index = torch.full(texts.shape[:1], -1, device=texts.device)
        pairs = index >= 0 if self.repeated else _first_of_each(index)  # (batch,)
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
        """Show words (batch, tokens, hidden) the image of their sentence: (batch, tokens, width).

        ``index`` is int64 (batch,), the image of each sentence; those with -1 stay as they are, and all if it is None.
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


@dataclass
class TwoMNEROutput(ModelOutput):
    """What `TwoMNERForTokenClassification` returns, always in this order; what `TaggerOutput` has is as there.

    Args:
        loss: scalar, alpha times the CRF's loss plus 1 - alpha times the sum of the alignment losses (Equation 18).
        crf_loss: scalar, the CRF's.
        alignment_losses: (branches,), NT-Xent of each image branch; None without alignment.
        logits: see `TaggerOutput`.
        predictions: see `TaggerOutput`.
    """

    loss: torch.Tensor | None = None
    crf_loss: torch.Tensor | None = None
    alignment_losses: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    predictions: torch.Tensor | None = None


class TwoMNERForTokenClassification(TaggerPreTrainedModel):
    """Tag the words of sentences, most of which have an image.

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
            self.alignment = Alignment(hidden_size, vector_sizes, config.temperature, config.align_repeated_images)
        self.head = self._make_head(width)
        self._settle_pooler()
        self.post_init()

    @classmethod
    def from_encoders_pretrained(
        cls, text: Source, vit: Source | None = None, resnet: Source | None = None, **settings: Any
    ) -> TwoMNERForTokenClassification:
        """Put 2M-NER on pretrained encoders; the image branches are those that are given.

        Args:
            text: folder or Hub name of a text model or of a pair such as CLIP, whose text half is taken.
            vit: folder or Hub name of a vision model or of a pair, whose vision half is taken.
            resnet: the same, or a ``.pth`` file of torchvision's, such as ``resnet152-b121ed2d.pth``.
            **settings: further settings of `TwoMNERConfig`.
        """
        reads = load_encoder(text, "text_config")
        sources = {name: source for name, source in (("vit", vit), ("resnet", resnet)) if source is not None}
        sees = {name: load_encoder(source, "vision_config") for name, source in sources.items()}
        found: dict[str, Any] = {f"{name}_config": encoder.config for name, encoder in sees.items()}
        if len(sources) == 2:
            found |= pixel_rescaling(sources["vit"], sources["resnet"])
        branches = {"text_encoder_config": reads.config, "image_branches": list(sees)}
        return cls(TwoMNERConfig(**{**branches, **found, **settings}), reads, **sees)

    def train(self, mode: bool = True) -> TwoMNERForTokenClassification:
        """Switch training on or off; frozen encoders stay as in evaluation, unless ``frozen_batch_norm="train"``."""
        super().train(mode)
        if self.config.frozen_batch_norm == "train" and "resnet" in self.image_encoders:
            self.image_encoders["resnet"].train(mode)
        return self

    def _encoders(self) -> dict[str, nn.Module]:
        return {"text_encoder": self.text_encoder, **self.image_encoders}

    def _settle_pooler(self) -> None:
        """Keep the text encoder's own layer over its first token where it is used, and there alone."""
        if self.alignment is None or self.config.alignment_text_pooling != "pooler":
            drop_pooler(self.text_encoder)
        elif getattr(self.text_encoder, "pooler", None) is None:
            raise ValueError(
                f"alignment_text_pooling='pooler' needs a text encoder with a pooler, and a "
                f"{type(self.text_encoder).__name__} has none: use 'mean' or 'cls'."
            )

    @tagger_forward
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
        """Score and decode a batch of sentences with their images."""
        encoded = self._read(input_ids, attention_mask, token_type_ids)
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
        return TwoMNEROutput(
            **losses, logits=logits, predictions=self._decode(logits, word_ids, labels, attention_mask)
        )

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
