"""Models, processors and maps of cells of IR+LE, built from what a dataset holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pyarrow.compute as pc
import torch
from datasets import ClassLabel, Dataset, DatasetDict
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoTokenizer, PreTrainedModel
from transformers.utils import logging

from hf_mlm.data.mlm.rows import texts_of
from hf_mlm.geo.distance import spherical_mean
from hf_mlm.geo.partition import GeoCellPartition
from hf_mlm.models.base.encoders import load_encoder, opening
from hf_mlm.models.irle.configuration_irle import IRLEConfig
from hf_mlm.models.irle.modeling_irle import IRLEForRetrievalAndGeo
from hf_mlm.models.irle.processing_irle import IRLEProcessor
from hf_mlm.runs.settings import refuse_unknown
from hf_mlm.training.base.processors import build_image_processor, describe_encoder, learn_tokenizer
from hf_mlm.training.irle.arguments import IRLEArguments


logger = logging.get_logger(__name__)

PLACES = 6  # decimals of a degree: 0.1 m


def cell_map(dataset: DatasetDict) -> dict[str, Any]:
    """Describe the cells of a dataset's ``geo_cell`` as settings of `IRLEConfig`.

    Raw rows name their cells by S2 tokens; where the rows tell their own positions, each cell is said to lie where its
    training entities do, on average, which is nearer to the entities to be located than its centre is. Feature files
    number their cells and give each row the mean position of its cell.

    Args:
        dataset: all splits.

    Returns:
        ``num_geo_cells``, with ``cell_tokens`` and with ``cell_latitudes`` and ``cell_longitudes`` (degrees) where the
        dataset tells them; nothing if no row has a cell.
    """
    splits = [rows for rows in dataset.values() if "geo_cell" in rows.column_names]
    names = cell_names(splits[0]) if splits else None
    if names is not None:
        return {"num_geo_cells": len(names), "cell_tokens": names, **mean_positions(names, dataset["train"])}
    cells = np.concatenate([_numbers(rows, "geo_cell", -1) for rows in splits]) if splits else np.array([])
    if not (cells >= 0).any():
        return {}
    count = _declared_count(splits[0]) or int(cells.max()) + 1
    if "cell_latitude" not in splits[0].column_names:
        return {"num_geo_cells": count}
    positions = np.zeros((2, count))  # a number that no row bears stays at 0° 0°
    for axis, column in enumerate(("cell_latitude", "cell_longitude")):
        values = np.concatenate([_numbers(rows, column, np.nan) for rows in splits])
        known = (cells >= 0) & np.isfinite(values)
        positions[axis, cells[known].astype(int)] = values[known]
    return {
        "num_geo_cells": count,
        "cell_latitudes": positions[0].tolist(),
        "cell_longitudes": positions[1].tolist(),
    }


def mean_positions(tokens: list[str], rows: Dataset) -> dict[str, list[float]]:
    """Average the positions of the entities in each cell.

    Args:
        tokens: S2 tokens of the cells, the names of ``geo_cell``.
        rows: of the training split.

    Returns:
        ``cell_latitudes`` and ``cell_longitudes``, degrees: the spherical mean, and the S2 centre of a cell without
        entities. Nothing if the rows do not tell where they are.
    """
    if not {"latitude", "longitude"} <= set(rows.column_names):
        return {}
    cells, latitudes, longitudes = (_numbers(rows, name, np.nan) for name in ("geo_cell", "latitude", "longitude"))
    places = np.stack(GeoCellPartition.from_tokens(tokens).centers, axis=1)  # (cells, 2)
    known = np.isfinite(cells) & np.isfinite(latitudes) & np.isfinite(longitudes)
    for cell in np.unique(cells[known]).astype(int):
        inside = known & (cells == cell)
        places[cell] = spherical_mean(latitudes[inside], longitudes[inside])
    latitudes, longitudes = places.round(PLACES).T.tolist()
    return {"cell_latitudes": latitudes, "cell_longitudes": longitudes}


def cell_names(rows: Dataset) -> list[str] | None:
    """S2 tokens of the classes of ``geo_cell``, or None where cells are mere numbers."""
    feature = rows.features.get("geo_cell")
    if not isinstance(feature, ClassLabel) or feature.names == [str(number) for number in range(len(feature.names))]:
        return None
    return list(feature.names)


def _declared_count(rows: Dataset) -> int | None:
    feature = rows.features["geo_cell"]
    return feature.num_classes if isinstance(feature, ClassLabel) else None


def _numbers(rows: Dataset, column: str, unknown: float) -> np.ndarray:
    """A column as float64 (rows,), ``unknown`` where it is null."""
    return np.array([unknown if value is None else value for value in rows[column]], dtype=np.float64)


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
            "image_encoder_config": image.config if image else describe_encoder(arguments.image_encoder),
            "text_encoder_config": text.config
            if text
            else describe_encoder(arguments.text_encoder, processor.tokenizer),
        }
    cells = cell_map(dataset)
    tasks = possible_tasks(dataset["train"], bool(cells)) if arguments.dataset == "archive" else {}
    settings = {**inputs, **cells, **tasks, **asked}
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


def possible_tasks(rows: Dataset, has_cells: bool) -> dict[str, Any]:
    """Choose the tasks that the rows of an archive can train, as settings of `IRLEConfig`.

    Args:
        rows: of the training split, with ``images`` and ``summaries``, either of which may be empty.
        has_cells: whether any row has a cell.

    Raises:
        ValueError: if they can train neither.
    """
    images, texts = (pc.list_value_length(rows.data.column(name)) for name in ("images", "summaries"))
    has_pairs = pc.any(pc.and_(pc.greater(images, 0), pc.greater(texts, 0))).as_py()
    tasks = [name for name, possible in (("retrieval", has_pairs), ("geo", has_cells)) if possible]
    if not tasks:
        raise ValueError(
            "Expected rows with an image and a text, or with a cell, found neither: give some of them coordinates (or "
            "a smaller min_entities), or texts beside their images."
        )
    if len(tasks) == 1:
        absent = "an image and a text" if tasks == ["geo"] else "a cell"
        logger.warning("No row has %s: the model learns %s alone.", absent, tasks[0])
    return {"tasks": tasks}


def _widths(rows: Dataset) -> dict[str, Any]:
    """Sizes of the feature columns, and whether any row has a class."""
    columns = rows.column_names
    classes = pc.sum(pc.list_value_length(rows.data.column("class_features"))) if "class_features" in columns else None
    return {**feature_widths(rows), "use_classes": bool(classes and classes.as_py())}


def _pretrained(encoder: dict | str | None, half: str) -> PreTrainedModel | None:
    return load_encoder(encoder, f"{half}_config") if isinstance(encoder, str) else None


def build_processor(arguments: IRLEArguments, rows: Dataset) -> IRLEProcessor:
    """Bring together the image processor and the tokenizer of the encoders.

    Args:
        arguments: ``image_encoder``, ``text_encoder``, ``image_processor``, ``tokenizer`` and ``vocabulary_size``.
        rows: raw training rows, whose summaries and classes a new tokenizer learns from.

    Raises:
        ValueError: if an encoder is not named, or there is no such image processor.
    """
    for name in ("image_encoder", "text_encoder"):
        if not getattr(arguments, name):
            raise ValueError(
                f"the dataset {arguments.dataset!r} has raw images and texts, and {name} is not set: name the folder "
                "of a transformers model, or give a configuration such as {model_type: bert, hidden_size: 128}."
            )
    folder = arguments.tokenizer or arguments.text_encoder
    if isinstance(folder, str):
        with opening(folder):
            tokenizer = AutoTokenizer.from_pretrained(folder)
    else:
        tokenizer = learn_tokenizer(_texts(rows), arguments.vocabulary_size)
    return IRLEProcessor(build_image_processor(arguments.image_encoder, arguments.image_processor), tokenizer)


def _texts(rows: Dataset) -> Iterator[str]:
    for row in rows.select_columns(["summaries", "classes"]):
        yield from texts_of(row["summaries"])
        yield ", ".join(row["classes"])
