"""Regions of an image (the whole of it, the fields of a grid, boxes from a file) and the processor that cuts them."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np
from PIL import Image

from hf_mlm.data.text_file import read_text
from hf_mlm.files import reason_of
from hf_mlm.models.base.processing import ImageTaggerProcessor


Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels of the upright image

_GRID = re.compile(r"([1-9]\d*)x([1-9]\d*)")


class RegionProvider(Protocol):
    """Tells which parts of an image to look at."""

    @property
    def num_regions(self) -> int:
        """How many regions an image has at most."""

    def boxes(self, image_id: Hashable, width: int, height: int) -> Sequence[Box]:
        """Give the regions of an image of so many pixels, at least one and ``num_regions`` at most.

        Raises:
            ValueError: if a region is not inside the image.
        """


@dataclass(frozen=True)
class WholeImage:
    """The image as a whole, its only region."""

    num_regions: int = 1

    def boxes(self, image_id: Hashable, width: int, height: int) -> list[Box]:
        """Give the box around everything."""
        return [(0, 0, width, height)]


@dataclass(frozen=True)
class GridCrops:
    """The fields of a grid over the image, row by row.

    Example:
        >>> GridCrops(1, 2).boxes("any", width=60, height=40)
        [(0.0, 0.0, 30.0, 40.0), (30.0, 0.0, 60.0, 40.0)]
    """

    rows: int
    columns: int

    @property
    def num_regions(self) -> int:
        """How many fields there are."""
        return self.rows * self.columns

    def boxes(self, image_id: Hashable, width: int, height: int) -> list[Box]:
        """Divide an image of any size evenly."""
        wide, high = width / self.columns, height / self.rows
        fields = [(row, column) for row in range(self.rows) for column in range(self.columns)]
        return [(column * wide, row * high, (column + 1) * wide, (row + 1) * high) for row, column in fields]


class BoxFile:
    """Regions that a detector or grounding model found, from a file; an image that has none there is one region.

    Each line is a JSON object such as ``{"image_id": "O_12", "boxes": [[0, 0, 99.5, 60]], "scores": [0.9]}``. A box
    is left, top, right and bottom in pixels of the original image, turned upright. Of more boxes than wanted those
    with the best scores are taken, or the first where there are no scores.

    Args:
        path: of the file, plain or gzipped.
        num_regions: boxes of an image at most.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a line is no such object, an image is there twice, or a box is empty or starts outside.
    """

    def __init__(self, path: str | os.PathLike[str], num_regions: int = 4):
        self.path = os.fspath(path)
        self.num_regions = num_regions
        self._images: dict[Hashable, tuple[int, list[Box]]] = {}  # line and boxes of each
        for number, line in enumerate(read_text(path).split("\n"), start=1):
            if line.strip():
                self._add(number, line)

    def boxes(self, image_id: Hashable, width: int, height: int) -> list[Box]:
        """Look an image up; one that is not in the file is its own region."""
        line, boxes = self._images.get(image_id, (0, []))
        for box in boxes:
            if box[2] > width or box[3] > height:
                raise ValueError(
                    f"{self.path}:{line}: the box {list(box)} of image {image_id!r} is not inside the image, which is "
                    f"{width} × {height} pixels; boxes are [left, top, right, bottom] of the original image: clip it."
                )
        return boxes or [(0, 0, width, height)]

    def knows_any(self, image_ids: Iterable[Hashable]) -> bool:
        """Whether the file has boxes of one of some images at least."""
        return any(image_id in self._images for image_id in image_ids)

    def _add(self, number: int, line: str) -> None:
        where = f"{self.path}:{number}"
        image_id, boxes = _parse(line, where)
        if image_id in self._images:
            other = self._images[image_id][0]
            raise ValueError(f"{where}: image {image_id!r} is on line {other} already; keep one of the two.")
        self._images[image_id] = number, boxes[: self.num_regions]


def region_provider(regions: str | os.PathLike[str], num_regions: int = 4) -> RegionProvider:
    """Make the provider that a setting names.

    Args:
        regions: ``"whole"``, a grid's rows and columns such as ``"2x2"``, or the path of a file of boxes.
        num_regions: boxes of an image that are taken from a file at most.

    Raises:
        FileNotFoundError: if it is neither and no file.
        ValueError: if the file of boxes is not as `BoxFile` wants it, or ``num_regions`` is below 1.

    Example:
        >>> region_provider("2x3").num_regions
        6
    """
    if num_regions < 1:
        raise ValueError(f"num_regions={num_regions} must be at least 1.")
    if regions == "whole":
        return WholeImage()
    if grid := _GRID.fullmatch(os.fspath(regions)):
        return GridCrops(int(grid[1]), int(grid[2]))
    if not os.path.isfile(regions):
        raise FileNotFoundError(
            f"regions={os.fspath(regions)!r} is not a file of boxes: pass the path of one, 'whole' for whole images, "
            "or rows and columns of a grid such as '2x2'."
        )
    return BoxFile(regions, num_regions)


def _parse(line: str, where: str) -> tuple[str, list[Box]]:
    """The image and its boxes, best first."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: this is no JSON ({reason_of(error)}).") from error
    if not isinstance(entry, dict) or not {"image_id", "boxes"} <= set(entry) or not isinstance(entry["boxes"], list):
        raise ValueError(f'{where}: a line must be like {{"image_id": "O_12", "boxes": [[0, 0, 99.5, 60]]}}.')
    image_id, boxes = str(entry["image_id"]), entry["boxes"]
    for box in boxes:
        _check_box(box, f"{where}: the box {box} of image {image_id!r}")
    scores = entry.get("scores")
    if scores is None:
        return image_id, [tuple(box) for box in boxes]
    if not isinstance(scores, list) or len(scores) != len(boxes) or not all(map(_is_number, scores)):
        raise ValueError(f"{where}: image {image_id!r} has {len(boxes)} boxes and not as many numbers for scores.")
    best = sorted(range(len(boxes)), key=lambda index: -scores[index])
    return image_id, [tuple(boxes[index]) for index in best]


