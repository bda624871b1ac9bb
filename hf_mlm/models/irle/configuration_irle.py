"""Configuration of IR+LE: retrieval across modalities and location estimation (MLM paper, Section 5).

Annotations are evaluated here: a strict dataclass checks values against them, and would skip those left as strings.
"""

import hashlib
from typing import Any, ClassVar, Literal

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from hf_mlm.geo.coordinates import check_coordinates
from hf_mlm.geo.partition import GeoCellPartition
from hf_mlm.geo.s2 import MAX_LEVEL
from hf_mlm.models.base.configuration import feature_size


TASKS = ("retrieval", "geo")
MLM_IRLE_CELLS = 990  # cells of the released MLM-irle; MLM-irle-gr has 99


@strict
class IRLEConfig(PreTrainedConfig):
    """Sizes, tasks, losses and the map of an `IRLEForRetrievalAndGeo`.

    The defaults are the published layers and settings on precomputed features, with the known errors of the published
    training repaired; `reference` brings those back.

    Args:
        image_encoder_config: any vision configuration that ``AutoModel`` opens; the model then takes ``pixel_values``
            in place of ``image_features``, and ``image_feature_size`` is the encoder's.
        text_encoder_config: any text encoder configuration, shared by summaries and classes; the model then takes
            token ids in place of ``summary_features`` and ``class_features``.
        image_pooling: one vector of an image by the ``"encoder"``'s own pooling, or by ``"moments"``: mean and
            standard deviation of each channel of each stage of a convolutional encoder.
        freeze_encoders: leave both encoders as they are, batch statistics included, and train the rest.
        image_feature_size: width of ``image_features``.
        summary_feature_size: width of ``summary_features``.
        class_feature_size: width of ``class_features``.
        standardize_features: bring every feature that enters a branch to mean 0 and variance 1 over the training
            batches (batch normalisation without weights). Pooled features of small encoders that start from scratch,
            and those of the pilot files, are nearly collinear, and learning from them is slow without it. Training
            batches then need two rows or more.
        use_classes: whether a text is a summary with its classes or a summary alone.
        embedding_size: width of the space that images and texts share.
        dropout: drop probability in the class branch and in the geo head.
        tasks: ``("retrieval", "geo")`` or one of them; what the other one needs is neither built nor computed.
        retrieval_loss: ``"cosine_embedding"`` (the paper's, on matched and swapped pairs), ``"info_nce"`` or
            ``"siglip"`` (against every other pair of the batch, of all processes).
        margin: cosine above which a swapped pair is pushed apart (``cosine_embedding``).
        negative_share: share of a training batch whose images are swapped (``cosine_embedding``).
        swapped_image_target: cell that the image branch learns from a swapped image: that of the image's ``"own"``
            entity, or that of the ``"text"`` beside it, which is what the published code did.
        temperature: start of the learned temperature of ``info_nce`` and ``siglip``.
        loss_weighting: ``"log_variance"`` (learned, Section 5.1.3), ``"fixed"`` (``loss_weights``) or ``"equal"``.
        loss_weights: weights of the retrieval and the geo loss under ``"fixed"``; the default is what the published
            code amounts to, whose log variances never moved.
        normalize_text_embeds: whether text embeddings have unit length, so that a dot product is a cosine.
        num_geo_cells: number of S2 cells; when omitted, as many as the following lists have, or 990 as in MLM-irle.
        cell_tokens: S2 tokens, sorted; the position is the class. Centres and radii follow from them.
        cell_latitudes: degrees of the place that stands for each cell, such as the mean of its training entities;
            its S2 centre when omitted, so files that name no tokens need it.
        cell_longitudes: as ``cell_latitudes``.
        cell_radii_km: radius of the circle around that place that covers the cell; follows from the tokens.
        hierarchy_levels: coarser S2 levels to learn as well: the probability of a coarse cell is the sum over its fine
            ones, and each level adds its cross-entropy. Needs ``cell_tokens``.
        geo_label_smoothing_km: scale of haversine label smoothing: a cell's target is proportional to
            ``exp(-distance to the true cell / scale)``. Needs ``cell_tokens`` or positions.
        calibration: of positions and radii, fitted on held-out entities at the end of a training: what ``on``, the
            digest of its ``cells``, ``temperatures``, ``kernels`` and ``quantiles`` by modality. See
            `hf_mlm.models.irle.cells_irle.Locator`.

    Raises:
        StrictDataclassError: of ``huggingface_hub``, if a setting has the wrong type or contradicts another one; the
            sentence names them.

    Example:
        >>> config = IRLEConfig(num_geo_cells=99, retrieval_loss="info_nce")
        >>> config.embedding_size, config.temperature
        (1024, 0.07)
    """

    model_type = "irle"
    attribute_map = {"projection_dim": "embedding_size"}  # as transformers' other models with two modalities call it
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["retrieval_loss", "geo_loss"]
    sub_configs_defaults = {
        "image_encoder_config": SubConfigSpec(config_class=AutoConfig, model_type="resnet", optional=True),
        "text_encoder_config": SubConfigSpec(config_class=AutoConfig, model_type="bert", optional=True),
    }

    image_encoder_config: PreTrainedConfig | dict | None = None
    text_encoder_config: PreTrainedConfig | dict | None = None
    image_pooling: Literal["encoder", "moments"] = "encoder"
    freeze_encoders: bool = False
    image_feature_size: int = 4096
    summary_feature_size: int = 3072
    class_feature_size: int = 3072
    standardize_features: bool = False
    use_classes: bool = True
    embedding_size: int = 1024
    dropout: int | float = 0.1
    tasks: list[str] | tuple[str, ...] = TASKS
    retrieval_loss: Literal["cosine_embedding", "info_nce", "siglip"] = "cosine_embedding"
    margin: int | float = 0.1
    negative_share: int | float = 0.5
    swapped_image_target: Literal["own", "text"] = "own"
    temperature: int | float = 0.07
    loss_weighting: Literal["log_variance", "fixed", "equal"] = "log_variance"
    loss_weights: list[int | float] | tuple[int | float, ...] = (0.25, 0.5)
    normalize_text_embeds: bool = True
    num_geo_cells: int | None = None
    cell_tokens: list[str] | None = None
    cell_latitudes: list[int | float] | None = None
    cell_longitudes: list[int | float] | None = None
    cell_radii_km: list[int | float] | None = None
    hierarchy_levels: list[int] | tuple[int, ...] = ()
    geo_label_smoothing_km: int | float | None = None
    calibration: dict | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        """Fill in what follows from other settings: the encoders' widths and the number of cells."""
        super().__post_init__(**kwargs)
        if self.image_encoder_config is not None:
            self.image_feature_size = feature_size(self.image_encoder_config)
            if self.image_pooling == "moments":
                self.image_feature_size = 2 * sum(_stage_sizes(self.image_encoder_config))
        if self.text_encoder_config is not None:
            self.summary_feature_size = self.class_feature_size = feature_size(self.text_encoder_config)
        if self.num_geo_cells is None:
            self.num_geo_cells = len(self.cell_tokens or self.cell_latitudes or range(MLM_IRLE_CELLS))
        self.tasks = list(self.tasks)
        self.loss_weights = list(self.loss_weights)
        self.hierarchy_levels = list(self.hierarchy_levels)

    @classmethod
    def reference(cls, **kwargs: Any) -> "IRLEConfig":
        """Configure what the published code really does, so that its figures can be chased.

        Exchanged images learn the cell of the text beside them, the losses are weighted 0.25 and 0.5 throughout, and
        text embeddings keep their length, so that images rank texts by dot product.

        Args:
            **kwargs: further settings, as for the class.

        Example:
            >>> IRLEConfig.reference(num_geo_cells=99).loss_weights
            [0.25, 0.5]
        """
        published = {
            "swapped_image_target": "text",
            "loss_weighting": "fixed",
            "loss_weights": [0.25, 0.5],
            "normalize_text_embeds": False,
        }
        return cls(**{**published, **kwargs})

    @property
    def cell_digest(self) -> str:
        """Name of the map of the cells, 16 hexadecimal digits, by which a calibration of other cells is noticed."""
        content = repr((self.num_geo_cells, self.cell_tokens, self.cell_latitudes, self.cell_longitudes))
        return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()

    def validate_tasks(self) -> None:
        """Refuse tasks that do not exist, none, or one of them twice."""
        if not self.tasks or sorted(set(self.tasks)) != sorted(self.tasks) or not set(self.tasks) <= set(TASKS):
            raise ValueError(f"tasks={list(self.tasks)} must name one or both of 'retrieval' and 'geo', each once.")

    def validate_numbers(self) -> None:
        """Refuse sizes, shares and scales outside their range."""
        sizes = ("image_feature_size", "summary_feature_size", "class_feature_size", "embedding_size", "num_geo_cells")
        for name in sizes:
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1.")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout} must lie in [0, 1).")
        if not 0 <= self.negative_share <= 1:
            raise ValueError(f"negative_share={self.negative_share} must lie in [0, 1].")
        if self.temperature <= 0:
            raise ValueError(f"temperature={self.temperature} must be above 0.")
        if len(self.loss_weights) != len(TASKS) or min(self.loss_weights) < 0:
            raise ValueError(f"loss_weights={list(self.loss_weights)} must be two numbers >= 0: retrieval, geo.")
        if self.geo_label_smoothing_km is not None and self.geo_label_smoothing_km <= 0:
            raise ValueError(f"geo_label_smoothing_km={self.geo_label_smoothing_km} must be a distance above 0 km.")

    def validate_cells(self) -> None:
        """Refuse a map whose lists disagree, and settings that need a map where there is none."""
        for name in ("cell_tokens", "cell_latitudes", "cell_longitudes", "cell_radii_km"):
            values = getattr(self, name)
            if values is not None and len(values) != self.num_geo_cells:
                raise ValueError(f"{name} has {len(values)} entries for num_geo_cells={self.num_geo_cells} cells.")
        if (self.cell_latitudes is None) != (self.cell_longitudes is None):
            raise ValueError("cell_latitudes and cell_longitudes come together: pass both, or neither for S2 centres.")
        if self.cell_latitudes is not None and self.cell_longitudes is not None:
            check_coordinates(self.cell_latitudes, self.cell_longitudes)
        if self.cell_tokens is not None:
            GeoCellPartition.from_tokens(self.cell_tokens)
        elif self.hierarchy_levels:
            raise ValueError("hierarchy_levels needs the cells by name: pass cell_tokens, the S2 token of each class.")
        elif self.geo_label_smoothing_km is not None and self.cell_latitudes is None:
            raise ValueError("geo_label_smoothing_km needs the cells' places: pass cell_tokens, or their centres.")
        if any(not 0 <= level <= MAX_LEVEL for level in self.hierarchy_levels):
            raise ValueError(f"hierarchy_levels={list(self.hierarchy_levels)} must be S2 levels, 0 to {MAX_LEVEL}.")

    def validate_calibration(self) -> None:
        """Refuse a calibration that was made with other cells."""
        if self.calibration is not None and self.calibration.get("cells") != self.cell_digest:
            raise ValueError(
                f"Expected a calibration of these {self.num_geo_cells} cells, found one of others: leave out "
                "calibration, or take both from the same training."
            )


def _stage_sizes(encoder: Any) -> list[int]:
    """Channels of each stage of a convolutional encoder, the first being its stem."""
    stem, stages = getattr(encoder, "embedding_size", None), getattr(encoder, "hidden_sizes", None)
    if not isinstance(stem, int) or not stages:
        raise ValueError(
            f"Expected a convolutional image encoder, such as a resnet, for image_pooling='moments', found "
            f"{encoder.model_type!r}: choose image_pooling='encoder'."
        )
    return [stem, *stages]
