"""The model that fits a dataset and the settings."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import pyarrow.compute as pc
import torch
from datasets import Dataset, DatasetDict
from huggingface_hub.errors import StrictDataclassError
from transformers import PreTrainedModel

from hf_mlm.models.encoders import load_encoder
from hf_mlm.models.irle import IRLEConfig, IRLEForRetrievalAndGeo, IRLEProcessor
from hf_mlm.training.arguments import IRLEArguments
from hf_mlm.training.cells import cell_map
from hf_mlm.training.configuring import described
from hf_mlm.training.settings import refuse_unknown


def has_features(rows: Dataset) -> bool:
    """Whether rows hold precomputed features rather than images and texts."""
    return "image_features" in rows.column_names


def feature_widths(rows: Dataset) -> dict[str, int]:
    """Widths of the feature columns, named as `IRLEConfig` does: ``image_feature_size`` and so on."""
    columns = {name: rows.features[name] for name in rows.column_names if name.endswith("_features")}
    return {f"{name.removesuffix('s')}_size": column.feature.length for name, column in columns.items()}


def build_model(
    arguments: IRLEArguments, dataset: DatasetDict, processor: IRLEProcessor | None = None
) -> IRLEForRetrievalAndGeo:
    """Build a model with the widths or encoders and the cells of the rows, and what ``arguments.model`` asks for.

    Args:
        arguments: ``model``, ``reference`` and the encoders.
        dataset: all splits; ``train`` tells the widths, and ``geo_cell`` the cells.
        processor: of raw rows.

    Raises:
        ValueError: if a setting of ``arguments.model`` is unknown or wrong, or the geo task is asked for where no row
            has a cell.
    """
    asked = cast(dict[str, Any], arguments.model)
    refuse_unknown(asked, {field.name for field in dataclasses.fields(IRLEConfig)}, "model")
    image = text = None
    if processor is None:
        inputs = _widths(dataset["train"])
    else:
        image, text = _pretrained(arguments.image_encoder, "vision"), _pretrained(arguments.text_encoder, "text")
        inputs = {
            "image_encoder_config": image.config if image else described(arguments.image_encoder),
            "text_encoder_config": text.config if text else described(arguments.text_encoder, processor.tokenizer),
        }
    settings = {**inputs, **cell_map(dataset), **asked}
    try:
        config = IRLEConfig.reference(**settings) if arguments.reference else IRLEConfig(**settings)
    except StrictDataclassError as error:
        raise ValueError(f"model: {error.__cause__ or error}") from error
    if "geo" in config.tasks and "num_geo_cells" not in settings:
        raise ValueError(
            f"the rows of {arguments.dataset!r} have no cells to learn: train retrieval alone, with "
            "--model.tasks '[retrieval]'."
        )
    model = IRLEForRetrievalAndGeo(config, image, text)
    return model.to(memory_format=torch.channels_last)  # convolutions are faster so, by half on CPU


def _widths(rows: Dataset) -> dict[str, Any]:
    """Sizes of the feature columns, and whether any row has a class."""
    columns = rows.column_names
    classes = pc.sum(pc.list_value_length(rows.data.column("class_features"))) if "class_features" in columns else None
    return {**feature_widths(rows), "use_classes": bool(classes and classes.as_py())}


def _pretrained(encoder: dict | str | None, half: str) -> PreTrainedModel | None:
    return load_encoder(encoder, f"{half}_config") if isinstance(encoder, str) else None
