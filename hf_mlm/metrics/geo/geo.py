"""Location estimation for ``evaluate``."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
import numpy as np

from hf_mlm.metrics import streaming
from hf_mlm.metrics.functional.geo import GeoTally


_DESCRIPTION = "Weighted precision, recall and F1 of cells; errors in km of coordinates. Keeps counts and distances."
_INPUTS = """
Args:
    predictions: cells, integers (N,), or coordinates, (N, 2) degrees of latitude and longitude. Add both kinds, in
        separate calls, to have both reported.
    references: the same; cells of -1 are left out.
Returns:
    for cells accuracy, precision, recall, f1 and cells_scored; for coordinates mean_km, median_km, geoscore,
    accuracy@1km, @25km, @200km, @750km, @2500km and coordinates_scored.
"""


class Geo(streaming.StreamingMetric):
    """Cells and kilometres; three counts a cell and 8 bytes a place are kept."""

    def _info(self) -> evaluate.MetricInfo:
        kinds = (datasets.Value("int64"), datasets.Sequence(datasets.Value("float64")))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=[datasets.Features({"predictions": kind, "references": kind}) for kind in kinds],
        )

    def _reset(self) -> None:
        self._tally = GeoTally()

    def _add(self, *, predictions: Any, references: Any, **columns: Any) -> None:
        found, true = np.asarray(predictions), np.asarray(references)
        add = self._tally.add_cells if true.ndim == 1 else self._tally.add_coordinates
        add(true, found)

    def _pack(self) -> bytes:
        distances = np.concatenate([np.zeros(0), *self._tally.distances])
        return streaming.pack_arrays(counts=self._tally.counts, distances=distances)

    def _merge(self, state: bytes) -> None:
        arrays = streaming.unpack_arrays(state)
        self._tally.add_counts(arrays["counts"])
        self._tally.distances.append(arrays["distances"])

    def _report(self, **options: Any) -> dict[str, Any]:
        report = self._tally.report(**options)
        if not report:
            raise ValueError("geo scores nothing: add cells or coordinates before compute().")
        return report
