"""Export of saved models to ONNX: graphs written, checked against PyTorch, quantised and described."""

from __future__ import annotations

import json
import os
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from hf_mlm.export.graphs import Axes, Graph
from hf_mlm.export.runtime import QUANTIZERS, check_packages, open_session, quantized_name, quiet, run
from hf_mlm.files import full_disk_in_words
from hf_mlm.models.base.word_encoding import WordEncoder
from hf_mlm.publishing.cards import markdown_table
from hf_mlm.registry import MODELS
from hf_mlm.registry import load as load_name
from hf_mlm.runs.open_model import check_kind, open_model


LEAST_OPSET, NEWEST_OPSET = 18, 23  # what torch 2.13 translates to
DEFAULT_OPSET = LEAST_OPSET  # for the most runtimes
TOLERANCE = 1e-4
EXAMPLE_SIZES = (3, 7, 2)  # rows, tokens, images: all different and none of them 1, so that each stays free
CHECKED_SIZES = (EXAMPLE_SIZES, (1, 4, 1), (5, 11, 3))


def export(
    model_dir: str | os.PathLike[str],
    output: str | os.PathLike[str],
    opset: int = DEFAULT_OPSET,
    quantize: str | None = None,
) -> Path:
    """Write a saved model as a folder of ONNX files with tokenizer, labels and a README of inputs and outputs.

    Batches, lengths and numbers of images are free; the labels of taggers are decoded in the graph. Every file has
    been run by onnxruntime and agrees with PyTorch.

    Args:
        model_dir: of an IR+LE, a CRF tagger or a 2M-NER, with its processor.
        output: folder to make; it appears whole or not at all.
        opset: version of ONNX's operators, 18 to 23.
        quantize: ``"int8"`` to write each file a second time with weights of 8 bits.

    Returns:
        ``output``.

    Raises:
        ImportError: if a package of the extra ``onnx`` is missing.
        FileNotFoundError: if the model or its processor is absent.
        ValueError: if ``opset`` or ``quantize`` is none of the choices, ``output`` is there already, the model is of
            another type, or a graph disagrees with it.
        OSError: if the disk is full.
    """
    check_packages()
    output = Path(output)
    _check_choices(output, opset, quantize)
    model, processor, graphs = open_for_export(Path(model_dir))
    output.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch,
        full_disk_in_words(output.parent, "and export again"),
    ):
        folder = Path(scratch, "export")
        folder.mkdir()
        for graph in graphs:
            write_graph(graph, folder / graph.file, opset)
            if quantize is not None:
                QUANTIZERS[quantize](folder / graph.file, folder / quantized_name(graph.file, quantize))
        _write_companions(folder, model, processor, graphs, opset)
        os.replace(folder, output)
    return output


def _check_choices(output: Path, opset: int, quantize: str | None) -> None:
    if opset < LEAST_OPSET:
        raise ValueError(f"opset {opset} is too old: {LEAST_OPSET} is the least that works, for onnxruntime>=1.14.")
    if opset > NEWEST_OPSET:
        raise ValueError(f"opset {opset} is too new: {NEWEST_OPSET} is the newest that can be written.")
    if quantize is not None and quantize not in QUANTIZERS:
        raise ValueError(f"quantize={quantize!r} is unknown; choose one of {', '.join(QUANTIZERS)}.")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(f"{output} is there already: name a folder that is not, or remove it.")


def open_for_export(folder: Path) -> tuple[Any, Any, list[Graph]]:
    """Open a model in float32 and evaluation mode, with its processor and the graphs to write.

    Args:
        folder: with ``config.json``, ``model.safetensors`` and, unless the model reads features, a processor.

    Returns:
        The model, the processor or None, and the graphs.

    Raises:
        FileNotFoundError: if the folder, its ``config.json`` or its weights are absent.
        ValueError: if models of its type are not exported, or it cannot be opened by `open_model`.
    """
    kind = check_kind(folder)
    exported = {name: entry.graphs for name, entry in MODELS.items() if entry.graphs is not None}
    if kind not in exported:
        raise ValueError(f"Expected a model that exports ({', '.join(exported)}) in {folder}, found {kind!r}.")
    model, processor = open_model(folder, kind)
    model.set_attn_implementation("sdpa")
    return model.float(), processor, load_name(exported[kind])(model, pixel_shape(processor))


def pixel_shape(processor: Any) -> tuple[int, ...]:
    """Shape (3, height, width) that a processor gives every image; nothing without an image processor.

    Args:
        processor: of a model, or None.
    """
    images = getattr(processor, "image_processor", None)
    if images is None:
        return ()
    return tuple(images([Image.new("RGB", (64, 48))], return_tensors="np")["pixel_values"].shape[1:])


def write_graph(graph: Graph, path: Path, opset: int = DEFAULT_OPSET) -> None:
    """Export a graph and check it in onnxruntime; weights beyond 2 GB go to a second file, ``….onnx.data``.

    Args:
        graph: what to export.
        path: of the file.
        opset: version of ONNX's operators.

    Raises:
        ValueError: if onnxruntime computes something else than PyTorch.
    """
    axes = {
        name: {place: axis for place, axis in enumerate(shape) if isinstance(axis, str)}
        for name, shape in graph.inputs.items()
    }
    with torch.no_grad(), quiet():
        program: Any = torch.onnx.export(
            graph.module,
            kwargs={"inputs": graph.example(*EXAMPLE_SIZES)},
            dynamic_shapes={"inputs": axes},
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            opset_version=opset,
            verbose=False,
        )
    program.save(path, external_data=None)
    check_parity(graph, path)


