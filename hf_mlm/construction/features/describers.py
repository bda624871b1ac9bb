"""Describers: images and texts as vectors of any encoders, by the paper's recipe or another (MLM §5.2)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from PIL import Image
from transformers import PreTrainedModel

from hf_mlm.files import sha256_of
from hf_mlm.models.base.configuration import feature_size
from hf_mlm.models.base.encoders import (
    IMAGE_MEAN,
    IMAGE_STD,
    convert_torchvision_resnet,
    load_encoder,
    opening,
    read_state_dict,
)
from hf_mlm.models.layers.pooling import masked_mean, pool_image


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
        device: of the network.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is refused, or holds no ResNet.
    """

    def __init__(self, path: str, device: str = "cpu") -> None:
        content = read_state_dict(path)
        weights = content.get("state_dict", content) if isinstance(content, dict) else None
        if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
            raise ValueError(
                f"Expected a state dict in {path}, found none; give a checkpoint as Places365 publishes them."
            )
        try:
            model = convert_torchvision_resnet({name.removeprefix("module."): each for name, each in weights.items()})
        except ValueError as error:
            raise ValueError(f"Expected a ResNet with torchvision's names in {path}, found {error}.") from error
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


SEGMENTS, TOKENS = ("mean", "first"), ("all", "first")
_MOST_TOKENS = 1 << 20  # of a segment, where neither encoder nor tokenizer has a limit


@dataclass(frozen=True)
class TextRecipe:
    """Recipe of a text's vector.

    The defaults are those of MLM §5.2. Its code took ``segments="first"``, ``tokens="first"``: text beyond the first
    500 characters is not read.

    Attributes:
        layers: number of last layers that are concatenated, the last one first.
        characters: the most in a segment; segments end between words where they can.
        segments: ``"mean"`` of the vectors of all segments, or the ``"first"`` characters alone, cut where they end.
        tokens: mean over ``"all"`` tokens, or the ``"first"`` of each word; special tokens never count.

    Raises:
        ValueError: if a value is none of these.
    """

    layers: int = 4
    characters: int = 500
    segments: str = "mean"
    tokens: str = "all"

    def __post_init__(self) -> None:
        if self.segments not in SEGMENTS or self.tokens not in TOKENS:
            raise ValueError(
                f"Expected segments of {', '.join(SEGMENTS)} and tokens of {', '.join(TOKENS)}, found "
                f"segments={self.segments!r} and tokens={self.tokens!r}."
            )
        if self.layers < 1 or self.characters < 1:
            raise ValueError(f"Expected at least 1, found layers={self.layers} and characters={self.characters}.")

    def cut(self, text: str) -> list[str]:
        """Divide a text into the segments that are read, one at least.

        Example:
            >>> TextRecipe(characters=9).cut("one three five")
            ['one three', 'five']
            >>> TextRecipe(characters=9, segments="first").cut("one three-five")
            ['one three']
        """
        if self.segments == "first":
            return [text[: self.characters]]
        return _segments(text, self.characters) or [""]


