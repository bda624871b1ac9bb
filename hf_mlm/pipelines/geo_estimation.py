"""The pipeline ``geo-estimation``: where on the earth an image, a text or both belong, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from hf_mlm.geo.density import SphereDensity
from hf_mlm.geo.distance import great_circle_distance
from hf_mlm.models.irle.cells_irle import Locator, joined, log_softmax
from hf_mlm.pipelines.base import OnError, settings_before
from hf_mlm.pipelines.geojson import cell_geometry, contour_geometry, density_png, feature, point_geometry
from hf_mlm.pipelines.image_text import ImageTextPipeline, Query
from hf_mlm.runs.gallery import Gallery


FUSION = "mean of log-probabilities"
PLACE = ("latitude", "longitude", "radius_km")
GRANULARITIES = {"exact": None, "city": 1, "region": 0, "country": None}  # decimals of a degree
CITY_KM = 25.0  # median radius up to which a run is said to find cities
REGION_KM = 100.0  # radius of a cell that tells no more than a region
REGIONS = (0.5, 0.8)  # shares whose smallest regions are drawn


class GeoEstimationPipeline(ImageTextPipeline):
    """Estimate where images and texts belong, by an `IRLEForRetrievalAndGeo` and the gallery beside it.

    ``pipe(inputs, batch_size=8, top_k=5)`` takes an image, a text or both in one mapping, or a list or generator of
    them; see `ImageTextPipeline` for their forms. Image and text of one mapping are fused: densities of neighbours are
    multiplied, and of the cells the mean of their log-probabilities is normalised again.

    Settings, at the start or in each call: ``top_k`` cells to return (5); ``strategy`` (the neighbours where there is
    a gallery, else ``"mean"``) and ``share`` (0.5) as in `Locator`; ``granularity``, how exactly to tell the place:
    ``"exact"``, ``"city"`` (a tenth of a degree), ``"region"`` (whole degrees, large cells) or ``"country"`` alone;
    when omitted, what the radii of a calibrated run allow, and ``"exact"`` without calibration; ``return_geojson``
    and ``return_map`` (False); ``timeout`` in seconds for images at an address; ``on_error``: ``"raise"``, or
    ``"skip"`` to answer what cannot be read by ``{"error": sentence}``.

    Returns, for each query, a dict:
        ``latitude``, ``longitude`` (degrees) and ``radius_km`` of the best estimate, ``share``, ``calibrated``:
        whether the circle holds that share of new entities, as measured on held-out ones, or of the probability only,
        and ``strategy``. Positions are None where the model has no map of its cells.
        ``granularity``, and with the extra ``demo`` ``settlement`` (name, country and distance of the nearest one;
        None where the region or the country is all that is told) and ``country``.
        ``modalities``: ``["image"]``, ``["text"]`` or both, and ``fusion``: how both were joined, else None.
        ``cells``: the most probable ones, the best first, each with ``cell`` (class), ``token`` (S2; None where the
        model knows none), ``probability``, and ``latitude``, ``longitude``, ``radius_km`` of the circle around it.
        ``geojson``, if asked for: a FeatureCollection of the estimate, a Point, of the cells, with their polygons cut
        at the antimeridian (RFC 7946), and of the neighbours' smallest regions of 50 and 80 %.
        ``map``, if asked for: the density as a PNG of the world, a data URI.

    Args:
        *args: as for any pipeline.
        gallery: known entities of the model; when omitted, those that were saved beside it.
        **kwargs: as for any pipeline.

    Raises:
        ValueError: if the gallery is of another model.
    """

    task_needed = "geo"

    def __init__(self, *args: Any, gallery: Gallery | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if gallery is not None:
            gallery.check_model(self.model)
        config = self.model.config
        mapped = config.cell_tokens is not None or config.cell_latitudes is not None
        self.locator = Locator(config, gallery or Gallery.beside(self.model)) if mapped else None

    def _sanitize_parameters(
        self, timeout: float | None = None, on_error: OnError | None = None, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        known = ("top_k", "return_geojson", "return_map", "strategy", "share", "granularity")
        self._refuse_unknown({name: value for name, value in kwargs.items() if name not in known})
        self._refuse_top_k(kwargs.get("top_k"))
        return (
            settings_before(timeout, on_error),
            {},
            {name: value for name, value in kwargs.items() if value is not None},
        )

    def postprocess(
        self,
        model_outputs: tuple[Sequence[Query], dict[str, Any]],
        top_k: int = 5,
        return_geojson: bool = False,
        return_map: bool = False,
        strategy: str | None = None,
        share: float = 0.5,
        granularity: str | None = None,
    ) -> list[dict[str, Any]]:
        """Give the estimate for each query of a batch.

        Raises:
            ValueError: if a setting is unknown, or GeoJSON or a map is asked of a model without a map of its cells.
        """
        if granularity is not None and granularity not in GRANULARITIES:
            raise ValueError(
                f"granularity={granularity!r} must be one of {', '.join(map(repr, GRANULARITIES))}, or left out."
            )
        if (return_geojson or return_map) and self.locator is None:
            raise ValueError(
                f"this model has {len(self._cells)} cells and no map of them, so there is no GeoJSON: leave out "
                "return_geojson and return_map, or configure cell_tokens."
            )
        batch, outputs = model_outputs
        answers: list[dict[str, Any]] = [{} for _ in batch]
        for rows, part in _by_modalities(batch, outputs):
            place = self._positions(part, strategy, share)
            scores = self._log_probabilities(part)  # (rows, cells)
            density = self._density(part, strategy) if return_geojson or return_map else None
            for number, row in enumerate(rows):
                told = granularity or self._granularity(list(part))
                answer = {name: values[number] for name, values in place.items()}
                answer |= {"modalities": list(part), "fusion": FUSION if len(part) > 1 else None}
                answer["cells"] = self._best_cells(scores[number], top_k)
                answers[row] = coarsened(answer, told)
                one = None if density is None else density[number : number + 1]
                if return_geojson:
                    answers[row]["geojson"] = to_geojson(answers[row], one)
                if return_map:
                    answers[row]["map"] = None if one is None or told != "exact" else density_png(one)
        return answers

    def _positions(
        self, outputs: Mapping[str, Mapping[str, Any]], strategy: str | None, share: float
    ) -> dict[str, list[Any]]:
        """Columns of what is told of each row's position."""
        count = len(next(iter(outputs.values()))["geo_logits"])
        if self.locator is None:
            found: list[list[Any]] = [[None] * count for _ in PLACE]
        else:
            found = [values.tolist() for values in self.locator.locate(outputs, strategy, share=share)]
        used = strategy or (None if self.locator is None else self.locator.strategy)
        calibrated = self.locator is not None and self.locator.quantiles(joined(outputs), used) is not None
        constants = {"share": share, "calibrated": calibrated, "strategy": used}
        return dict(zip(PLACE, found, strict=True)) | {name: [value] * count for name, value in constants.items()}

    def _log_probabilities(self, outputs: Mapping[str, Mapping[str, Any]]) -> np.ndarray:
        if self.locator is not None:
            return self.locator.log_probabilities(outputs)
        parts = [log_softmax(output["geo_logits"].double().cpu().numpy()) for output in outputs.values()]
        return log_softmax(np.mean(parts, axis=0))

    def _density(self, outputs: Mapping[str, Mapping[str, Any]], strategy: str | None) -> SphereDensity | None:
        assert self.locator is not None
        return self.locator.density(outputs) if (strategy or self.locator.strategy) == "neighbours" else None

    def _granularity(self, modalities: list[str]) -> str:
        """The finest of `GRANULARITIES` that the radii of the run allow."""
        median = (self.model.config.calibration or {}).get("median_radius_km", {}).get(joined(modalities))
        return "exact" if median is None else "city" if median <= CITY_KM else "region"

    def _best_cells(self, scores: np.ndarray, top_k: int) -> list[dict[str, Any]]:
        top = np.argsort(-scores, kind="stable")[:top_k].tolist()
        return [{**self._cells[cell], "probability": float(np.exp(scores[cell]))} for cell in top]

    @cached_property
    def _cells(self) -> list[dict[str, Any]]:
        """Class, token and circle of each cell, as far as they are known."""
        count = self.model.config.num_geo_cells
        tokens = self.model.config.cell_tokens or [None] * count
        circles = [[None] * len(PLACE)] * count if self.locator is None else np.stack(self.locator.cells, 1).tolist()
        return [
            {"cell": cell, "token": token, **dict(zip(PLACE, circle, strict=True))}
            for cell, (token, circle) in enumerate(zip(tokens, circles, strict=True))
        ]


