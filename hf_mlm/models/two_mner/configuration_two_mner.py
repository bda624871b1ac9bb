"""Configuration of 2M-NER (2M-NER paper, Equations 1-18).

Annotations are evaluated here: a strict dataclass checks values against them, and would skip those left as strings.
"""

from typing import Any, ClassVar, Literal

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from hf_mlm.models.base.configuration import RESNET_152, TEXT_ENCODER, TextTaggerConfig


BRANCHES = ("vit", "resnet")


@strict
class TwoMNERConfig(TextTaggerConfig):
    """Encoders, layers and losses of a `TwoMNERForTokenClassification`, beside what every `TextTaggerConfig` has.

    The defaults follow the paper, with the errors of its equations and of the published code repaired; `reference`
    brings those of the code back.

    Args:
        vit_config: any vision configuration, transformers of course; CLIP's ViT-B/32 when omitted.
        resnet_config: any vision configuration, convolutional of course; ResNet-152 when omitted.
        image_branches: ``("vit", "resnet")``, one of them, or ``()`` for the text-only model, which takes no images.
        use_alignment: whether texts and images are pulled together by NT-Xent (Equations 7-10).
        use_collaboration: whether words attend to the image (Equations 11-14).
        alpha: weight of the CRF's loss, 1 - alpha being that of the alignment losses (Equation 18).
        temperature: of NT-Xent.
        word_pooling: ``"first"``, ``"mean"`` or ``"last"`` of a word's sub-tokens, or, as published, ``"previous"``:
            the sub-token before the first.
        freeze_vit: leave the vision transformer as it is.
        freeze_resnet: leave the ResNet as it is, which the paper trains and its code does not.
        frozen_batch_norm: ``"eval"`` keeps the batch norms of a frozen ResNet as they are; with ``"train"``, as
            published, an image's features depend on the other images of its batch, whose statistics pile up.
        resnet_tokens: what words attend to: ``"grid"``, all positions of the last feature map, or ``"pooled"``, as
            published: their mean, to which attention has nothing to choose from.
        collaboration_heads: attention heads; they divide the text encoder's hidden size.
        collaboration_ffn: whether a feed-forward layer follows (Equation 14), which the published code lacks.
        tie_query_key: whether queries and keys have one projection, as in the published code (Equation 11 has two).
        alignment_text_pooling: a sentence's vector for the alignment: ``"mean"`` over its tokens, ``"cls"``, the first
            token, or, as published, ``"pooler"``, the text encoder's own layer over it.
        alignment_vit_pooling: an image's vector for the alignment: ``"pooled"`` as the encoder does it, or, as
            published, ``"flatten"``: all tokens side by side, for which the head needs many times the weights.
        align_repeated_images: whether all sentences about one image are aligned, as published, though to each of them
            the others' copy of its own image is a negative; otherwise the first of them alone.
        fusion_size: width of a layer between the joined branches and the labels, as in the published code; None for no
            such layer, as in the paper.
        loss_scale: what the loss is multiplied by: 2 in the published code.
        resnet_pixel_scale: images come normalised as the ViT needs them, and the ResNet sees each channel times this
            and plus the shift. `TwoMNERForTokenClassification.from_encoders_pretrained` finds both.
        resnet_pixel_shift: as ``resnet_pixel_scale``.
        dropout: drop probability in the collaboration blocks and before the layer that scores the labels.

    Example:
        >>> config = TwoMNERConfig(image_branches=["vit"])
        >>> config.vit_config.model_type, config.resnet_config, config.num_labels
        ('clip_vision_model', None, 9)
    """

    model_type = "two_mner"
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["crf_loss", "alignment_losses", "logits"]
    sub_configs_defaults = {
        "text_encoder_config": TEXT_ENCODER,
        "vit_config": SubConfigSpec(config_class=AutoConfig, model_type="clip_vision_model", optional=True),
        "resnet_config": SubConfigSpec(config_class=AutoConfig, model_type="resnet", optional=True),
    }

    vit_config: PreTrainedConfig | dict | None = None
    resnet_config: PreTrainedConfig | dict | None = None
    image_branches: list[str] | tuple[str, ...] = BRANCHES
    use_alignment: bool = True
    use_collaboration: bool = True
    alpha: int | float = 0.8
    temperature: int | float = 0.5
    word_pooling: Literal["first", "mean", "last", "previous"] = "first"
    freeze_vit: bool = False
    freeze_resnet: bool = True
    frozen_batch_norm: Literal["eval", "train"] = "eval"
    resnet_tokens: Literal["grid", "pooled"] = "grid"
    collaboration_heads: int = 12
    collaboration_ffn: bool = True
    tie_query_key: bool = False
    alignment_text_pooling: Literal["mean", "cls", "pooler"] = "mean"
    alignment_vit_pooling: Literal["pooled", "flatten"] = "pooled"
    align_repeated_images: bool = False
    fusion_size: int | None = None
    loss_scale: int | float = 1
    resnet_pixel_scale: list[int | float] | tuple[int | float, ...] = (1, 1, 1)
    resnet_pixel_shift: list[int | float] | tuple[int | float, ...] = (0, 0, 0)

    def __post_init__(self, **kwargs: Any) -> None:
        """Give each branch an encoder, and take the encoders of the others away."""
        self.image_branches = list(self.image_branches)
        self.resnet_pixel_scale, self.resnet_pixel_shift = list(self.resnet_pixel_scale), list(self.resnet_pixel_shift)
        defaults = {"vit_config": {"model_type": "clip_vision_model"}, "resnet_config": RESNET_152}
        for name, default in defaults.items():
            used = name.removesuffix("_config") in self.image_branches
            setattr(self, name, (getattr(self, name) or default) if used else None)
        super().__post_init__(**kwargs)

    @classmethod
    def reference(cls, **kwargs: Any) -> "TwoMNERConfig":
        """Configure the published code's behaviour, so that its figures can be chased.

        Args:
            **kwargs: further settings, as for the class.

        Example:
            >>> TwoMNERConfig.reference(image_branches=()).word_pooling
            'previous'
        """
        published = {
            "word_pooling": "previous",
            "frozen_batch_norm": "train",
            "resnet_tokens": "pooled",
            "collaboration_ffn": False,
            "tie_query_key": True,
            "alignment_text_pooling": "pooler",
            "alignment_vit_pooling": "flatten",
            "align_repeated_images": True,
            "fusion_size": 768,
            "loss_scale": 2,
            "constrained_decoding": False,
        }
        return cls(**{**published, **kwargs})

    @property
    def rescaling(self) -> list[list[int | float]] | None:
        """Scale and shift of the channels for the ResNet, None where its images are those of the ViT."""
        pair = [list(self.resnet_pixel_scale), list(self.resnet_pixel_shift)]
        return None if pair == [[1, 1, 1], [0, 0, 0]] else pair

    def validate_branches(self) -> None:
        """Refuse branches that do not exist, or one of them twice."""
        branches = list(self.image_branches)
        if sorted(set(branches)) != sorted(branches) or not set(branches) <= set(BRANCHES):
            raise ValueError(f"image_branches={branches} must be of 'vit' and 'resnet', each once, or empty.")

    def validate_numbers(self) -> None:
        """Refuse weights, sizes and scales outside their range."""
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha={self.alpha} must lie in [0, 1].")
        for name in ("temperature", "loss_scale", "collaboration_heads"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0.")
        if self.fusion_size is not None and self.fusion_size < 1:
            raise ValueError(f"fusion_size={self.fusion_size} must be at least 1, or None.")
        for name in ("resnet_pixel_scale", "resnet_pixel_shift"):
            if len(getattr(self, name)) != 3:
                raise ValueError(f"{name}={getattr(self, name)} must be three numbers, one for each channel.")
