"""``hf-mlm export MODEL_DIR OUTPUT [--opset N] [--quantize int8]``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from hf_mlm.cli.options import DataDir, ModelDir


def export(
    model_dir: ModelDir,
    output: Annotated[Path, typer.Argument(help="Folder to make.")],
    opset: Annotated[int, typer.Option(help="Version of ONNX's operators, 18 to 23.")] = 18,
    quantize: Annotated[
        str | None, typer.Option(help="int8: write each file a second time with weights of 8 bits.")
    ] = None,
    evaluate: Annotated[
        str | None, typer.Option(help="Configuration of mmnerd, such as en, on which to measure the files' F1.")
    ] = None,
    data_dir: DataDir = None,
    split: Annotated[str, typer.Option(help="Split to measure on.")] = "test",
) -> None:
    """Write a model as ONNX files for onnxruntime, with tokenizer, labels and a README of inputs and outputs."""
    from hf_mlm.export.onnx import export as run

    folder = run(model_dir, output, opset, quantize)
    for path in sorted(folder.glob("*.onnx*")):
        sys.stdout.write(f"{path}: {path.stat().st_size / 1e6:,.1f} MB\n")
    if evaluate is not None:
        from hf_mlm.export.scoring import entity_f1

        for line in lost(entity_f1(folder, evaluate, data_dir, split)):
            sys.stdout.write(f"{line}\n")


def lost(scores: dict[str, float]) -> list[str]:
    """Lines that tell the F1 of each file, and how much it is below that of the first.

    Example:
        >>> lost({"model.onnx": 0.75, "model_int8.onnx": 0.74})
        ['model.onnx: F1 75.00', 'model_int8.onnx: F1 74.00, 1.00 lost']
    """
    best, *_ = scores.values()
    lines = [f"{name}: F1 {100 * score:.2f}" for name, score in scores.items()]
    losses = ["", *(f", {100 * (best - score):.2f} lost" for score in list(scores.values())[1:])]
    return [line + loss for line, loss in zip(lines, losses, strict=True)]
