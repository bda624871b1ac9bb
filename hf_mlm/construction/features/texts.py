"""Texts as vectors: the recipe of the paper, that of its code, or the last layer of a modern encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from hf_mlm.construction.manifest import model_revision
from hf_mlm.models.base.configuration import feature_size
from hf_mlm.models.base.encoders import load_encoder, opening
from hf_mlm.models.layers.pooling import masked_mean


SEGMENTS, TOKENS = ("mean", "first"), ("all", "first")
_MOST_TOKENS = 1 << 20  # of a segment, where neither encoder nor tokenizer has a limit


@dataclass(frozen=True)
class TextRecipe:
    """How a text becomes a vector.

    The defaults are those of MLM §5.2. Its code took ``segments="first"``, ``tokens="first"``: what is beyond the
    first 500 characters is not read.

    Attributes:
        layers: how many of the last layers are concatenated, the last one first.
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
                f"segments={self.segments!r}, tokens={self.tokens!r}: choose segments of {', '.join(SEGMENTS)} and "
                f"tokens of {', '.join(TOKENS)}."
            )
        if self.layers < 1 or self.characters < 1:
            raise ValueError(f"layers={self.layers} and characters={self.characters} have to be at least 1.")

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
        recipe: how texts become vectors.
        device: where it runs.

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
            raise ValueError(f"layers={self.recipe.layers}: {name} has {config.num_hidden_layers}.")
        if not self.tokenizer.is_fast:
            raise ValueError(f"the tokenizer of {name} is not a fast one, which knows where words begin.")
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
        """Which tokens of a segment are averaged; neither padding nor special ones belong to a word."""
        words = encoded.word_ids(row)
        if self.recipe.tokens == "all":
            return [word is not None for word in words]
        return [word is not None and word != before for before, word in zip([None, *words], words, strict=False)]


def _positions(model: Any) -> int:
    """How many tokens have a position; without end for positions that are relative.

    RoBERTa and its kin count from the place after their padding's, which costs them two of 514.
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
