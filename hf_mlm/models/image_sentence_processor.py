"""Images beside sentences, whichever way their words are read."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from PIL import Image
from transformers import BatchFeature

from hf_mlm.models.images import distinct_images, to_rgb
from hf_mlm.models.sentence_processor import Sentence, SentenceProcessor


class ImageSentenceProcessor(SentenceProcessor):
    """Base of the processors that prepare images beside sentences, each once, by their ``image_processor``.

    It stands before the class that reads the words, as in ``class TwoMNERProcessor(ImageSentenceProcessor,
    TaggerProcessor)``.
    """

    image_processor: Any

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
            What the sentences alone would give and, where there are images, ``pixel_values`` (images, 3, height,
            width) and ``image_index`` (rows,), the image of each row, -1 where it has none.

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
        firsts, index = distinct_images(images, keys)
        if not firsts:
            return {}
        pictures = [to_rgb(image, f"image {number}") for number, image in enumerate(firsts.values())]
        return {**self.encode_pictures(pictures, list(firsts)), "image_index": index}

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
