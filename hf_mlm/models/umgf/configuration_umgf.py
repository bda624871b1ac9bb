"""Configuration of UMGF (Zhang et al. 2021).

Annotations are evaluated here: a strict dataclass checks values against them, and would skip those left as strings.
"""

from huggingface_hub.dataclasses import strict

from hf_mlm.models.base.configuration import ImageTaggerConfig, refuse_below


@strict
class UMGFConfig(ImageTaggerConfig):
    """Graph layers of a `UMGFForTokenClassification`, beside what every `ImageTaggerConfig` has.

    The graph of the text-only form has words alone.

    Args:
        graph_size: width of the graph's nodes.
        graph_layers: number of layers of the graph.
        graph_heads: attention heads; they divide ``graph_size``.
        graph_ffn_size: width inside the feed-forward layers.
        graph_dropout: drop probability in the graph and before it.

    Example:
        >>> UMGFConfig(use_images=False).graph_layers
        6
    """

    model_type = "umgf"

    graph_size: int = 512
    graph_layers: int = 6
    graph_heads: int = 8
    graph_ffn_size: int = 256
    graph_dropout: int | float = 0.4

    def validate_graph(self) -> None:
        """Refuse sizes that are not positive, and heads that do not divide the nodes' width."""
        refuse_below(self, 1, "graph_size", "graph_layers", "graph_heads", "graph_ffn_size")
        if self.graph_size % self.graph_heads:
            raise ValueError(f"graph_heads={self.graph_heads} must divide graph_size={self.graph_size}.")
        if not 0 <= self.graph_dropout < 1:
            raise ValueError(f"graph_dropout={self.graph_dropout} must lie in [0, 1).")
