"""A model of images and texts in a folder, and rows for its galleries."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from PIL import Image

from hf_mlm import IRLEForRetrievalAndGeo
from hf_mlm.data.mlm.rows import raw_features
from tests.models.irle.tiny import TOKENS, WORDS, processor, raw_config


NAMES = WORDS[:8]  # one word a row


def picture(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 50, 3), np.uint8))


def encoded(image: Image.Image, kind: str = "PNG", **settings: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def saved(folder: Path, seed: int = 0, **settings: Any) -> Path:
    """The folder of a model with its processor."""
    torch.manual_seed(seed)
    model = IRLEForRetrievalAndGeo(raw_config(**settings))
    if model.geo_head is not None:
        with torch.no_grad():
            model.geo_head.output.weight.mul_(30)  # so that cells differ
    folder.mkdir(exist_ok=True)
    model.save_pretrained(folder)
    processor(folder).save_pretrained(folder)
    return folder


def rows() -> Dataset:
    """Raw rows of ``mlm``, each with one image and one English summary."""
    columns = {
        "entity_id": [f"Q{number}" for number in range(len(NAMES))],
        "label": NAMES,
        "summaries": [{"en": f"the {name} on the river", "de": None, "fr": None} for name in NAMES],
        "images": [[picture(number)] for number in range(len(NAMES))],
        "classes": [["city", "capital"][: number % 3] for number in range(len(NAMES))],
        "latitude": [10.0 * number - 30 for number in range(len(NAMES))],
        "longitude": [20.0 * number - 70 for number in range(len(NAMES))],
        "country": [None, *["France"] * (len(NAMES) - 1)],
        "geo_cell": [0] * len(NAMES),
    }
    return Dataset.from_dict(columns, raw_features(TOKENS))
