"""Sentences and images made ready for 2M-NER."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import transformers  # the Auto classes only when called: importing them registers this processor
from PIL import Image
from transformers import BatchFeature

from hf_mlm.models.images import to_rgb
from hf_mlm.models.tagger_processor import Sentence, TaggerProcessor
from hf_mlm.models.torchvision_resnet import IMAGE_MEAN, IMAGE_STD
from hf_mlm.models.two_mner.pretrained_two_mner import Source, is_torchvision


class TwoMNERProcessor(TaggerProcessor):
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

    def __call__(
        self,
        text: Sentence | Sequence[Sentence],
        *,
        images: Any = None,
        labels: Sequence[Sequence[int]] | None = None,
        return_tensors: str | None = "pt",
    ) -> BatchFeature:
        """Prepare sentences with their images.

        Args:
            text: sentences, each a list of words, or a string, which is split as `split_words` does; or one string.
            images: an image for each sentence, None where it has none, each in a form that
                `hf_mlm.models.images.to_rgb` takes; the same object for several sentences is encoded once.
            labels: a label for each word of each sentence.
            return_tensors: "pt" for tensors, "np" for arrays.

        Returns:
            What `TaggerProcessor` returns and, where there are images, ``pixel_values`` (images, 3, height, width) and
            ``image_index`` (rows,), the image of each row, -1 where it has none.

        Raises:
            FileNotFoundError: if an image's path leads nowhere.
            ValueError: if there are more or fewer images or labels than sentences or words, or an image is broken.
        """
        sentences = [text] if isinstance(text, str) else text
        windows = self.windows(self.words(sentences))
        data: dict[str, Any] = self.pad(self.rows(windows, labels))
        if images is not None:
            images = list(images) if isinstance(images, (list, tuple)) else [images]
            if len(images) != len(sentences):
                raise ValueError(f"there are {len(images)} images for {len(sentences)} sentences: pass None for none.")
            data |= self.encode_images([images[window.sentence] for window in windows])
        return BatchFeature(data, tensor_type=return_tensors)

    def encode_images(self, images: Sequence[Any], keys: Sequence[Hashable] | None = None) -> dict[str, np.ndarray]:
        """Prepare the images of a batch's rows, each distinct one once.

        Args:
            images: of each row, None where it has none.
            keys: what tells one image from another; by default they are the same if they are the same object.

        Returns:
            ``pixel_values`` float32 (images, 3, height, width) and ``image_index`` int64 (rows,), -1 where none;
            nothing if no row has an image.
        """
        keys = [id(image) for image in images] if keys is None else keys
        distinct: dict[Hashable, int] = {}
        index = [
            -1 if image is None else distinct.setdefault(key, len(distinct))
            for key, image in zip(keys, images, strict=True)
        ]
        if not distinct:
            return {}
        firsts = [images[index.index(number)] for number in range(len(distinct))]
        pictures = [to_rgb(image, f"image {number}") for number, image in enumerate(firsts)]
        return {**self.encode_pictures(pictures, list(distinct)), "image_index": np.array(index)}

    def encode_pictures(self, pictures: Sequence[Image.Image], keys: Sequence[Hashable]) -> dict[str, np.ndarray]:
        """Prepare distinct images.

        Args:
            pictures: RGB, upright.
            keys: what tells one image from another.

        Returns:
            ``pixel_values`` float32 (images, 3, height, width).
        """
        pixels = self.image_processor(pictures, return_tensors="np")["pixel_values"]
        return {"pixel_values": np.asarray(pixels, dtype=np.float32)}

    @property
    def model_input_names(self) -> list[str]:
        """Names of the model's arguments that the processor makes."""
        return [*super().model_input_names, "pixel_values", "image_index"]
