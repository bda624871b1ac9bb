"""What the configurations of the word-level taggers share.

Annotations are evaluated here: a strict dataclass checks values against them, and would skip those left as strings.
"""

from typing import Any

from huggingface_hub.dataclasses import strict

from hf_mlm.models.tagger_config import TaggerConfig


@strict
class WordTaggerConfig(TaggerConfig):
    """Vocabulary, word vectors and BiLSTM of a word-level tagger.

    `WordVocabulary.settings` gives the first three.

    Args:
        vocab_size: ids of words, padding and the unknown word included.
        num_characters: ids of characters, padding and the unknown one included; 0 for models that read none.
        singletons: id of the first word that occurs once in training, and of the first after them.
        singleton_dropout: probability that such a word is read as unknown in training, from which the unknown word
            gets its vector (Lample et al. 2016, Section 4.1: 0.5).
        word_embedding_size: width of the word vectors, which is that of pretrained ones.
        freeze_word_embeddings: leave the word vectors as they are.
        hidden_size: width of the BiLSTM's output, half of it from each direction.
        input_dropout: drop probability of the vectors that the BiLSTM reads (Lample et al. 2016, Section 4.3: 0.5).
        dropout: drop probability before the layer that scores the labels.
        id2label: name of each label; MMNERD's nine when neither this nor ``num_labels`` is given.
        constrained_decoding: whether the CRF predicts IOB2 alone.

    Raises:
        StrictDataclassError: of ``huggingface_hub``, if a setting has the wrong type or is outside its range.
    """

    vocab_size: int = 2
    num_characters: int = 0
    singletons: list[int] | tuple[int, ...] = (2, 2)
    singleton_dropout: int | float = 0.5
    word_embedding_size: int = 300
    freeze_word_embeddings: bool = False
    hidden_size: int = 200
    input_dropout: int | float = 0.5
    dropout: int | float = 0.0

    def __post_init__(self, **kwargs: Any) -> None:
        """Keep what JSON gives back."""
        self.singletons = list(self.singletons)
        super().__post_init__(**kwargs)

    def validate_vocabulary(self) -> None:
        """Refuse a vocabulary that leaves no room for padding and unknown words, or has singletons outside it."""
        if self.vocab_size < 2:
            raise ValueError(f"vocab_size={self.vocab_size} must be at least 2: padding and the unknown word.")
        if self.num_characters < 0 or self.num_characters == 1:
            raise ValueError(f"num_characters={self.num_characters} must be 0, or 2 and more: padding and unknown.")
        if len(self.singletons) != 2 or not 2 <= self.singletons[0] <= self.singletons[1]:
            raise ValueError(
                f"singletons={self.singletons} must be the first id of theirs, from 2, and the next one's."
            )

    def validate_sizes(self) -> None:
        """Refuse widths that are no widths."""
        if self.word_embedding_size < 1:
            raise ValueError(f"word_embedding_size={self.word_embedding_size} must be at least 1.")
        if self.hidden_size < 2 or self.hidden_size % 2:
            raise ValueError(f"hidden_size={self.hidden_size} must be even: each direction has half of it.")

    def validate_probabilities(self) -> None:
        """Refuse what is no probability."""
        if not 0 <= self.input_dropout < 1:
            raise ValueError(f"input_dropout={self.input_dropout} must lie in [0, 1).")
        if not 0 <= self.singleton_dropout <= 1:
            raise ValueError(f"singleton_dropout={self.singleton_dropout} must lie in [0, 1].")


@strict
class CharacterTaggerConfig(WordTaggerConfig):
    """What a word-level tagger that reads characters has beside the rest.

    Args:
        num_characters: ids of characters, padding and the unknown one included.
        character_embedding_size: width of a character's vector.
        character_size: width of what the characters of a word become.
    """

    num_characters: int = 2
    character_embedding_size: int = 25
    character_size: int = 50

    def validate_characters(self) -> None:
        """Refuse to read characters where there are none."""
        for name, least in (("num_characters", 2), ("character_embedding_size", 1), ("character_size", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} must be at least {least}, for words are spelt.")
