"""What the configuration of an encoder says of the sizes of its output."""

from __future__ import annotations

from transformers import PreTrainedConfig


def feature_size(config: PreTrainedConfig) -> int:
    """Width of the pooled output of an encoder.

    Args:
        config: configuration of a vision or text encoder.

    Raises:
        ValueError: if it is not the configuration of one encoder, such as that of a whole CLIP.
    """
    sizes = getattr(config, "hidden_sizes", None)
    size = sizes[-1] if sizes else getattr(config, "hidden_size", None)
    if not isinstance(size, int) or getattr(config, "is_encoder_decoder", False):
        raise ValueError(
            f"{type(config).__name__} is not that of one encoder: it tells no hidden_size of its own, or decodes as "
            "well; pass the part that encodes, such as config.vision_config."
        )
    return size


def patch_count(config: PreTrainedConfig) -> int:
    """Number of tokens that a vision transformer gives for an image: its patches, class token and registers.

    Args:
        config: configuration of a vision transformer.

    Raises:
        ValueError: if it does not tell the sizes of images and patches.
    """
    image_size, patch_size = getattr(config, "image_size", None), getattr(config, "patch_size", None)
    if not isinstance(image_size, int) or not isinstance(patch_size, int):
        raise ValueError(f"{type(config).__name__} tells no image_size and patch_size to count its tokens by.")
    class_token = 0 if config.model_type.startswith("siglip") else 1
    return (image_size // patch_size) ** 2 + class_token + getattr(config, "num_register_tokens", 0)
