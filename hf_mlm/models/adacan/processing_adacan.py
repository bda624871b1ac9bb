"""Sentences and images made ready for AdaCAN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import BatchFeature

from hf_mlm.models.tagger_processor import Sentence
from hf_mlm.models.two_mner.processing_two_mner import TwoMNERProcessor
from hf_mlm.models.word_level.processing import WordLevelProcessor
from hf_mlm.models.word_level.vocabulary import WordVocabulary


class AdaCANProcessor(WordLevelProcessor):
    """Looks words up and spells them as `WordLevelProcessor` does, and prepares the images beside them, each once.

    The text-only form needs a `WordLevelProcessor` alone.

    Args:
        image_processor: one of transformers' image processors, of which the Pillow ones are enough.
        vocabulary: words and characters, as a `WordVocabulary` or as its ``to_dict``.
        max_characters: of a word; those that follow are left out.
    """

    # The same images as for 2M-NER.
    encode_images = TwoMNERProcessor.encode_images
    encode_pictures = TwoMNERProcessor.encode_pictures

    def __init__(
        self,
        image_processor: Any,
        vocabulary: WordVocabulary | Mapping[str, Any],
        max_characters: int = 64,
        **kwargs: Any,
    ):
        super().__init__(vocabulary, max_characters, image_processor=image_processor, **kwargs)

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
            What `WordLevelProcessor` returns and, where there are images, ``pixel_values`` (images, 3, height, width)
            and ``image_index`` (sentences,), the image of each sentence, -1 where it has none.

        Raises:
            FileNotFoundError: if an image's path leads nowhere.
            ValueError: if there are more or fewer images or labels than sentences or words, or an image is broken.
        """
        data: dict[str, Any] = dict(super().__call__(text, labels=labels, return_tensors="np"))
        if images is not None:
            images = list(images) if isinstance(images, (list, tuple)) else [images]
            if len(images) != len(data["input_ids"]):
                raise ValueError(
                    f"there are {len(images)} images for {len(data['input_ids'])} sentences: pass None for none."
                )
            data |= self.encode_images(images)
        return BatchFeature(data, tensor_type=return_tensors)

    @property
    def model_input_names(self) -> list[str]:
        """Names of the model's arguments that the processor makes."""
        return [*super().model_input_names, "pixel_values", "image_index"]
