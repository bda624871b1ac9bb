"""Sentences and images made ready for AdaCAN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hf_mlm.models.image_sentence_processor import ImageSentenceProcessor
from hf_mlm.models.word_level.processing import WordLevelProcessor
from hf_mlm.models.word_level.vocabulary import WordVocabulary


class AdaCANProcessor(ImageSentenceProcessor, WordLevelProcessor):
    """Looks words up and spells them as `WordLevelProcessor` does, and prepares the images beside them, each once.

    The text-only form needs a `WordLevelProcessor` alone.

    Args:
        image_processor: one of transformers' image processors, of which the Pillow ones are enough.
        vocabulary: words and characters, as a `WordVocabulary` or as its ``to_dict``.
        max_characters: of a word; those that follow are left out.
    """

    def __init__(
        self,
        image_processor: Any,
        vocabulary: WordVocabulary | Mapping[str, Any],
        max_characters: int = 64,
        **kwargs: Any,
    ):
        super().__init__(vocabulary, max_characters, image_processor=image_processor, **kwargs)
