"""Images as vectors: any vision encoder of ``transformers``, or a ResNet in the format that Places365 published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from PIL import Image
from transformers import PreTrainedModel

from hf_mlm.construction.manifest import model_revision
from hf_mlm.models.base.configuration import feature_size
from hf_mlm.models.base.encoders import load_encoder, opening
from hf_mlm.models.base.published_weights import (
    IMAGE_MEAN,
    IMAGE_STD,
    convert_torchvision_resnet,
    read_state_dict,
)
from hf_mlm.models.layers.pooling import pool_image


RESIZED, CROPPED = 256, 224  # pixels: the images are squeezed to a square, of which the middle is seen


class ImageDescriber(Protocol):
    """Makes vectors of images.

    Attributes:
        size: width of the vectors.
        record: encoder, revision and preprocessing, as JSON knows them.
    """

    size: int
    record: dict[str, Any]

    def __call__(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Map RGB images of any sizes to (images, size)."""
        ...


class EncoderDescriber:
    """A vision encoder that ``AutoModel`` opens, with its own image processor.

    Args:
        name: folder or repository of the Hub; of a pair such as CLIP the vision half is taken.
        device: where it runs.

    Raises:
        OSError: if it cannot be opened.
    """

    def __init__(self, name: str, device: str = "cpu") -> None:
        self.model = load_encoder(name, "vision_config").eval().to(device)
        with opening(name):
            self.processor: Any = transformers.AutoImageProcessor.from_pretrained(name)
        self.size = feature_size(self.model.config)
        self.record = {
            "encoder": name,
            "revision": model_revision(name, self.model.config),
            "preprocessing": self.processor.to_dict(),
        }

    def __call__(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Map RGB images of any sizes to (images, size)."""
        return _vectors(self.model, self.processor(list(images), return_tensors="pt")["pixel_values"])


class CheckpointDescriber:
    """A ResNet of torchvision's, as ``resnet50_places365.pth.tar`` has it; the pooled features before the classes.

    The file is a state dict, or holds one under ``state_dict`` beside other plain values; its names may begin with
    ``module.``. It is opened with ``weights_only=True``: no code in it runs.

    Args:
        path: the file.
        device: where the network runs.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is refused, or holds no ResNet.
    """

    def __init__(self, path: str, device: str = "cpu") -> None:
        content = read_state_dict(path)
        weights = content.get("state_dict", content) if isinstance(content, dict) else None
        if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
            raise ValueError(f"{path} holds no state dict; give a checkpoint as Places365 publishes them.")
        try:
            model = convert_torchvision_resnet({name.removeprefix("module."): each for name, each in weights.items()})
        except ValueError as error:
            raise ValueError(f"{path} holds no ResNet with the names of torchvision's ({error}).") from error
        self.model: PreTrainedModel = model.to(device)
        self.size = feature_size(model.config)
        self.record = {
            "encoder": Path(path).name,
            "revision": model_revision(path, None),
            "preprocessing": {
                "resize": [RESIZED, RESIZED],
                "crop": [CROPPED, CROPPED],
                "mean": list(IMAGE_MEAN),
                "std": list(IMAGE_STD),
            },
        }

    def __call__(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Map RGB images of any sizes to (images, size)."""
        return _vectors(self.model, torch.from_numpy(np.stack([squeeze(image) for image in images])))


def open_describer(name: str, device: str = "cpu") -> ImageDescriber:
    """Open an encoder: a file is a checkpoint, anything else a folder or a repository of the Hub.

    Raises:
        OSError: if it cannot be opened.
        ValueError: if the file is no checkpoint of a ResNet.
    """
    return CheckpointDescriber(name, device) if Path(name).is_file() else EncoderDescriber(name, device)


def squeeze(image: Image.Image) -> NDArray[np.float32]:
    """Prepare an image as Places365's code does: bilinear to a square, its middle, standardised; (3, 224, 224)."""
    edge = (RESIZED - CROPPED) // 2
    square = image.resize((RESIZED, RESIZED), Image.Resampling.BILINEAR)
    middle = square.crop((edge, edge, edge + CROPPED, edge + CROPPED))
    pixels = np.asarray(middle, dtype=np.float32) / 255  # (height, width, 3)
    standardised = (pixels - np.array(IMAGE_MEAN, np.float32)) / np.array(IMAGE_STD, np.float32)
    return np.ascontiguousarray(standardised.transpose(2, 0, 1))


def _vectors(model: PreTrainedModel, pixel_values: torch.Tensor) -> NDArray[np.float32]:
    with torch.inference_mode():
        pooled = pool_image(model(pixel_values=pixel_values.to(model.device, model.dtype)))  # (images, size)
    vectors: NDArray[np.float32] = pooled.float().cpu().numpy()
    return vectors
