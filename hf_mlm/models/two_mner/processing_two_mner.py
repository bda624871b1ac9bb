"""Sentences and images made ready for 2M-NER."""

from __future__ import annotations

from typing import Any

import transformers  # the Auto classes only when called: importing them registers this processor

from hf_mlm.models.base.encoders import Source, is_torchvision
from hf_mlm.models.base.processing import ImageSentenceProcessor, TaggerProcessor
from hf_mlm.models.base.published_weights import IMAGE_MEAN, IMAGE_STD


class TwoMNERProcessor(ImageSentenceProcessor, TaggerProcessor):
    """Encodes words as `TaggerProcessor` does, and the images beside them, each once.

    There is one tensor of images for both image encoders: cropped and normalised as the ViT needs it, from which the
    model makes what the ResNet needs (``resnet_pixel_scale`` of `TwoMNERConfig`).

    Args:
        image_processor: one of transformers' image processors, of which the Pillow ones are enough.
        tokenizer: the text encoder's.
        max_length: sub-tokens of a row, special tokens included; the tokenizer's limit when omitted.
        stride: sub-tokens that two windows of a sentence share at most; a quarter of ``max_length`` when omitted.
    """

    def __init__(
        self,
        image_processor: Any,
        tokenizer: Any,
        max_length: int | None = None,
        stride: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(tokenizer, max_length, stride, image_processor=image_processor, **kwargs)

    @classmethod
    def from_encoders_pretrained(
        cls, text: Source, vit: Source | None = None, resnet: Source | None = None, **settings: Any
    ) -> TwoMNERProcessor:
        """Make the processor for `TwoMNERForTokenClassification.from_encoders_pretrained` from the same sources.

        Args:
            text: folder or Hub name of the text encoder, with its tokenizer.
            vit: folder or Hub name of the vision transformer, with its image processor.
            resnet: the same of the ResNet, or a ``.pth`` file of torchvision's; counts where there is no ``vit``.
            **settings: ``max_length`` and ``stride``.

        Raises:
            ValueError: if neither image encoder is given: `TaggerProcessor` serves texts alone.
        """
        source = resnet if vit is None else vit
        if source is None:
            raise ValueError("no image encoder, so no images to prepare: pass vit or resnet, or use TaggerProcessor.")
        if is_torchvision(source):
            images = transformers.ConvNextImageProcessorPil(
                size={"shortest_edge": 224}, crop_pct=0.875, image_mean=list(IMAGE_MEAN), image_std=list(IMAGE_STD)
            )
        else:
            images = transformers.AutoImageProcessor.from_pretrained(source)
        return cls(images, transformers.AutoTokenizer.from_pretrained(text), **settings)
