"""IR+LE: one space for images and texts, and the S2 cell of each (MLM paper, Section 5; figure ``ir+le``)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import AutoModel, PreTrainedModel
from transformers import initialization as init
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from hf_mlm.models.irle.branches_irle import ClassBranch, GatedLinear, GeoHead, ImageBranch, SummaryBranch, unit_length
from hf_mlm.models.irle.configuration_irle import IRLEConfig
from hf_mlm.models.irle.objectives_irle import cell_loss, exchange_images
from hf_mlm.models.layers.contrastive import info_nce, siglip_loss
from hf_mlm.models.layers.loss_weighting import LogVarianceWeighting
from hf_mlm.models.layers.pooling import masked_mean, pool_image


LARGEST_SCALE = 100.0  # of the learned inverse temperature, as in CLIP
SIGLIP_BIAS = -10.0  # start of SigLIP's bias: nearly all pairs are negatives


@dataclass
class IRLEOutput(ModelOutput):
    """What `IRLEForRetrievalAndGeo` returns, always in this order; fields of a task that is not trained are None.

    Args:
        loss: scalar, the weighted sum of the tasks.
        retrieval_loss: scalar, unweighted.
        geo_loss: scalar, unweighted: cross-entropy of the images plus that of the texts.
        image_embeds: float32 (batch, embedding_size) of unit length.
        text_embeds: float32 (batch, embedding_size), of unit length unless ``normalize_text_embeds`` is off.
        image_geo_logits: (batch, cells).
        text_geo_logits: (batch, cells).
    """

    loss: torch.Tensor | None = None
    retrieval_loss: torch.Tensor | None = None
    geo_loss: torch.Tensor | None = None
    image_embeds: torch.Tensor | None = None
    text_embeds: torch.Tensor | None = None
    image_geo_logits: torch.Tensor | None = None
    text_geo_logits: torch.Tensor | None = None


@dataclass
class IRLEModalityOutput(ModelOutput):
    """One modality alone.

    Args:
        embeds: float32 (batch, embedding_size), for retrieval.
        geo_logits: (batch, cells), for location estimation.
    """

    embeds: torch.Tensor | None = None
    geo_logits: torch.Tensor | None = None


class IRLEForRetrievalAndGeo(PreTrainedModel):
    """Retrieve texts by images and images by texts, and estimate the S2 cell of either.

    The model reads precomputed features, or raw pixels and token ids where the configuration holds encoders.

    Args:
        config: sizes, tasks, losses and cells.

    Example:
        >>> config = IRLEConfig(image_feature_size=8, summary_feature_size=6, class_feature_size=6, embedding_size=4,
        ...                     num_geo_cells=5)
        >>> model = IRLEForRetrievalAndGeo(config).eval()
        >>> texts = {"summary_features": torch.rand(3, 6), "class_features": torch.rand(3, 6)}
        >>> outputs = model(image_features=torch.rand(3, 8), **texts)
        >>> outputs.image_embeds.shape, outputs.text_geo_logits.shape
        (torch.Size([3, 4]), torch.Size([3, 5]))
    """

    config_class = IRLEConfig
    base_model_prefix = "irle"
    main_input_name = "image_features"
    input_modalities = ("image", "text")
    accepts_loss_kwargs = False  # the loss is a mean, which the Trainer must not rescale
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def __init__(self, config: IRLEConfig):
        super().__init__(config)
        size, cells, dropout = config.embedding_size, config.num_geo_cells, config.dropout
        self.image_encoder = _encoder(config.image_encoder_config)
        self.text_encoder = _encoder(config.text_encoder_config)
        self.image_branch = ImageBranch(config.image_feature_size, size)
        self.summary_branch = SummaryBranch(config.summary_feature_size, size)
        self.class_branch = ClassBranch(config.class_feature_size, size, dropout) if config.use_classes else None
        if "retrieval" in config.tasks:
            self.text_fusion = nn.Linear(2 * size, size) if config.use_classes else None
        if "geo" in config.tasks:
            self.geo_head = GeoHead(size, cells, dropout)
            self.text_geo_fusion = nn.Linear(2 * cells, cells) if config.use_classes else None
        if "retrieval" in config.tasks and config.retrieval_loss != "cosine_embedding":
            self.logit_scale = nn.Parameter(torch.tensor(0.0))
            self.logit_bias = nn.Parameter(torch.tensor(0.0)) if config.retrieval_loss == "siglip" else None
        learned = config.loss_weighting == "log_variance" and len(config.tasks) > 1
        self.loss_weighting = LogVarianceWeighting([True, False]) if learned else None
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Start own layers as torch starts the published ones; encoders know their own way."""
        if isinstance(module, nn.Linear):
            _init_uniform(module, 1 / math.sqrt(module.in_features))
        elif isinstance(module, GatedLinear):  # as an LSTM, whose bound comes from its width
            _init_uniform(module.projection, 1 / math.sqrt(module.projection.out_features // 3))
        elif isinstance(module, LogVarianceWeighting):
            init.zeros_(module.log_vars)
        elif module is self and hasattr(self, "logit_scale"):
            init.constant_(self.logit_scale, -math.log(self.config.temperature))
            if self.logit_bias is not None:
                init.constant_(self.logit_bias, SIGLIP_BIAS)

    @can_return_tuple
    def forward(
        self,
        image_features: torch.Tensor | None = None,
        summary_features: torch.Tensor | None = None,
        class_features: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        class_input_ids: torch.Tensor | None = None,
        class_attention_mask: torch.Tensor | None = None,
        image_cells: torch.Tensor | None = None,
        text_cells: torch.Tensor | None = None,
        pair_targets: torch.Tensor | None = None,
        return_loss: bool = True,
    ) -> IRLEOutput:
        """Embed and locate a batch of images and their texts, and compare them with the targets.

        Args:
            image_features: (batch, image_feature_size), or else ``pixel_values``.
            summary_features: (batch, summary_feature_size), or else ``input_ids``.
            class_features: (batch, class_feature_size), or else ``class_input_ids``; neither without classes.
            pixel_values: (batch, 3, height, width), for the image encoder.
            input_ids: int64 (batch, tokens) of the summaries, for the text encoder.
            attention_mask: (batch, tokens).
            class_input_ids: int64 (batch, tokens) of the classes, for the text encoder.
            class_attention_mask: (batch, tokens).
            image_cells: int64 (batch,), the cell of each image's own entity, -1 where unknown.
            text_cells: int64 (batch,), the cell of each text's entity, -1 where unknown.
            pair_targets: (batch,) 1 where image and text belong together and -1 where the caller has exchanged the
                image; only for ``cosine_embedding``. When omitted, the model exchanges images itself in training and
                takes all pairs as matched otherwise.
            return_loss: whether to compute losses. Outside training a missing target leaves its loss out.

        Raises:
            ValueError: if a modality is missing or has another width, or, in training, the geo task has no cells.
        """
        image = self.encode_images(image_features, pixel_values)
        text = self.encode_texts(
            summary_features, class_features, input_ids, attention_mask, class_input_ids, class_attention_mask
        )
        outputs = IRLEOutput(
            image_embeds=image.embeds,
            text_embeds=text.embeds,
            image_geo_logits=image.geo_logits,
            text_geo_logits=text.geo_logits,
        )
        if return_loss:
            self._add_losses(outputs, image_cells, text_cells, pair_targets)
        return outputs

    def encode_images(
        self, image_features: torch.Tensor | None = None, pixel_values: torch.Tensor | None = None
    ) -> IRLEModalityOutput:
        """Embed and locate images alone.

        Args:
            image_features: (batch, image_feature_size), or else ``pixel_values``.
            pixel_values: (batch, 3, height, width).
        """
        if image_features is None and pixel_values is not None and self.image_encoder is not None:
            image_features = pool_image(self.image_encoder(pixel_values=pixel_values))
        features = _checked("image", image_features, pixel_values, self.config.image_feature_size)
        vectors = self.image_branch(features)  # (batch, embedding_size)
        return IRLEModalityOutput(
            embeds=vectors if "retrieval" in self.config.tasks else None,
            geo_logits=self.geo_head(vectors) if "geo" in self.config.tasks else None,
        )

    def encode_texts(
        self,
        summary_features: torch.Tensor | None = None,
        class_features: torch.Tensor | None = None,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        class_input_ids: torch.Tensor | None = None,
        class_attention_mask: torch.Tensor | None = None,
    ) -> IRLEModalityOutput:
        """Embed and locate texts alone.

        Args:
            summary_features: (batch, summary_feature_size), or else ``input_ids``.
            class_features: (batch, class_feature_size), or else ``class_input_ids``; neither without classes.
            input_ids: int64 (batch, tokens) of the summaries.
            attention_mask: (batch, tokens).
            class_input_ids: int64 (batch, tokens) of the classes.
            class_attention_mask: (batch, tokens).
        """
        if summary_features is None:
            summary_features = self._text_features(input_ids, attention_mask)
        features = _checked("summary", summary_features, input_ids, self.config.summary_feature_size)
        parts = [self.summary_branch(features)]  # (batch, embedding_size) each
        if self.class_branch is not None:
            if class_features is None:
                class_features = self._text_features(class_input_ids, class_attention_mask)
            features = _checked("class", class_features, class_input_ids, self.config.class_feature_size)
            parts.append(self.class_branch(features))
        return IRLEModalityOutput(
            embeds=self._fuse_embeds(parts) if "retrieval" in self.config.tasks else None,
            geo_logits=self._fuse_geo_logits(parts) if "geo" in self.config.tasks else None,
        )

    def train(self, mode: bool = True) -> IRLEForRetrievalAndGeo:
        """Switch training on or off; frozen encoders stay as in evaluation, batch statistics included."""
        super().train(mode)
        for encoder in (self.image_encoder, self.text_encoder):
            if encoder is not None and self.config.freeze_encoders:
                encoder.requires_grad_(False).eval()
        return self

    def _text_features(
        self, input_ids: torch.Tensor | None, attention_mask: torch.Tensor | None
    ) -> torch.Tensor | None:
        if self.text_encoder is None or input_ids is None:
            return None
        hidden = self.text_encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return masked_mean(hidden, attention_mask)  # (batch, summary_feature_size)

    def _fuse_embeds(self, parts: list[torch.Tensor]) -> torch.Tensor:
        if self.text_fusion is None:
            return parts[0]
        fused = self.text_fusion(torch.cat(parts, dim=-1).to(self.text_fusion.weight.dtype)).float()
        return unit_length(fused) if self.config.normalize_text_embeds else fused  # (batch, embedding_size)

    def _fuse_geo_logits(self, parts: list[torch.Tensor]) -> torch.Tensor:
        logits = [self.geo_head(part) for part in parts]  # (batch, cells) each
        return logits[0] if self.text_geo_fusion is None else self.text_geo_fusion(torch.cat(logits, dim=-1))

    def _add_losses(
        self,
        outputs: IRLEOutput,
        image_cells: torch.Tensor | None,
        text_cells: torch.Tensor | None,
        pair_targets: torch.Tensor | None,
    ) -> None:
        """Fill in the losses of ``outputs``; exchanged images are an affair of the losses alone."""
        image_embeds, image_logits = outputs.image_embeds, outputs.image_geo_logits
        contrasts_pairs = "retrieval" in self.config.tasks and self.config.retrieval_loss == "cosine_embedding"
        learns_text_cell = self.config.swapped_image_target == "text"
        if self.training and pair_targets is None and (contrasts_pairs or learns_text_cell):
            reference = image_embeds if image_embeds is not None else image_logits
            sources, pair_targets = exchange_images(len(reference), self.config.negative_share, reference.device)
            image_embeds = image_embeds[sources] if contrasts_pairs else image_embeds
            image_logits = image_logits[sources] if learns_text_cell and image_logits is not None else image_logits
        if "retrieval" in self.config.tasks:
            outputs.retrieval_loss = self._retrieval_loss(image_embeds, outputs.text_embeds, pair_targets)
        if "geo" in self.config.tasks:
            image_targets = text_cells if learns_text_cell else image_cells
            outputs.geo_loss = self._geo_loss(image_logits, outputs.text_geo_logits, image_targets, text_cells)
        outputs.loss = self._total_loss(outputs.retrieval_loss, outputs.geo_loss)

    def _retrieval_loss(
        self, image_embeds: torch.Tensor, text_embeds: torch.Tensor, pair_targets: torch.Tensor | None
    ) -> torch.Tensor:
        if self.config.retrieval_loss == "cosine_embedding":
            if pair_targets is None:
                pair_targets = torch.ones(len(image_embeds), device=image_embeds.device)
            return functional.cosine_embedding_loss(image_embeds, text_embeds, pair_targets, self.config.margin)
        scale = self.logit_scale.float().exp().clamp(max=LARGEST_SCALE)
        if self.logit_bias is None:
            return info_nce(image_embeds, text_embeds, scale)
        return siglip_loss(image_embeds, text_embeds, scale, self.logit_bias.float())

    def _geo_loss(
        self,
        image_logits: torch.Tensor,
        text_logits: torch.Tensor,
        image_cells: torch.Tensor | None,
        text_cells: torch.Tensor | None,
    ) -> torch.Tensor | None:
        if image_cells is not None and text_cells is not None:
            return cell_loss(image_logits, image_cells) + cell_loss(text_logits, text_cells)
        if self.training:
            raise ValueError(
                "the geo task trains on image_cells and text_cells, int64 (batch,), and the batch lacks them: pass both, "
                "or configure tasks=('retrieval',)."
            )
        return None

    def _total_loss(self, retrieval_loss: torch.Tensor | None, geo_loss: torch.Tensor | None) -> torch.Tensor | None:
        if self.config.tasks == ["retrieval"]:
            return retrieval_loss
        if self.config.tasks == ["geo"]:
            return geo_loss
        if retrieval_loss is None or geo_loss is None:
            return None
        if self.loss_weighting is not None:
            return self.loss_weighting([retrieval_loss, geo_loss])
        weights = self.config.loss_weights if self.config.loss_weighting == "fixed" else (1.0, 1.0)
        return weights[0] * retrieval_loss + weights[1] * geo_loss


def _encoder(config: Any) -> PreTrainedModel | None:
    if config is None:
        return None
    encoder = AutoModel.from_config(config)
    encoder.config = config  # one object for the whole model, so that attn_implementation reaches the encoder
    return encoder


def _checked(name: str, features: torch.Tensor | None, raw: torch.Tensor | None, size: int) -> torch.Tensor:
    """Features of the width that the model was built for, or a sentence that says what is amiss."""
    if features is not None and features.dim() == 2 and features.shape[1] == size:
        return features
    if features is not None:
        raise ValueError(f"{name}_features has shape {tuple(features.shape)}; this model reads (batch, {size}).")
    if raw is not None:
        encoder = "image_encoder_config" if name == "image" else "text_encoder_config"
        raise ValueError(f"this model has no {encoder}: pass {name}_features (batch, {size}) instead of raw input.")
    raise ValueError(
        f"{name}_features (batch, {size}) is missing. IR+LE compares images with texts; for one side alone use "
        "encode_images or encode_texts."
    )


def _init_uniform(linear: nn.Linear, bound: float) -> None:
    init.uniform_(linear.weight, -bound, bound)
    init.uniform_(linear.bias, -bound, bound)
