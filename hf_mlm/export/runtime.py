"""Sessions of onnxruntime on the CPU, and quantisation of ONNX files (extra ``onnx``)."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import logging
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from hf_mlm.registry import MODELS, load
from hf_mlm.runs.open_model import check_kind, open_processor


PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def check_packages(*packages: str) -> None:
    """Refuse to start without packages of the extra.

    Args:
        *packages: that are needed; all of them when omitted.

    Raises:
        ImportError: with the command that installs them.
    """
    missing = [name for name in packages or PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f'ONNX needs {", ".join(missing)}: pip install "hf-mlm[onnx]".')


def open_session(path: Path) -> Any:
    """Open an ONNX file on the CPU.

    Args:
        path: of the file.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(session: Any, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Compute every output of a session by name.

    Args:
        session: as `open_session` makes it.
        batch: an array for each input.
    """
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(batch)), strict=True))


class OnnxModel(nn.Module):
    """An exported model in the place of the trained one, for the package's pipelines; it runs in onnxruntime.

    Args:
        folder: as `hf_mlm.export.onnx.export` writes it.
        config: of the model.
        files: names of its ONNX files, in the order of ``export.json``.
    """

    device, dtype, head = torch.device("cpu"), torch.float32, None

    def __init__(self, folder: Path, config: Any, files: Sequence[str]):
        super().__init__()
        self.config, self.name_or_path = config, str(folder)
        self._sessions = {name: open_session(folder / name) for name in files}

    def can_generate(self) -> bool:
        """No: it writes no text."""
        return False

    def forward(self, **inputs: torch.Tensor) -> SimpleNamespace:
        """Tag: ``logits``, ``predictions`` and ``scores``, each (batch, tokens, …)."""
        return SimpleNamespace(**self._run("model.onnx", inputs))

    def encode_images(self, **inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        """``embeds`` and ``geo_logits`` of images, as far as the model has the tasks."""
        return self._encode("image", inputs)

    def encode_texts(self, **inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        """``embeds`` and ``geo_logits`` of texts, as far as the model has the tasks."""
        return self._encode("text", inputs)

    def _encode(self, modality: str, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        outputs = self._run(f"{modality}_model.onnx", inputs)
        return {name.removeprefix(f"{modality}_"): values for name, values in outputs.items()}

    def _run(self, file: str, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        session = self._sessions[file]
        batch = {name: inputs[name].numpy() for name in inputs}
        wanted = {value.name: value for value in session.get_inputs()}
        if "pixel_values" in wanted and "pixel_values" not in batch:  # a tagger of images, where no sentence has any
            rows = len(batch["input_ids"])
            batch["pixel_values"] = np.zeros((1, *wanted["pixel_values"].shape[1:]), np.float32)
            batch["image_index"] = np.full(rows, -1)
        return {
            name: torch.from_numpy(values)
            for name, values in run(session, {name: batch[name] for name in wanted}).items()
        }


def open_onnx(folder: str | os.PathLike[str], kind: str) -> tuple[OnnxModel, Any]:
    """Open an exported model, with its processor, as `open_model` opens a trained one.

    Args:
        folder: as `hf_mlm.export.onnx.export` writes it.
        kind: ``model_type`` or family that it must be of.

    Raises:
        ImportError: if onnxruntime is missing.
        FileNotFoundError: if the folder holds no export.
        ValueError: if it is another kind of model, or its processor is damaged.
    """
    check_packages("onnxruntime")
    folder = Path(folder)
    found = check_kind(folder, kind)
    path = folder / "export.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected a model in ONNX, found no export.json in {folder}: write one, with hf-mlm export {folder} OUT."
        )
    config = load(MODELS[found].config).from_pretrained(folder)
    files = json.loads(path.read_text(encoding="utf-8"))["files"]
    return OnnxModel(folder, config, list(files)).eval(), open_processor(folder)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep an exporter's progress, and its remarks about its own innards, from the user."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


# Matrix products and embedding tables hold nearly all weights. Convolutions stay: onnxruntime runs quantised ones
# slower than those of 32 bits.
OPERATORS = ["MatMul", "Gemm", "Gather"]


def quantize_int8(source: Path, target: Path) -> None:
    """Write a file again with the weights of matrix products and embeddings in 8 bits.

    Args:
        source: an ONNX file.
        target: the file to write.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(source)
    give_own_weights(model.graph)
    del model.graph.value_info[:]  # shapes of what the quantiser transposes; it infers them again
    with quiet():
        quantize_dynamic(
            model,
            target,
            op_types_to_quantize=OPERATORS,
            per_channel=True,
            weight_type=QuantType.QInt8,
            use_external_data_format=source.with_name(f"{source.name}.data").exists(),
        )


def give_own_weights(graph: Any) -> None:
    """Copy weights that a Gemm shares with another operator, such as those of a head that is asked twice.

    The quantiser transposes the weights of each Gemm where they are, so that shared ones would be turned back again.

    Args:
        graph: an ``onnx.GraphProto``, which is changed.
    """
    weights = {tensor.name: tensor for tensor in graph.initializer}
    uses = Counter(name for node in graph.node for name in node.input)
    for number, node in enumerate(graph.node):
        name = node.input[1] if node.op_type == "Gemm" else None
        if name in weights and uses[name] > 1:
            uses[name] -= 1
            node.input[1] = f"{name}_{number}"
            graph.initializer.add().CopyFrom(weights[name])
            graph.initializer[-1].name = node.input[1]


QUANTIZERS: dict[str, Callable[[Path, Path], None]] = {"int8": quantize_int8}


def quantized_name(file: str, quantize: str) -> str:
    """Name of a file's quantised twin.

    Example:
        >>> quantized_name("model.onnx", "int8")
        'model_int8.onnx'
    """
    return f"{file.removesuffix('.onnx')}_{quantize}.onnx"
