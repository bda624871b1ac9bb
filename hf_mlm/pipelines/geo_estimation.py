"""The pipeline ``geo-estimation``: where on the earth an image, a text or both belong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch

from hf_mlm.models.irle.cells_irle import GeoCells
from hf_mlm.pipelines.geojson import cell_geometry, feature, point_geometry
from hf_mlm.pipelines.image_text import ImageTextPipeline, Query


FUSION = "mean of log-probabilities"
PLACE = ("latitude", "longitude", "radius_km")


class GeoEstimationPipeline(ImageTextPipeline):
    """Estimate where images and texts belong, by the cells of an `IRLEForRetrievalAndGeo`.

    ``pipe(inputs, batch_size=8, top_k=5)`` takes an image, a text or both in one mapping, or a list or generator of
    them; see `ImageTextPipeline` for their forms. Image and text of one mapping are fused: the mean of their
    log-probabilities, normalised again.

    Settings, at the start or in each call: ``top_k`` cells to return (5); ``strategy`` (``"mean"``) and ``share``
    (0.5) as in `GeoCells.locate`; ``return_geojson`` (False); ``timeout`` in seconds for images at an address.

    Returns, for each query, a dict:
        ``latitude``, ``longitude`` (degrees) and ``radius_km`` of the best estimate: the circle that holds ``share``
        of the probability. None where the model has no map of its cells.
        ``modalities``: ``["image"]``, ``["text"]`` or both, and ``fusion``: how both were joined, else None.
        ``cells``: the most probable ones, the best first, each with ``cell`` (class), ``token`` (S2; None where the
        model knows none), ``probability``, and ``latitude``, ``longitude``, ``radius_km`` of the circle around it.
        ``geojson``, if asked for: a FeatureCollection of the estimate, a Point, and of the cells, with their polygons
        cut at the antimeridian (RFC 7946); a cell known by its centre alone is a Point.
    """

    task_needed = "geo"

    def _sanitize_parameters(
        self,
        top_k: int | None = None,
        return_geojson: bool | None = None,
        strategy: str | None = None,
        share: float | None = None,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        self._refuse_unknown(kwargs)
        self._refuse_top_k(top_k)
        settings = {"top_k": top_k, "return_geojson": return_geojson, "strategy": strategy, "share": share}
        before = {} if timeout is None else {"timeout": timeout}
        return before, {}, {name: value for name, value in settings.items() if value is not None}

    def postprocess(
        self,
        model_outputs: tuple[Sequence[Query], dict[str, Any]],
        top_k: int = 5,
        return_geojson: bool = False,
        strategy: str = "mean",
        share: float = 0.5,
    ) -> list[dict[str, Any]]:
        """Give the estimate for each query of a batch.

        Raises:
            ValueError: if ``strategy`` or ``share`` is unknown, or GeoJSON is asked of a model without a map.
        """
        batch, outputs = model_outputs
        if return_geojson and self._map is None:
            raise ValueError(
                f"this model has {len(self._cells)} cells and no map of them, so there is no GeoJSON: leave out "
                "return_geojson, or configure cell_tokens."
            )
        scores = fuse([query.modalities for query in batch], outputs)  # (batch, cells)
        places = self._places(scores, strategy, share)
        top = scores.exp().topk(min(top_k, scores.shape[1]))  # values and indices, (batch, top_k) each
        answers = []
        for query, place, *ranked in zip(batch, places, top.values.tolist(), top.indices.tolist(), strict=True):
            fusion = FUSION if len(query.modalities) > 1 else None
            cells = [{**self._cells[cell], "probability": value} for value, cell in zip(*ranked, strict=True)]
            answer = {**place, "modalities": query.modalities, "fusion": fusion, "cells": cells}
            answers.append({**answer, "geojson": to_geojson(answer)} if return_geojson else answer)
        return answers

    @cached_property
    def _map(self) -> GeoCells | None:
        """Where the cells lie, as far as the model knows."""
        config = self.model.config
        known = config.cell_tokens is not None or config.cell_latitudes is not None
        return GeoCells.from_config(config) if known else None

    @cached_property
    def _cells(self) -> list[dict[str, Any]]:
        """What is known of each class."""
        count = self.model.config.num_geo_cells
        tokens = self.model.config.cell_tokens or [None] * count
        return [
            {"cell": cell, "token": token, **place}
            for cell, (token, place) in enumerate(zip(tokens, _as_places(self._map, count), strict=True))
        ]

    def _places(self, scores: torch.Tensor, strategy: str, share: float) -> list[dict[str, float | None]]:
        located = None if self._map is None else self._map.locate(scores, strategy, share=share)
        return _as_places(located, len(scores))


def fuse(modalities: Sequence[Sequence[str]], outputs: Mapping[str, Mapping[str, torch.Tensor]]) -> torch.Tensor:
    """Join what image and text of a query say: the mean of the log-probabilities that there are, normalised.

    Args:
        modalities: of each of the batch's queries.
        outputs: for each modality ``geo_logits`` (queries that have it, cells).

    Returns:
        float32 (batch, cells) log-probabilities.

    Example:
        >>> logits = {"image": {"geo_logits": torch.zeros(1, 2)}, "text": {"geo_logits": torch.tensor([[2.0, 0.0]])}}
        >>> fuse([["image", "text"]], logits).exp()
        tensor([[0.7311, 0.2689]])
    """
    sums = torch.zeros(len(modalities), next(iter(outputs.values()))["geo_logits"].shape[1])
    for name, output in outputs.items():
        rows = [row for row, given in enumerate(modalities) if name in given]
        sums[rows] += output["geo_logits"].float().log_softmax(dim=-1)
    counts = torch.tensor([len(given) for given in modalities])
    return (sums / counts.unsqueeze(-1)).log_softmax(dim=-1)


def to_geojson(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Write an answer of the pipeline as a FeatureCollection: the estimate, then the cells."""
    estimate = {"role": "estimate", "radius_km": answer["radius_km"], "modalities": answer["modalities"]}
    features = [feature(point_geometry(answer["latitude"], answer["longitude"]), estimate)]
    for cell in answer["cells"]:
        center = cell["latitude"], cell["longitude"]
        geometry = point_geometry(*center) if cell["token"] is None else cell_geometry(cell["token"])
        features.append(feature(geometry, {"role": "cell", **cell}))
    return {"type": "FeatureCollection", "features": features}


def _as_places(columns: Sequence[Any] | None, count: int) -> list[dict[str, float | None]]:
    """Columns of latitudes, longitudes and radii as one dict a row; Nones where there are none."""
    if columns is None:
        return [dict.fromkeys(PLACE) for _ in range(count)]
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [dict(zip(PLACE, row, strict=True)) for row in rows]