def _by_modalities(
    batch: Sequence[Query], outputs: Mapping[str, Mapping[str, torch.Tensor]]
) -> Iterator[tuple[list[int], dict[str, dict[str, torch.Tensor]]]]:
    """Queries of the same modalities together: their rows in the batch, and their outputs."""
    rows_of = {name: [row for row, query in enumerate(batch) if name in query.modalities] for name in outputs}
    for names in dict.fromkeys(tuple(query.modalities) for query in batch):
        rows = [row for row, query in enumerate(batch) if tuple(query.modalities) == names]
        part = {}
        for name in names:
            at = torch.tensor([rows_of[name].index(row) for row in rows])
            part[name] = {kind: values[at] for kind, values in outputs[name].items() if values is not None}
        yield rows, part


def coarsened(answer: Mapping[str, Any], granularity: str) -> dict[str, Any]:
    """Tell a place no more exactly than asked for; the circle grows by what the rounding moves its centre.

    Args:
        answer: of the pipeline, exact.
        granularity: one of `GRANULARITIES`.
    """
    told = {**answer, "granularity": granularity, "settlement": None, "country": None}
    latitude, longitude = answer["latitude"], answer["longitude"]
    if latitude is None:
        return told
    found = _nearest_settlement(latitude, longitude)
    if found is not None:
        near = {"name": found.name, "country": found.country, "km": round(found.distance_km, 1)}
        told |= {"country": found.country, "settlement": near if granularity in ("exact", "city") else None}
    if granularity == "country":
        return told | {**dict.fromkeys(PLACE), "cells": []}
    decimals = GRANULARITIES[granularity]
    if decimals is None:
        return told
    rounded = round(latitude, decimals), round(longitude, decimals)
    moved = float(great_circle_distance(latitude, longitude, *rounded))
    told |= dict(zip(PLACE, (*rounded, answer["radius_km"] + moved), strict=True))
    if granularity == "region":
        told["cells"] = [cell for cell in answer["cells"] if cell["radius_km"] >= REGION_KM]
    return told


