"""Where one image or one text belongs, and what resembles it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from hf_mlm.models.irle import IRLEForRetrievalAndGeo, IRLEProcessor
from hf_mlm.models.irle.cells_irle import GeoCells


class CellShare(NamedTuple):
    """A cell and its part of the probability.

    Args:
        name: S2 token, or the number of the cell.
        probability: in [0, 1].
        latitude: degrees of the place that stands for it; None where the model has no map.
        longitude: degrees, as ``latitude``.
    """

    name: str
    probability: float
    latitude: float | None
    longitude: float | None


@dataclass(frozen=True)
class Estimate:
    """What a model makes of one image or text.

    Args:
        latitude: degrees; None without the geo task or a map of the cells.
        longitude: degrees, as ``latitude``.
        radius_km: of the circle that holds half of the probability, as ``latitude``.
        cells: the most probable cells, the best first.
        embeds: float32 (embedding_size,) for retrieval; None without that task.
    """

    latitude: float | None
    longitude: float | None
    radius_km: float | None
    cells: list[CellShare]
    embeds: np.ndarray | None


@torch.inference_mode()
def estimate_image(model: IRLEForRetrievalAndGeo, processor: IRLEProcessor, image: Any, top: int = 5) -> Estimate:
    """Locate and embed an image.

    Args:
        model: that reads pixels.
        processor: its own.
        image: in any form that the processor takes, such as a path.
        top: how many cells to name.

    Raises:
        FileNotFoundError: if the path leads nowhere.
        ValueError: if it is no image that can be read.
    """
    inputs = processor(images=[image]).to(model.device)
    return _estimate(model, model.encode_images(**inputs), top)


@torch.inference_mode()
def estimate_text(
    model: IRLEForRetrievalAndGeo, processor: IRLEProcessor, text: str, classes: str = "", top: int = 5
) -> Estimate:
    """Locate and embed a text.

    Args:
        model: that reads token ids.
        processor: its own.
        text: a summary.
        classes: names joined by ", ".
        top: how many cells to name.
    """
    inputs = processor(text=[text], classes=[classes] if model.config.use_classes else None).to(model.device)
    return _estimate(model, model.encode_texts(**inputs), top)


def nearest(query: np.ndarray, gallery: np.ndarray, top: int = 5) -> list[tuple[int, float]]:
    """Find the rows of a gallery that are most similar to a query.

    Args:
        query: (embedding_size,).
        gallery: (rows, embedding_size).
        top: how many.

    Returns:
        (row, similarity) each, the best first; similarity is the dot product.

    Example:
        >>> nearest(np.array([1.0, 0.0]), np.array([[0.0, 1.0], [1.0, 0.0]]), top=1)
        [(1, 1.0)]
    """
    similarities = gallery @ query  # (rows,)
    best = np.argsort(-similarities, kind="stable")[:top]
    return [(int(row), float(similarities[row])) for row in best]


def _estimate(model: IRLEForRetrievalAndGeo, outputs: Any, top: int) -> Estimate:
    config, logits = model.config, outputs.geo_logits
    embeds = None if outputs.embeds is None else outputs.embeds[0].float().cpu().numpy()
    if logits is None:
        return Estimate(None, None, None, [], embeds)
    probabilities, best = logits.float().softmax(dim=-1)[0].topk(min(top, logits.shape[1]))
    names = config.cell_tokens or [str(number) for number in range(config.num_geo_cells)]
    shares = list(zip(best.tolist(), probabilities.tolist(), strict=True))
    if config.cell_tokens is None and config.cell_latitudes is None:
        return Estimate(
            None, None, None, [CellShare(names[cell], share, None, None) for cell, share in shares], embeds
        )
    places = GeoCells.from_config(config)
    cells = [
        CellShare(names[cell], share, float(places.latitudes[cell]), float(places.longitudes[cell]))
        for cell, share in shares
    ]
    latitude, longitude, radius = (float(values[0]) for values in model.predict_coordinates(logits))
    return Estimate(latitude, longitude, radius, cells, embeds)
