"""Image vectors: a published checkpoint against its own network, and any encoder against a forward pass."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hf_mlm.construction.features.images import open_describer, squeeze
from hf_mlm.models.base.encoders import load_encoder
from tests.construction.features.tiny import save_image_encoder, save_places


def pictures(count: int) -> list[Image.Image]:
    generator = np.random.default_rng(0)
    sizes = generator.integers(20, 300, (count, 2))
    return [Image.fromarray(generator.integers(0, 256, (h, w, 3), np.uint8)) for h, w in sizes]


@pytest.mark.parametrize("zipped", [True, False])
def test_places365_checkpoint(tmp_path: Path, zipped: bool) -> None:
    network = save_places(tmp_path / "resnet50_places365.pth.tar", zipped)
    describer = open_describer(str(tmp_path / "resnet50_places365.pth.tar"))
    shown = pictures(3)
    with torch.no_grad():
        maps = network(torch.from_numpy(np.stack([squeeze(picture) for picture in shown])))
    np.testing.assert_allclose(describer(shown), maps.mean(dim=(2, 3)).numpy(), rtol=1e-4, atol=1e-5)
    assert describer.size == 256 and describer.record["revision"].startswith("sha256 ")
    assert json.loads(json.dumps(describer.record))["preprocessing"]["resize"] == [256, 256]


def test_squeeze() -> None:
    image = Image.new("RGB", (512, 300), (255, 0, 128))
    pixels = squeeze(image)
    expected = (np.array([1, 0, 128 / 255]) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert pixels.shape == (3, 224, 224) and pixels.dtype == np.float32
    np.testing.assert_allclose(pixels.mean(axis=(1, 2)), expected, rtol=1e-5)


def test_any_encoder_whatever_the_batch_size(tmp_path: Path) -> None:
    folder = str(save_image_encoder(tmp_path))
    describer, shown = open_describer(folder), pictures(5)
    together = describer(shown)
    alone = np.concatenate([describer([picture]) for picture in shown])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)  # sums of float32 in another order
    pixels = describer.processor(shown, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        expected = load_encoder(folder, "vision_config").eval()(pixels).pooler_output
    np.testing.assert_allclose(together, expected.numpy(), rtol=1e-5, atol=1e-6)
    assert describer.size == 8 and describer.record["encoder"] == folder and describer.record["preprocessing"]["size"]


def test_bad_checkpoints(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"state_dict": {"module.weight": torch.zeros(2)}}, tmp_path / "linear.pth")
    (tmp_path / "half.pth").write_bytes(b"PK\x03\x04half")
    with pytest.raises(ValueError, match="holds no state dict"):
        open_describer(str(tmp_path / "list.pth"))
    with pytest.raises(ValueError, match="linear.pth holds no ResNet"):
        open_describer(str(tmp_path / "linear.pth"))
    with pytest.raises(ValueError, match="refused"):
        open_describer(str(tmp_path / "half.pth"))
    with pytest.raises(OSError, match="cannot be opened"):
        open_describer(str(tmp_path / "nowhere"))
