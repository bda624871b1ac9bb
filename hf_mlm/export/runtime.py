"""Sessions of onnxruntime on the CPU, and quantisation of ONNX files (extra ``onnx``)."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np


PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def check_packages() -> None:
    """Refuse to start without the packages of the extra.

    Raises:
        ImportError: with the command that installs them.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f'export needs {", ".join(missing)}: pip install "hf-mlm[onnx]".')


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
