"""Configuration of HBiLSTM-CRF (Lample et al. 2016).

Annotations are evaluated here: a strict dataclass checks values against them, and would skip those left as strings.
"""

from huggingface_hub.dataclasses import strict

from hf_mlm.models.word_level.configuration import CharacterTaggerConfig


@strict
class HBiLSTMCRFConfig(CharacterTaggerConfig):
    """Settings of an `HBiLSTMCRFForTokenClassification`, beside those of every `WordTaggerConfig`.

    The defaults are the paper's (Sections 4.1 and 5.1): 100 numbers a word, and 25 and 100 units in each direction
    over characters and words.

    Args:
        num_characters: ids of characters, padding and the unknown one included.
        character_embedding_size: width of a character's vector.
        character_size: width of the BiLSTM's last states over a word, half of it from each direction.
        projection_size: width of the tanh layer between the BiLSTM and the labels (Section 2.3).

    Raises:
        StrictDataclassError: of ``huggingface_hub``, if a setting has the wrong type or is outside its range.

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
        if self.projection_size < 1:
            raise ValueError(f"projection_size={self.projection_size} must be at least 1.")