def _check_box(box: Any, name: str) -> None:
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        raise ValueError(f"{name} must be four numbers: left, top, right, bottom.")
    left, top, right, bottom = box
    if left >= right or top >= bottom:
        raise ValueError(f"{name} is empty: left must be below right, and top below bottom.")
    if left < 0 or top < 0:
        raise ValueError(f"{name} starts outside the image: clip it at 0.")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


# Kept apart from the processors, which are saved, copied and hashed without the boxes of all images.
_PROVIDERS: WeakKeyDictionary[RegionProcessor, tuple[Any, RegionProvider]] = WeakKeyDictionary()


class RegionProcessor(ImageTaggerProcessor):
    """Encodes words as `TaggerProcessor` does, and beside them the regions of each image.

    Where images have ids, as with `DataCollatorForMultimodalTokenClassification`, a file's boxes are found by them;
    other images are one region each. A file is opened when the first image is, and a saved processor names its path
    alone. Regions are brought to the image processor's size: whole images are cropped as it does, others are squeezed
    into a square, so that nothing of them is lost.

    The arguments are those of `ImageTaggerProcessor`, ``regions`` (``"whole"``, a grid such as ``"2x2"``, or a file of
    boxes) and ``num_regions``, the most boxes of an image that are taken from a file.
    """

    cacheable_images = False  # there is a mask beside the pixels

    def __init__(
        self,
        image_processor: Any,
        tokenizer: Any,
        max_length: int | None = None,
        stride: int | None = None,
        regions: str | os.PathLike[str] = "whole",
        num_regions: int = 4,
        **kwargs: Any,
    ):
        super().__init__(image_processor, tokenizer, max_length, stride, **kwargs)
        self.regions = os.fspath(regions)
        self.num_regions = num_regions

    def encode_pictures(self, pictures: Sequence[Image.Image], keys: Sequence[Hashable]) -> dict[str, np.ndarray]:
        """Cut distinct images into regions and prepare those.

        Args:
            pictures: RGB, upright.
            keys: ids of the images.

        Returns:
            ``pixel_values`` float32 (images, regions, 3, height, width), 0 where an image has fewer regions than
            others may have, and ``region_mask`` bool (images, regions), False there.

        Raises:
            FileNotFoundError: if ``regions`` is neither a word that is known nor a file.
            ValueError: if the file of boxes is malformed, or a box is not inside its image.
        """
        provider = self.provider()
        boxes = [provider.boxes(key, *picture.size) for picture, key in zip(pictures, keys, strict=True)]
        crops = [_crop(picture, box) for picture, own in zip(pictures, boxes, strict=True) for box in own]
        pixels = np.asarray(self.image_processor(crops, return_tensors="np")["pixel_values"], dtype=np.float32)
        mask = np.arange(provider.num_regions) < np.array([len(own) for own in boxes])[:, None]  # (images, regions)
        padded = np.zeros((*mask.shape, *pixels.shape[1:]), dtype=np.float32)
        padded[mask] = pixels
        return {"pixel_values": padded, "region_mask": mask}

    def provider(self) -> RegionProvider:
        """What tells the regions of an image; a file of boxes is read at the first call.

        Raises:
            FileNotFoundError: if ``regions`` is neither a word that is known nor a file.
            ValueError: if the file of boxes is malformed.
        """
        settings = (self.regions, self.num_regions)
        known, provider = _PROVIDERS.get(self, (None, None))
        if provider is None or known != settings:
            provider = region_provider(*settings)
            _PROVIDERS[self] = settings, provider
        return provider

    @property
    def model_input_names(self) -> list[str]:
        """Names of the model's arguments that the processor makes."""
        return [*super().model_input_names, "region_mask"]


def _crop(picture: Image.Image, box: Box) -> Image.Image:
    """Cut out a region, as a square as wide as its longer side unless it is the whole image."""
    if tuple(box) == (0, 0, *picture.size):
        return picture
    side = max(1, round(max(box[2] - box[0], box[3] - box[1])))
    return picture.resize((side, side), Image.Resampling.BICUBIC, box=box)
