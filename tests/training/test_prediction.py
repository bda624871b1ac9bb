from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hf_mlm import IRLEForRetrievalAndGeo
from hf_mlm.training.prediction import estimate_image, estimate_text, nearest
from hf_mlm.training.saved import load_saved


@pytest.fixture
def model_and_processor(raw_model: Path) -> tuple[IRLEForRetrievalAndGeo, Any]:
    return load_saved(raw_model)


def test_image_is_located_as_the_model_does(model_and_processor: Any, tmp_path: Path) -> None:
    model, processor = model_and_processor
    Image.new("RGB", (9, 7), "red").save(tmp_path / "red.png")
    found = estimate_image(model, processor, tmp_path / "red.png", top=2)
    with torch.inference_mode():
        outputs = model.encode_images(**processor(images=[Image.new("RGB", (9, 7), "red")]))
    shares = outputs.geo_logits.softmax(-1)[0]
    assert [cell.name for cell in found.cells] == [
        model.config.cell_tokens[i] for i in shares.argsort(descending=True)[:2]
    ]
    assert found.cells[0].probability == pytest.approx(shares.max().item())
    assert (found.latitude, found.longitude, found.radius_km) == pytest.approx(
        tuple(float(values[0]) for values in model.predict_coordinates(outputs.geo_logits))
    )
    assert found.embeds == pytest.approx(outputs.embeds[0].numpy())


def test_text_is_read_with_its_classes(model_and_processor: Any) -> None:
    model, processor = model_and_processor
    plain, port = (estimate_text(model, processor, "Lima en 1", classes) for classes in ("", "port"))
    assert plain.embeds is not None
    assert not np.allclose(plain.embeds, port.embeds)
    model.config.cell_tokens = model.config.cell_latitudes = model.config.cell_longitudes = None
    unmapped = estimate_text(model, processor, "Lima en 1")
    assert (unmapped.latitude, unmapped.cells[0].latitude) == (None, None)


def test_nearest_are_the_largest_products() -> None:
    generator = np.random.default_rng(0)
    query, gallery = generator.normal(size=4), generator.normal(size=(30, 4))
    expected = sorted(range(30), key=lambda row: -float(gallery[row] @ query))[:7]
    found = nearest(query, gallery, top=7)
    assert [row for row, _ in found] == expected
    assert found[0][1] == pytest.approx(gallery[expected[0]] @ query)
