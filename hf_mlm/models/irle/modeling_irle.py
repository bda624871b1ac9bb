"""IR+LE: one space for images and texts, and the S2 cell of each (MLM paper, Section 5; figure ``ir+le``)."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from hf_mlm.files import write_json
from hf_mlm.models.base.encoders import load_encoder
from hf_mlm.models.base.modeling import EncodersPreTrainedModel
from hf_mlm.models.irle.cells_irle import ABSENT, GeoPrediction, KnownEntities, Locator
from hf_mlm.models.irle.configuration_irle import IRLEConfig
from hf_mlm.models.irle.layers_irle import (
    ClassBranch,
    GatedLinear,
    GeoHead,
    ImageBranch,
    ImageEncoder,
    SummaryBranch,
    TextEncoder,
    read_reference_state_dict,
    unit_length,
)
from hf_mlm.models.irle.objective_irle import CellLoss, IRLEObjective, Losses
from hf_mlm.models.layers.loss_weighting import LogVarianceWeighting


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


_EMBED = {"method_output_name": "embeds"}
SENTENCE_TRANSFORMERS = {  # files that sentence-transformers opens a folder by; its own module calls the methods below
    "modules.json": [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"}
    ],
    "sentence_bert_config.json": {
        "transformer_task": "feature-extraction",
        "modality_config": {
            "text": {"method": "encode_texts", **_EMBED},
            "image": {"method": "encode_images", **_EMBED},
            "image+text": {"method": "encode_pairs", **_EMBED},
        },
        "module_output_name": "sentence_embedding",
    },
}


class IRLEForRetrievalAndGeo(EncodersPreTrainedModel):
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
    input_modalities = ("image", "text")

    def __init__(
        self,
        config: IRLEConfig,
        image_encoder: PreTrainedModel | None = None,
        text_encoder: PreTrainedModel | None = None,
    ):
        super().__init__(config)
        size, cells, dropout = config.embedding_size, cast(int, config.num_geo_cells), config.dropout
        retrieves, locates, reads_classes = "retrieval" in config.tasks, "geo" in config.tasks, config.use_classes
        image_config, text_config = config.image_encoder_config, config.text_encoder_config
        self.image_encoder = (
            ImageEncoder(image_config, image_encoder, config.image_pooling) if image_config is not None else None
        )
        self.text_encoder = TextEncoder(text_config, text_encoder) if text_config is not None else None
        standardize = config.standardize_features
        self.image_branch = ImageBranch(config.image_feature_size, size, standardize)
        self.summary_branch = SummaryBranch(config.summary_feature_size, size, standardize)
        self.class_branch = (
            ClassBranch(config.class_feature_size, size, dropout, standardize) if reads_classes else None
        )
        self.text_fusion = nn.Linear(2 * size, size) if retrieves and reads_classes else None
        self.geo_head = GeoHead(size, cells, dropout) if locates else None
        self.text_geo_fusion = nn.Linear(2 * cells, cells) if locates and reads_classes else None
        self.objective = IRLEObjective(config)
        self.main_input_name = "image_features" if image_config is None else "pixel_values"
        self.post_init()
        if config.freeze_encoders:
            self._encoders.requires_grad_(False).eval()

    @classmethod
    def from_encoders_pretrained(
        cls,
        image_encoder: str | os.PathLike[str] | None = None,
        text_encoder: str | os.PathLike[str] | None = None,
        **settings: Any,
    ) -> IRLEForRetrievalAndGeo:
        """Put IR+LE on pretrained encoders.

        Args:
            image_encoder: folder or Hub name of a vision model or of a pair such as CLIP, whose vision half is taken.
            text_encoder: folder or Hub name of a text model or of a pair, whose text half is taken.
            **settings: further settings of `IRLEConfig`.
        """
        image = None if image_encoder is None else load_encoder(image_encoder, "vision_config")
        text = None if text_encoder is None else load_encoder(text_encoder, "text_config")
        config = IRLEConfig(
            image_encoder_config=None if image is None else image.config,
            text_encoder_config=None if text is None else text.config,
            **settings,
        )
        return cls(config, image, text)

    def load_reference_state_dict(self, source: Mapping[str, Any] | str | os.PathLike[str]) -> None:
        """Take over the weights of the published implementation; encoders and learned loss weights stay as they are.

        Args:
            source: its ``state_dict``, a checkpoint that holds one under that name, or the path of either.

        Raises:
            ValueError: if a file holds more than tensors, a weight is missing, or the sizes are not this model's.
        """
        theirs = read_reference_state_dict(source, self.config)
        own = self.state_dict()
        self.load_state_dict({name: value for name, value in theirs.items() if name in own}, strict=False)

    def predict_coordinates(
        self,
        geo_logits: Any,
        strategy: str = "mean",
        top_k: int = 5,
        share: float = 0.5,
        *,
        modality: str = "image",
        embeds: Any = None,
        gallery: KnownEntities | None = None,
    ) -> GeoPrediction:
        """Estimate latitude, longitude and a radius in km; see `Locator`.

        Args:
            geo_logits: (batch, cells), tensor or array, of images or texts.
            strategy: ``"neighbours"``, ``"mean"`` over the ``top_k`` most probable cells, or the ``"best"`` cell.
            top_k: how many cells are averaged.
            share: of new entities that lies within the radius where the model was calibrated, else of the probability.
            modality: that the logits are of: ``"image"`` or ``"text"``, which were calibrated apart.
            embeds: (batch, embedding_size) of the same rows, for the neighbours.
            gallery: known entities, for the neighbours.

        Raises:
            ValueError: if the configuration has no map of its cells, or a setting does not fit.
        """
        outputs = {modality: {"geo_logits": geo_logits, "embeds": embeds}}
        return Locator(self.config, gallery).locate(outputs, strategy, top_k, share)

    def train(self, mode: bool = True) -> IRLEForRetrievalAndGeo:
        """Switch training on or off; frozen encoders stay as in evaluation, batch statistics included."""
        super().train(mode)
        if self.config.freeze_encoders:
            self._encoders.eval()
        return self

    @property
    def _encoders(self) -> nn.ModuleList:
        return nn.ModuleList(encoder for encoder in (self.image_encoder, self.text_encoder) if encoder is not None)

    def _init_weights(self, module: nn.Module) -> None:
        """Start own layers as torch starts the published ones; encoders know their own way."""
        if isinstance(module, nn.Linear):
            fan = module.out_features // 3 if isinstance(module, GatedLinear) else module.in_features
            init.uniform_(module.weight, -1 / math.sqrt(fan), 1 / math.sqrt(fan))
            init.uniform_(module.bias, -1 / math.sqrt(fan), 1 / math.sqrt(fan))
        elif isinstance(module, LogVarianceWeighting):
            init.zeros_(module.log_vars)
        elif isinstance(module, IRLEObjective) and module.logit_scale is not None:
            init.constant_(module.logit_scale, -math.log(self.config.temperature))
            if module.logit_bias is not None:
                init.constant_(module.logit_bias, SIGLIP_BIAS)
        elif isinstance(module, CellLoss):
            for name, values in module.maps().items():
                init.copy_(getattr(module, name), values)

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
            image_cells: int64 (batch,), the cell of each image's own entity, -1 where unknown, -100 where a row has no
                image; ``pixel_values`` then holds the images that there are.
            text_cells: int64 (batch,), the cell of each text's entity, -1 where unknown, -100 where there is no text.
            pair_targets: (batch,) 1 where image and text belong together, 0 where either is absent, and -1 where the
                caller has swapped the image, which only ``cosine_embedding`` takes. Without -1, the model swaps
                images itself in training. When omitted, all pairs belong together.
            return_loss: whether to compute losses. Outside training a missing target leaves its loss out.

        Raises:
            ValueError: if a modality is missing or has another width, or, in training, the geo task has no cells.
        """
        text = self.encode_texts(
            summary_features, class_features, input_ids, attention_mask, class_input_ids, class_attention_mask
        )
        image = self._spread_images(image_features, pixel_values, image_cells)
        losses = self.objective(image, text, image_cells, text_cells, pair_targets) if return_loss else Losses()
        return IRLEOutput(
            **losses._asdict(),
            image_embeds=image.embeds,
            text_embeds=text.embeds,
            image_geo_logits=image.geo_logits,
            text_geo_logits=text.geo_logits,
        )

    def _spread_images(
        self,
        image_features: torch.Tensor | None,
        pixel_values: torch.Tensor | None,
        image_cells: torch.Tensor | None,
    ) -> IRLEModalityOutput:
        """Encode the images that there are; rows without one have zeros."""
        given = image_features if image_features is not None else pixel_values
        if image_cells is None or (given is not None and len(given) == len(image_cells)):
            return self.encode_images(image_features, pixel_values)
        present = image_cells != ABSENT  # (batch,)
        if (count := int(present.sum())) != (0 if given is None else len(given)):
            if given is None:
                return self.encode_images()  # says what is missing
            raise ValueError(
                f"Expected pixel_values of {count} images, as image_cells has cells that are not {ABSENT}, found "
                f"{len(given)}."
            )
        widths = {
            "embeds": ("retrieval", self.config.embedding_size),
            "geo_logits": ("geo", self.config.num_geo_cells),
        }
        found: Any = self.encode_images(image_features, pixel_values) if given is not None else {}
        spread = IRLEModalityOutput()
        for name, (task, width) in widths.items():
            if task in self.config.tasks:
                values = found.get(name)
                rows = torch.zeros(len(present), cast(int, width), device=present.device)  # (batch, width)
                spread[name] = rows if values is None else rows.to(values.dtype).index_put((present,), values)
        return spread

    def encode_images(
        self, image_features: torch.Tensor | None = None, pixel_values: torch.Tensor | None = None
    ) -> IRLEModalityOutput:
        """Embed and locate images alone.

        Args:
            image_features: (batch, image_feature_size), or else ``pixel_values``.
            pixel_values: (batch, 3, height, width).
        """
        if image_features is None and pixel_values is not None and self.image_encoder is not None:
            image_features = self.image_encoder(pixel_values)
        features = _checked("image", image_features, pixel_values, self.config.image_feature_size)
        vectors = self.image_branch(features)  # (batch, embedding_size)
        return IRLEModalityOutput(
            embeds=vectors if "retrieval" in self.config.tasks else None,
            geo_logits=self.geo_head(vectors) if self.geo_head is not None else None,
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
            embeds=self._fuse_embeds(parts),
            geo_logits=self._fuse_geo_logits(parts),
        )

    def encode_pairs(
        self,
        pixel_values: torch.Tensor,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        class_input_ids: torch.Tensor | None = None,
        class_attention_mask: torch.Tensor | None = None,
    ) -> IRLEModalityOutput:
        """Embed queries of an image and a text each: the direction of the sum of both embeddings.

        Args:
            pixel_values: (batch, 3, height, width).
            input_ids: int64 (batch, tokens) of the texts.
            attention_mask: (batch, tokens).
            class_input_ids: int64 (batch, tokens) of the classes.
            class_attention_mask: (batch, tokens).

        Raises:
            ValueError: if the model was not trained to retrieve.
        """
        image = self.encode_images(pixel_values=pixel_values).embeds
        texts = {"class_input_ids": class_input_ids, "class_attention_mask": class_attention_mask}
        text = self.encode_texts(input_ids=input_ids, attention_mask=attention_mask, **texts).embeds
        if image is None or text is None:
            raise ValueError(f"Expected a model with the task 'retrieval', found tasks={self.config.tasks}.")
        return IRLEModalityOutput(embeds=unit_length(image + text))  # (batch, embedding_size)

    def save_pretrained(  # type: ignore[override]  # names the folder, as transformers does
        self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any
    ) -> None:
        """Save the model; one that retrieves from raw input opens as a ``SentenceTransformer`` too.

        Args:
            save_directory: folder to write.
            *args: as for transformers.
            **kwargs: as for transformers.
        """
        super().save_pretrained(save_directory, *args, **kwargs)
        both = self.config.image_encoder_config is not None and self.config.text_encoder_config is not None
        if both and "retrieval" in self.config.tasks and kwargs.get("is_main_process", True):
            for name, content in SENTENCE_TRANSFORMERS.items():
                write_json(content, Path(save_directory) / name)

    def _text_features(
        self, input_ids: torch.Tensor | None, attention_mask: torch.Tensor | None
    ) -> torch.Tensor | None:
        if self.text_encoder is None or input_ids is None:
            return None
        return self.text_encoder(input_ids, attention_mask)  # (batch, summary_feature_size)

    def _fuse_embeds(self, parts: list[torch.Tensor]) -> torch.Tensor | None:
        if "retrieval" not in self.config.tasks:
            return None
        if self.text_fusion is None:
            return parts[0]
        fused = self.text_fusion(torch.cat(parts, dim=-1).to(self.text_fusion.weight.dtype)).float()
        return unit_length(fused) if self.config.normalize_text_embeds else fused  # (batch, embedding_size)

    def _fuse_geo_logits(self, parts: list[torch.Tensor]) -> torch.Tensor | None:
        if self.geo_head is None:
            return None
        logits = [self.geo_head(part) for part in parts]  # (batch, cells) each
        return logits[0] if self.text_geo_fusion is None else self.text_geo_fusion(torch.cat(logits, dim=-1))


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
