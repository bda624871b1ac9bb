"""Models to ONNX files that carry all they need, each checked against PyTorch before anything is kept."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hf_mlm.data.disk import full_disk_in_words
from hf_mlm.export.description import describe, readme
from hf_mlm.export.graphs import Graph
from hf_mlm.export.quantize import QUANTIZERS, quantized_name
from hf_mlm.export.runtime import check_packages, open_session, quiet, run
from hf_mlm.export.saved import EXPORTERS, load, pixel_shape


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
    model, processor = load(Path(model_dir))
    graphs = EXPORTERS[model.config.model_type].graphs(model, pixel_shape(processor))
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


def _check_choices(output: Path, opset: int, quantize: str | None) -> None:
    if opset < LEAST_OPSET:
        raise ValueError(f"opset {opset} is too old: {LEAST_OPSET} is the least that works, for onnxruntime>=1.14.")
    if opset > NEWEST_OPSET:
        raise ValueError(f"opset {opset} is too new: {NEWEST_OPSET} is the newest that can be written.")
    if quantize is not None and quantize not in QUANTIZERS:
        raise ValueError(f"quantize={quantize!r} is unknown; choose one of {', '.join(QUANTIZERS)}.")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(f"{output} is there already: name a folder that is not, or remove it.")


def _write_companions(folder: Path, model: Any, processor: Any, graphs: list[Graph], opset: int) -> None:
    """Tokenizer, image processor, labels, and a description for machines and one for people."""
    model.config.save_pretrained(folder)
    if processor is not None:
        processor.save_pretrained(folder)
    description = describe(folder, graphs, processor, opset)
    (folder / "export.json").write_text(json.dumps(description, ensure_ascii=False, indent=1), encoding="utf-8")
    (folder / "README.md").write_text(readme(model.config, description), encoding="utf-8")
