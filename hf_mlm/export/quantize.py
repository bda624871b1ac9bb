"""Weights of 8 bits: onnxruntime's dynamic quantisation, with activations quantised as they come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hf_mlm.export.runtime import quiet


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


QUANTIZERS: dict[str, Callable[[Path, Path], None]] = {"int8": quantize_int8}


def quantized_name(file: str, quantize: str) -> str:
    """Name of a file's quantised twin.

    Example:
        >>> quantized_name("model.onnx", "int8")
        'model_int8.onnx'
    """
    return f"{file.removesuffix('.onnx')}_{quantize}.onnx"