def check_parity(graph: Graph, path: Path, tolerance: float = TOLERANCE) -> None:
    """Compare an ONNX file with PyTorch on batches of several sizes.

    Args:
        graph: that was exported.
        path: of the file.
        tolerance: largest difference of a number, absolute or relative.

    Raises:
        ValueError: if they differ.
    """
    session = open_session(path)
    for sizes in CHECKED_SIZES:
        batch = graph.example(*sizes)
        with torch.inference_mode():
            expected = graph.module(batch)
        computed = run(session, {name: values.numpy() for name, values in batch.items()})
        for (name, ours), theirs in zip(computed.items(), expected, strict=True):
            if not np.allclose(ours, theirs.numpy(), tolerance, tolerance):
                raise ValueError(
                    f"{path.name} disagrees with PyTorch by {np.abs(ours - theirs.numpy()).max():.2g} in {name} of a "
                    f"batch of {sizes[0]}, so that nothing was kept: try another opset, or another torch than "
                    f"{torch.__version__}."
                )


def _write_companions(folder: Path, model: Any, processor: Any, graphs: list[Graph], opset: int) -> None:
    """Tokenizer, image processor, labels, and a description for machines and one for people."""
    model.config.save_pretrained(folder)
    if processor is not None:
        processor.save_pretrained(folder)
    description = describe(folder, graphs, processor, opset)
    (folder / "export.json").write_text(json.dumps(description, ensure_ascii=False, indent=1), encoding="utf-8")
    (folder / "README.md").write_text(readme(model.config, description), encoding="utf-8")


MEANINGS = {
    "input_ids": "sub-tokens of a text, special tokens included",
    "attention_mask": "1, and 0 at padding",
    "word_ids": "the word that each sub-token belongs to, -1 at special tokens and padding",
    "pixel_values": "images as the processor makes them; where there are none at all, one of zeros",
    "image_index": "the image of each sentence, a row of pixel_values, -1 where it has none",
    "image_features": "precomputed features of an image",
    "summary_features": "precomputed features of a summary",
    "class_features": "precomputed features of the classes",
    "class_input_ids": "sub-tokens of the class names, joined by ', '",
    "class_attention_mask": "1, and 0 at padding",
    "logits": "scores of the labels before decoding",
    "predictions": "the decoded label where a word starts, -100 elsewhere",
    "scores": "probability of that label (the CRF's marginal, or the softmax), 0 elsewhere",
    "image_embeds": "for retrieval, by dot product with text_embeds",
    "text_embeds": "for retrieval, by dot product with image_embeds",
    "image_geo_logits": "scores of the S2 cells, in the order of the configuration",
    "text_geo_logits": "scores of the S2 cells, in the order of the configuration",
}
INTEGERS = ("input_ids", "attention_mask", "word_ids", "image_index", "predictions")


def describe(folder: Path, graphs: list[Graph], processor: Any, opset: int) -> dict[str, Any]:
    """Tell what each file takes and gives, and how words become sub-tokens.

    Args:
        folder: with the ONNX files.
        graphs: what they were made of.
        processor: of the model, or None.
        opset: version of ONNX's operators.

    Returns:
        What ``export.json`` holds.
    """
    files = {graph.file: {"inputs": _values(graph.inputs), "outputs": _values(graph.outputs)} for graph in graphs}
    versions = {name: version(name) for name in ("hf-mlm", "torch", "onnx", "onnxscript")}
    description: dict[str, Any] = {"opset": opset, "versions": versions, "files": files}
    quantized = sorted(path.name for path in folder.glob("*_int8.onnx"))
    if quantized:
        description["quantized"] = quantized
    if hasattr(processor, "windows"):
        description["words"] = _word_settings(processor)
    return description


def readme(config: Any, description: dict[str, Any]) -> str:
    """Write the description as Markdown.

    Args:
        config: of the model.
        description: as `describe` makes it.
    """
    versions = ", ".join(f"{name} {version}" for name, version in description["versions"].items())
    lines = [f"# {config.model_type} in ONNX", "", f"Opset {description['opset']}, written by {versions}."]
    lines += ["Axes with a name are of any size."]
    for file, values in description["files"].items():
        rows = [
            [kind[:-1], f"`{name}`", value["type"], f"({', '.join(map(str, value['shape']))})", MEANINGS[name]]
            for kind in ("inputs", "outputs")
            for name, value in values[kind].items()
        ]
        lines += ["", f"## {file}", "", markdown_table(["", "name", "type", "shape", ""], rows, numbers=False)]
    if "quantized" in description:
        lines += ["", f"With weights of 8 bits: {', '.join(description['quantized'])}."]
    if "words" in description:
        lines += ["", _WORDS]
        labels = ", ".join(f"{number} {name}" for number, name in enumerate(config.label_names))
        lines += ["", f"Labels: {labels}."]
    return "\n".join(lines) + "\n"


_WORDS = """`export.json` tells under `words` how words become sub-tokens: tokenise each word by itself, after a space
if `space` says so and without special tokens, put `unknown` where nothing comes of it, and frame the sentence by
`prefix` and `suffix`, up to `max_length`."""


def _values(axes: Axes) -> dict[str, dict[str, Any]]:
    return {
        name: {"type": "int64" if name.removeprefix("class_") in INTEGERS else "float32", "shape": list(shape)}
        for name, shape in axes.items()
    }


def _word_settings(processor: Any) -> dict[str, Any]:
    encoder = WordEncoder(processor.tokenizer, processor.max_length, processor.stride)
    return {
        "prefix": encoder.prefix,
        "suffix": encoder.suffix,
        "space": encoder.needs_space,
        "unknown": processor.tokenizer.unk_token_id,
        "padding": processor.tokenizer.pad_token_id or 0,
        "max_length": encoder.max_length,
    }
