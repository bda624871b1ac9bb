"""What an export says of itself: ``export.json`` for programs, ``README.md`` for people."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from hf_mlm.export.graphs import Axes, Graph
from hf_mlm.models.word_encoding import WordEncoder


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
        lines += ["", f"## {file}", "", "| | name | type | shape | |", "|---|---|---|---|---|"]
        for kind in ("inputs", "outputs"):
            for name, value in values[kind].items():
                shape = ", ".join(map(str, value["shape"]))
                lines.append(f"| {kind[:-1]} | `{name}` | {value['type']} | ({shape}) | {MEANINGS[name]} |")
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
