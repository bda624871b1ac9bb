"""Sentences and images made ready for 2M-NER."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hf_mlm.models.base.encoders import Source
from hf_mlm.models.base.processing import ImageTaggerProcessor


if TYPE_CHECKING:
    from typing import Self


class TwoMNERProcessor(ImageTaggerProcessor):
    """Encodes words and images for both image encoders as one: cropped and normalised as the ViT needs them.

    The model makes of them what the ResNet needs (``resnet_pixel_scale`` of `TwoMNERConfig`). Its arguments are those
    of `ImageTaggerProcessor`.
    """

    @classmethod
    def from_encoders_pretrained(  # type: ignore[override]  # two sources of images
        cls, text: Source, vit: Source | None = None, resnet: Source | None = None, **settings: Any
    ) -> Self:
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
        return super().from_encoders_pretrained(text, source, **settings)