class TextDescriber:
    """A text encoder that ``AutoModel`` opens, with its tokenizer.

    Args:
        name: folder or repository of the Hub; of a pair such as CLIP the text half is taken.
        recipe: of the vectors.
        device: of the encoder.

    Attributes:
        size: width of the vectors, ``layers`` times that of the encoder; 3072 for BERT base by the paper's recipe.
        record: encoder, revision and recipe, as JSON knows them.

    Raises:
        OSError: if it cannot be opened.
        ValueError: if it has too few layers, or no fast tokenizer.
    """

    def __init__(self, name: str, recipe: TextRecipe | None = None, device: str = "cpu") -> None:
        self.recipe = recipe or TextRecipe()
        self.model: Any = load_encoder(name, "text_config").eval().to(device)
        with opening(name):
            self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(name)
        config = self.model.config
        if self.recipe.layers > config.num_hidden_layers:
            raise ValueError(
                f"Expected at most the {config.num_hidden_layers} layers of {name}, found layers={self.recipe.layers}."
            )
        if not self.tokenizer.is_fast:
            raise ValueError(f"Expected a fast tokenizer, which tells where words begin, found none in {name}.")
        self.max_length = min(_positions(self.model), self.tokenizer.model_max_length, _MOST_TOKENS)
        self.size = self.recipe.layers * feature_size(config)
        self.record = {
            "encoder": name,
            "revision": model_revision(name, config),
            "preprocessing": asdict(self.recipe) | {"max_length": self.max_length},
        }

    def __call__(self, texts: Sequence[str], batch_size: int = 32) -> NDArray[np.float32]:
        """Map texts to (texts, size); zeros of a text without any token."""
        pieces = [(number, segment) for number, text in enumerate(texts) for segment in self.recipe.cut(text)]
        order = sorted(range(len(pieces)), key=lambda piece: len(pieces[piece][1]))  # little padding
        sums = np.zeros((len(texts), self.size), np.float64)
        counts = np.zeros(len(texts), np.int64)
        vectors = np.zeros((len(pieces), self.size), np.float32)
        for first in range(0, len(order), batch_size):
            part = order[first : first + batch_size]
            vectors[part] = self._encode([pieces[piece][1] for piece in part])
        for (number, _), vector in zip(pieces, vectors, strict=True):
            sums[number] += vector
            counts[number] += 1
        means: NDArray[np.float32] = (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)
        return means

    def _encode(self, segments: list[str]) -> NDArray[np.float32]:
        encoded = self.tokenizer(
            segments, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt"
        )
        names = ("input_ids", "attention_mask")
        inputs = {name: encoded[name].to(self.model.device) for name in names}
        with torch.inference_mode():
            hidden = self.model(**inputs, output_hidden_states=True).hidden_states
        stacked = torch.cat([hidden[-layer] for layer in range(1, self.recipe.layers + 1)], dim=-1)
        counted = torch.tensor([self._counted(encoded, row) for row in range(len(segments))])  # (segments, tokens)
        pooled = masked_mean(stacked.float(), counted.to(stacked.device))  # (segments, size)
        vectors: NDArray[np.float32] = pooled.cpu().numpy()
        return vectors

    def _counted(self, encoded: Any, row: int) -> list[bool]:
        """Mask of the averaged tokens of a segment; neither padding nor special ones belong to a word."""
        words = encoded.word_ids(row)
        if self.recipe.tokens == "all":
            return [word is not None for word in words]
        return [word is not None and word != before for before, word in zip([None, *words], words, strict=False)]


def _positions(model: Any) -> int:
    """Number of token positions; without limit where positions are relative.

    RoBERTa and its kin count from the position after their padding's, which costs them two of 514.
    """
    known = getattr(model.config, "max_position_embeddings", None) or _MOST_TOKENS
    table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    skipped = getattr(table, "padding_idx", None)
    return int(known) - (0 if skipped is None else skipped + 1)


def _segments(text: str, characters: int) -> list[str]:
    parts: list[str] = []
    rest = text.strip()
    while rest:
        if len(rest) <= characters:
            return [*parts, rest]
        end = rest.rfind(" ", 0, characters + 1)
        end = end if end > 0 else characters
        parts.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return parts


_KEPT = {".json", ".safetensors", ".bin", ".txt", ".model"}


def model_revision(name_or_path: str | os.PathLike[str], config: Any) -> str:
    """Commit of a repository of the Hub, or a hash of the files of a local folder (or of a single file).

    Args:
        name_or_path: what was opened.
        config: its configuration, which knows the commit.

    Returns:
        ``"commit <sha>"``, ``"sha256 <hex>"``, or ``"unknown"`` for a repository that tells no commit.
    """
    path = Path(name_or_path)
    if path.is_file():
        return f"sha256 {sha256_of(path)}"
    if not path.is_dir():
        commit = getattr(config, "_commit_hash", None)
        return f"commit {commit}" if commit else "unknown"
    digest = hashlib.sha256()
    for file in sorted(item for item in path.iterdir() if item.is_file() and item.suffix in _KEPT):
        digest.update(f"{file.name}:{sha256_of(file)}\n".encode())
    return f"sha256 {digest.hexdigest()}"
