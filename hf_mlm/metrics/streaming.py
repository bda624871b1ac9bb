"""Base of the ``evaluate`` modules, which keep sums of each batch and no inputs.

``evaluate`` itself writes every prediction and reference to an Arrow file and reads all of them back. Here a batch is
reduced when it is added; the Arrow files and their locks only carry each process's sums to process 0.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from typing import Any

import datasets
import evaluate
import numpy as np
import numpy.typing as npt


class StreamingMetric(evaluate.Metric, ABC):
    """A metric that reduces batches to a state.

    A subclass says in ``_info`` what it takes, and how to ``_add``, ``_pack``, ``_merge`` and ``_report``. With
    ``num_process`` every process calls ``compute``; process 0 gets the report on all rows, the others get None.
    """

    optional_columns: tuple[str, ...] = ()  # what add_batch takes besides predictions and references

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._forget()

    def __len__(self) -> int:
        return self._rows

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """Reduce a batch and forget it."""
        self._check_names(kwargs)
        if predictions is None or references is None:
            raise ValueError(f"{self.name} takes predictions and references together; one of them is missing.")
        self._add(predictions=predictions, references=references, **kwargs)
        self._rows += len(predictions)

    def add(self, *, prediction: Any = None, reference: Any = None, **kwargs: Any) -> None:
        """Reduce one row and forget it."""
        row = {"predictions": prediction, "references": reference, **kwargs}
        self.add_batch(**{name: None if value is None else [value] for name, value in row.items()})

    def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any] | None:
        """Add a last batch if one is given, then report on everything added since the last call."""
        columns = {name: kwargs.pop(name) for name in self.optional_columns if name in kwargs}
        try:
            if predictions is not None or references is not None:
                self.add_batch(predictions=predictions, references=references, **columns)
            if self.num_process > 1:
                states = self._gather()
                if states is None:
                    return None
                self._reset()
                for state in states:
                    self._merge(state)
            return self._report(**kwargs)
        finally:
            self._forget()

    def _gather(self) -> list[bytes] | None:
        """Bring every process's state to process 0."""
        carrier = _StateCarrier(
            config_name=f"{self.name}-{self.config_name}",
            cache_dir=self._data_dir_root,
            num_process=self.num_process,
            process_id=self.process_id,
            experiment_id=self.experiment_id,
            timeout=self.timeout,
        )
        gathered = carrier.compute(state=[self._pack()])
        return None if gathered is None else gathered["states"]

    def _forget(self) -> None:
        self._rows = 0
        self._reset()

    def _check_names(self, columns: dict[str, Any]) -> None:
        for name in columns:
            if name not in self.optional_columns:
                known = ", ".join(("predictions", "references", *self.optional_columns))
                raise ValueError(f"{self.name} does not take {name!r}; it takes {known}.")

    @abstractmethod
    def _reset(self) -> None:
        """Start with nothing kept."""

    @abstractmethod
    def _add(self, *, predictions: Any, references: Any, **columns: Any) -> None:
        """Reduce one batch."""

    @abstractmethod
    def _pack(self) -> bytes:
        """Return what has been kept."""

    @abstractmethod
    def _merge(self, state: bytes) -> None:
        """Add what ``_pack`` of this or another process returned."""

    @abstractmethod
    def _report(self, **options: Any) -> dict[str, Any]:
        """Score what has been kept."""


class _StateCarrier(evaluate.Metric):
    """Carries one state a process through ``evaluate``'s files and locks."""

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features({"state": datasets.Value("large_binary")})
        return evaluate.MetricInfo(description="", citation="", features=features, inputs_description="")

    def _compute(self, state: list[bytes]) -> dict[str, list[bytes]]:
        return {"states": state}


def pack_arrays(**arrays: npt.NDArray[Any]) -> bytes:
    """Write arrays without objects to bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack_arrays(data: bytes) -> dict[str, npt.NDArray[Any]]:
    """Read what :func:`pack_arrays` wrote."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return dict(archive)