def _nearest_settlement(latitude: float, longitude: float) -> Any:
    """The nearest settlement of GeoNames; None without the extra ``demo``."""
    try:
        from hf_mlm.world.nearest import nearest_settlements

        return nearest_settlements([latitude], [longitude])[0]
    except ImportError:
        return None


def to_geojson(answer: Mapping[str, Any], density: SphereDensity | None = None) -> dict[str, Any]:
    """Write an answer as a FeatureCollection: the estimate, the cells and, if told exactly, the density's regions.

    Args:
        answer: of the pipeline.
        density: of one row, of the neighbours.
    """
    features = []
    if answer["latitude"] is not None:
        estimate = {"role": "estimate", "radius_km": answer["radius_km"], "modalities": answer["modalities"]}
        features.append(feature(point_geometry(answer["latitude"], answer["longitude"]), estimate))
    for cell in answer["cells"]:
        center = cell["latitude"], cell["longitude"]
        geometry = point_geometry(*center) if cell["token"] is None else cell_geometry(cell["token"])
        features.append(feature(geometry, {"role": "cell", **cell}))
    if density is not None and answer["granularity"] == "exact":
        for share in REGIONS:
            features.append(feature(contour_geometry(density, share), {"role": "region", "share": share}))
    return {"type": "FeatureCollection", "features": features}
