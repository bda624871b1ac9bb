"""A saved model of any exportable type, with its processor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import transformers
from PIL import Image
from safetensors import SafetensorError

import hf_mlm
from hf_mlm.export.graphs import Graph, irle_graphs, tagger_graphs
from hf_mlm.models.saved_type import saved_type


class Exporter(NamedTuple):
    """How models of one type are opened and drawn as graphs.

    Args:
        auto_class: name of the Auto class that opens them.
        graphs: makes graphs of a model and the (3, height, width) of its images.
    """

    auto_class: str
    graphs: Callable[[Any, tuple[int, ...]], list[Graph]]


EXPORTERS = {
    "irle": Exporter("AutoModel", irle_graphs),
    "crf_tagger": Exporter("AutoModelForTokenClassification", tagger_graphs),
    "two_mner": Exporter("AutoModelForTokenClassification", tagger_graphs),
}


def load(folder: Path) -> tuple[Any, Any]:
    """Open a model for export, in float32 and evaluation mode, with its processor.

    Args:
        folder: with ``config.json``, ``model.safetensors`` and, unless the model reads features, a processor.

    Returns:
        The model, and the processor or None.

    Raises:
        FileNotFoundError: if the folder, its ``config.json`` or its processor is absent.
        ValueError: if models of its type are not exported, or the weights are damaged or of other shapes.
    """
    hf_mlm.register()
    kind = saved_type(folder)
    if kind not in EXPORTERS:
        raise ValueError(f"{folder} holds a model of type {kind!r}; those that export are {', '.join(EXPORTERS)}.")
    try:
        model = getattr(transformers, EXPORTERS[kind].auto_class).from_pretrained(folder)
    except (RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"the weights in {folder} do not fit its config.json, or are damaged ({reason}).") from error
    model.set_attn_implementation("sdpa")
    return model.float().eval(), _processor(folder) if _reads_raw_input(model) else None


def pixel_shape(processor: Any) -> tuple[int, ...]:
    """Shape (3, height, width) that a processor gives every image; nothing without an image processor.

    Args:
        processor: of a model, or None.
    """
    images = getattr(processor, "image_processor", None)
    if images is None:
        return ()
    return tuple(images([Image.new("RGB", (64, 48))], return_tensors="np")["pixel_values"].shape[1:])


def _reads_raw_input(model: Any) -> bool:
    config = model.config
    return config.model_type != "irle" or bool(config.image_encoder_config or config.text_encoder_config)


def _processor(folder: Path) -> Any:
    try:
        return transformers.AutoProcessor.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"{folder} has no processor that opens: save the model's own there, processor.save_pretrained(…)."
        ) from error
