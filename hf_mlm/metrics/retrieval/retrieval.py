"""Cross-modal retrieval for ``evaluate``."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
import numpy as np

from hf_mlm.metrics import streaming
from hf_mlm.metrics.functional.retrieval import retrieval_report


_DESCRIPTION = (
    "Median rank and recall at K of image-to-text and text-to-image retrieval, in pools of 500 and in all of the "
    "gallery. Ranks need every candidate, so the embeddings themselves are kept."
)
_INPUTS = """
Args:
    predictions: image embeddings, (N, D) floats of unit length.
    references: text embeddings, (N, D); row i belongs to row i of predictions.
    sample_size, repeats, ks, seed, resamples: of compute(); see hf_mlm.metrics.functional.retrieval.retrieval_report.
Returns:
    image_to_text and text_to_image: medR, R@1, R@5, R@10 with 95 % intervals, and the same and MRR under "full";
    chance, pool_size, pools and gallery_size.
"""


class Retrieval(streaming.StreamingMetric):
    """medR and R@K in both directions; memory is that of the embeddings."""

    def _info(self) -> evaluate.MetricInfo:
        vector = datasets.Sequence(datasets.Value("float32"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": vector, "references": vector}),
        )

    def _reset(self) -> None:
        self._images: list[np.ndarray] = []  # (rows, D) each
        self._texts: list[np.ndarray] = []

    def _add(self, *, predictions: Any, references: Any, **columns: Any) -> None:
        images, texts = np.array(predictions), np.array(references)
        if images.shape != texts.shape or images.ndim != 2 or images.shape[1:] != self._width(images.shape[1:]):
            raise ValueError(
                f"predictions {images.shape} and references {texts.shape} must have one shape (rows, dimensions), the "
                "same dimensions in every batch."
            )
        self._images.append(images)
        self._texts.append(texts)

    def _width(self, default: tuple[int, ...]) -> tuple[int, ...]:
        return self._images[0].shape[1:] if self._images else default

    def _pack(self) -> bytes:
        if not self._images:
            return b""
        return streaming.pack_arrays(images=np.concatenate(self._images), texts=np.concatenate(self._texts))

    def _merge(self, state: bytes) -> None:
        if state:
            arrays = streaming.unpack_arrays(state)
            self._add(predictions=arrays["images"], references=arrays["texts"])

    def _report(self, **options: Any) -> dict[str, Any]:
        if not self._images:
            raise ValueError("retrieval ranks nothing: add embeddings before compute().")
        return retrieval_report(np.concatenate(self._images), np.concatenate(self._texts), **options)
