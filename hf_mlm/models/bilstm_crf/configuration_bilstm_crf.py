"""Configuration of BiLSTM-CRF (Huang et al. 2015).

Annotations are evaluated here: a strict dataclass checks values against them, and would skip those left as strings.
"""

from huggingface_hub.dataclasses import strict

from hf_mlm.models.word_level.configuration import WordTaggerConfig


@strict
class BiLSTMCRFConfig(WordTaggerConfig):
    """Settings of a `BiLSTMCRFForTokenClassification`, those of every `WordTaggerConfig` and no others.

    The defaults are those of the 2M-NER paper's baseline: GloVe's 300 numbers a word and 100 units in each direction.

    Raises:
        StrictDataclassError: of ``huggingface_hub``, if a setting has the wrong type or is outside its range.

    Example:
        >>> BiLSTMCRFConfig(vocab_size=20_000, word_embedding_size=100).hidden_size
        200
    """

    model_type = "bilstm_crf"
