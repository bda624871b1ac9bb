"""Configuration of the CRF tagger.

Annotations are evaluated here: a strict dataclass checks values against them, and would skip those left as strings.
"""

from typing import Any, Literal

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from hf_mlm.models.base.configuration import TaggerConfig


@strict
class CRFTaggerConfig(TaggerConfig):
    """Encoder, head and labels of a `CRFTaggerForTokenClassification`.

    Args:
        text_encoder_config: any text encoder configuration that ``AutoModel`` opens; BERT's defaults when omitted.
        head: ``"crf"`` over the words of a sentence, or ``"softmax"`` at each of them.
        freeze_text_encoder: leave the encoder as it is and train the head alone.
        dropout: drop probability before the layer that scores the labels.
        id2label: name of each label; MMNERD's nine when neither this nor ``num_labels`` is given.
        constrained_decoding: whether the CRF predicts IOB2 alone; a softmax takes each word by itself.

    Raises:
        StrictDataclassError: of ``huggingface_hub``, if a setting has the wrong type or contradicts another one; the
            sentence names them.

    Example:
        >>> CRFTaggerConfig(head="softmax").num_labels
        9
    """

    model_type = "crf_tagger"
    sub_configs_defaults = {"text_encoder_config": SubConfigSpec(config_class=AutoConfig, model_type="bert")}

    text_encoder_config: PreTrainedConfig | dict | None = None
    head: Literal["crf", "softmax"] = "crf"
    freeze_text_encoder: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        """Leave a softmax unconstrained, whatever its labels."""
        self.constrained_decoding = self.constrained_decoding and self.head == "crf"
        super().__post_init__(**kwargs)

    def get_text_config(self, *args: Any, **kwargs: Any) -> PreTrainedConfig:
        """The encoder's configuration, to which the size of the vocabulary belongs."""
        return self.text_encoder_config
