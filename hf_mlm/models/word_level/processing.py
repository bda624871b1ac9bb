"""Sentences made ready for a word-level tagger: one position a word, and its characters beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from hf_mlm.models.base.processing import ImageSentenceProcessor, SentenceProcessor
from hf_mlm.models.base.word_encoding import Window
from hf_mlm.models.word_level.vocabulary import PADDING, WordVocabulary


if TYPE_CHECKING:
    from typing import Self


class WordLevelProcessor(SentenceProcessor):
    """Looks words up in a vocabulary and spells them. No word gets lost, and no sentence is too long.

    It does what `TaggerProcessor` does, so that collator, `encode_dataset`, Trainer and pipelines work as with other
    taggers; the axis of the labels is that of the words.

    Args:
        vocabulary: words and characters, as a `WordVocabulary` or as its ``to_dict``.
        max_characters: of a word; those that follow are left out.

    Example:
        >>> processor = WordLevelProcessor.from_sentences([["Paris", "rocks"]])
        >>> batch = processor(text=[["Paris", "rolls"]], labels=[[3, 0]])
        >>> batch["input_ids"].tolist(), batch["character_ids"].shape, batch["labels"].tolist()
        ([[2, 1]], torch.Size([1, 2, 5]), [[3, 0]])
    """

    padding_id = PADDING
    # A Trainer asks every processor's tokenizer for these.
    tokenizer = SimpleNamespace(bos_token_id=None, eos_token_id=None, pad_token_id=None)

    def __init__(self, vocabulary: WordVocabulary | Mapping[str, Any], max_characters: int = 64, **kwargs: Any):
        super().__init__(**kwargs)
        self.vocabulary = vocabulary if isinstance(vocabulary, WordVocabulary) else WordVocabulary(**vocabulary)
        if max_characters < 1:
            raise ValueError(f"max_characters={max_characters} must be at least 1.")
        self.max_characters = max_characters

    @classmethod
    def from_sentences(
        cls,
        sentences: Iterable[Sequence[str]],
        min_count: int = 1,
        also: Collection[str] = (),
        characters: bool = True,
        zero_digits: bool = False,
        **settings: Any,
    ) -> Self:
        """Make a processor, with these settings, that knows the words of the training split.

        The other arguments, and what is raised, are those of `WordVocabulary.from_sentences`.
        """
        vocabulary = WordVocabulary.from_sentences(sentences, min_count, also, characters, zero_digits)
        return cls(vocabulary=vocabulary, **settings)

    def windows(self, sentences: Sequence[Sequence[str]]) -> list[Window]:
        """Look up the words of sentences, and spell them: one window for each sentence, whose tokens are the words.

        Raises:
            ValueError: if a sentence is a string.
        """
        return [self._window(number, words) for number, words in enumerate(sentences)]

    def _window(self, sentence: int, words: Sequence[str]) -> Window:
        if isinstance(words, str):
            raise ValueError(f"sentence {sentence} is the string {words[:40]!r}; pass the list of its words.")
        known, count = self.vocabulary, len(words)
        spelt = known.character_ids(words, self.max_characters) if known.characters else None
        return Window(sentence, known.word_ids(words), list(range(count)), 0, count, spelt)

    def to_dict(self) -> dict[str, Any]:
        """What is saved: the settings and the vocabulary."""
        return {**super().to_dict(), "vocabulary": self.vocabulary.to_dict()}

    @property
    def model_input_names(self) -> list[str]:
        """Names of the model's arguments that the processor makes."""
        characters = ["character_ids"] if self.vocabulary.characters else []
        return ["input_ids", "attention_mask", "word_ids", *characters]


class AdaCANProcessor(ImageSentenceProcessor, WordLevelProcessor):
    """Looks words up and spells them as `WordLevelProcessor` does, and prepares the images beside them, each once.

    The text-only form needs a `WordLevelProcessor` alone.
    """

    def __init__(
        self,
        image_processor: Any,
        vocabulary: WordVocabulary | Mapping[str, Any],
        max_characters: int = 64,
        **kwargs: Any,
    ):
        super().__init__(vocabulary, max_characters, image_processor=image_processor, **kwargs)
