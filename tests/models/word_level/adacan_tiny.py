"""AdaCAN in miniature: configurations, batches and a processor that other tests build on."""

from __future__ import annotations

from typing import Any

import torch
from transformers import ConvNextImageProcessorPil

from hf_mlm.models.word_level.configuration import AdaCANConfig
from hf_mlm.models.word_level.processing import AdaCANProcessor
from tests.models.two_mner.tiny import RESNETS, VITS, pictures
from tests.models.word_level.tiny import CHARACTER_SIZES, processor
from tests.models.word_level.tiny import batch as text_batch


def config(image_encoder: str = "vit", **settings: Any) -> AdaCANConfig:
    """Nine labels, without dropout, on a trained image encoder."""
    encoders = {**VITS, **RESNETS}
    sizes = {"character_filters": 3, "character_hidden_size": 5, "character_dropout": 0.0}
    images = {"image_encoder_config": encoders[image_encoder].to_dict(), "freeze_image_encoder": False}
    return AdaCANConfig(**{**CHARACTER_SIZES, **sizes, **images, **settings})


def batch(rows: int = 4, seed: int = 0) -> dict[str, torch.Tensor]:
    """Sentences, each with a row of pixels, which the second one's mask hides."""
    mask = torch.ones(rows, dtype=torch.bool)
    mask[1] = False
    return {**text_batch(rows, seed), "pixel_values": pictures(rows, seed), "image_mask": mask}


def image_processor() -> ConvNextImageProcessorPil:
    """Images of 32 pixels."""
    return ConvNextImageProcessorPil(size={"shortest_edge": 32}, crop_pct=1.0)


def adacan_processor() -> AdaCANProcessor:
    """Knows the words of a few sentences."""
    return AdaCANProcessor(image_processor(), processor().vocabulary)
