"""Configurations of the word-level taggers.

Annotations are evaluated here: a strict dataclass checks values against them, and would skip those left as strings.
"""

from typing import Any, Literal

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from hf_mlm.models.base.configuration import TaggerConfig, refuse_below


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
        refuse_below(self, 1, "word_embedding_size")
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
    """Characters of a word-level tagger that reads them, beside what every `WordTaggerConfig` has.

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
        refuse_below(self, 2, "num_characters")
        refuse_below(self, 1, "character_embedding_size", "character_size")


@strict
class BiLSTMCRFConfig(WordTaggerConfig):
    """Settings of a `BiLSTMCRFForTokenClassification`, those of every `WordTaggerConfig` and no others.

    The defaults are those of the 2M-NER paper's baseline: GloVe's 300 numbers a word and 100 units in each direction.

    Example:
        >>> BiLSTMCRFConfig(vocab_size=20_000, word_embedding_size=100).hidden_size
        200
    """

    model_type = "bilstm_crf"


@strict
class HBiLSTMCRFConfig(CharacterTaggerConfig):
    """Settings of an `HBiLSTMCRFForTokenClassification`, beside those of every `CharacterTaggerConfig`.

    The defaults are the paper's (Sections 4.1 and 5.1): 100 numbers a word, and 25 and 100 units in each direction
    over characters and words.

    Args:
        character_size: width of the BiLSTM's last states over a word, half of it from each direction.
        projection_size: width of the tanh layer between the BiLSTM and the labels (Section 2.3).

    Example:
        >>> HBiLSTMCRFConfig(vocab_size=20_000, num_characters=90).character_size
        50
    """

    model_type = "hbilstm_crf"

    word_embedding_size: int = 100
    projection_size: int = 100

    def validate_layers(self) -> None:
        """Refuse widths that the layers cannot have."""
        if self.character_size % 2:
            raise ValueError(f"character_size={self.character_size} must be even: each direction has half of it.")
        refuse_below(self, 1, "projection_size")


@strict
class AdaCANConfig(CharacterTaggerConfig):
    """Settings of an `AdaCANForTokenClassification`, beside those of every `CharacterTaggerConfig`.

    The defaults are the paper's sizes. Its image encoder is VGG-16, which ``AutoModel`` lacks; a ResNet-50 gives a
    grid of as many regions. Where its LSTM drops its input out, the paper drops the characters alone.

    Args:
        image_encoder_config: any vision configuration that ``AutoModel`` opens and that gives a grid or tokens;
            ResNet-50 when omitted.
        use_images: False for the text-only form, CNN-BiLSTM-CRF.
        freeze_image_encoder: leave the image encoder as it is, its batch statistics included, as in the paper.
        coattention: ``"additive"`` lets a word choose where to look: its projection and a region's are added before
            the tanh (Bahdanau et al. 2015). ``"concat"``, as published, puts them side by side: the score is then one
            of the word plus one of the region, the softmax over regions cancels the word's, and all words look alike.
        character_widths: characters that the filters of each kind see.
        character_filters: of each kind.
        character_hidden_size: width of the layer after the filters.
        character_dropout: drop probability of what the filters find.

    Example:
        >>> AdaCANConfig(use_images=False).image_encoder_config is None, AdaCANConfig().image_encoder_config.model_type
        (True, 'resnet')
    """

    model_type = "adacan"
    sub_configs_defaults = {
        "image_encoder_config": SubConfigSpec(config_class=AutoConfig, model_type="resnet", optional=True),
    }

    image_encoder_config: PreTrainedConfig | dict | None = None
    use_images: bool = True
    freeze_image_encoder: bool = True
    coattention: Literal["additive", "concat"] = "additive"
    word_embedding_size: int = 200
    character_embedding_size: int = 30
    character_widths: list[int] | tuple[int, ...] = (2, 3, 4)
    character_filters: int = 32
    character_hidden_size: int = 100
    character_dropout: int | float = 0.25

    def __post_init__(self, **kwargs: Any) -> None:
        """Give the model an image encoder, or take it away from the text-only form."""
        self.character_widths = list(self.character_widths)
        given = self.image_encoder_config or {"model_type": "resnet"}
        self.image_encoder_config = given if self.use_images else None
        super().__post_init__(**kwargs)

    def validate_layers(self) -> None:
        """Refuse widths and shares that the layers cannot have."""
        if not self.character_widths or min(self.character_widths) < 1:
            raise ValueError(f"character_widths={self.character_widths} must be one width or several, from 1 on.")
        refuse_below(self, 1, "character_filters", "character_hidden_size")
        if not 0 <= self.character_dropout < 1:
            raise ValueError(f"character_dropout={self.character_dropout} must lie in [0, 1).")
