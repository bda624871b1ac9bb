"""Configuration of UMGF (Zhang et al. 2021).

Annotations are evaluated here: a strict dataclass checks values against them, and would skip those left as strings.
"""

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig
from transformers.configuration_utils import SubConfigSpec

from hf_mlm.models.base.configuration import ImageTaggerConfig


@strict
class UMGFConfig(ImageTaggerConfig):
    """Encoders, graph layers and labels of a `UMGFForTokenClassification`.

    Args:
        text_encoder_config: any text encoder configuration that ``AutoModel`` opens; BERT's defaults when omitted.
        image_encoder_config: any vision configuration, which sees each region; ResNet-152 when omitted.
        use_images: False for the text-only form, whose graph has words alone.
        freeze_text_encoder: leave the text encoder as it is.
        freeze_image_encoder: leave the image encoder as it is, its batch statistics included.
        graph_size: width of the graph's nodes.
        graph_layers: number of layers of the graph.
        graph_heads: attention heads; they divide ``graph_size``.
        graph_ffn_size: width inside the feed-forward layers.
        graph_dropout: drop probability in the graph and before it.
        dropout: drop probability before the layer that scores the labels.
        id2label: name of each label; MMNERD's nine when neither this nor ``num_labels`` is given.
        constrained_decoding: whether the CRF predicts IOB2 alone.

    Raises:
        StrictDataclassError: of ``huggingface_hub``, if a setting has the wrong type or contradicts another one; the
            sentence names them.

    Example:
        >>> UMGFConfig(use_images=False).graph_layers
        6
    """

    model_type = "umgf"
    sub_configs_defaults = {
        "text_encoder_config": SubConfigSpec(config_class=AutoConfig, model_type="bert"),
        "image_encoder_config": SubConfigSpec(config_class=AutoConfig, model_type="resnet", optional=True),
    }

    graph_size: int = 512
    graph_layers: int = 6
    graph_heads: int = 8
    graph_ffn_size: int = 256
    graph_dropout: int | float = 0.4

    def validate_graph(self) -> None:
        """Refuse sizes that are not positive, and heads that do not divide the nodes' width."""
        for name in ("graph_size", "graph_layers", "graph_heads", "graph_ffn_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1.")
        if self.graph_size % self.graph_heads:
            raise ValueError(f"graph_heads={self.graph_heads} must divide graph_size={self.graph_size}.")
        if not 0 <= self.graph_dropout < 1:
            raise ValueError(f"graph_dropout={self.graph_dropout} must lie in [0, 1).")
