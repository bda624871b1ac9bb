"""Which words of a translation say what which words of the original say."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from hf_mlm.construction.revisions import model_revision
from hf_mlm.models.encoders import load_encoder, opening


Pairs = set[tuple[int, int]]


def mutual_nearest(sources: NDArray[np.float32], targets: NDArray[np.float32]) -> Pairs:
    """Pair the words that are each other's most similar (SimAlign's "argmax": Jalili Sabet et al., 2020).

    Args:
        sources: (words, size), vectors of the original's words.
        targets: (words, size), vectors of the translation's words.

    Returns:
        (source word, target word) of each pair; at most one for a word.

    Example:
        >>> sorted(mutual_nearest(np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)[[2, 0]]))
        [(0, 1), (2, 0)]
    """
    if not len(sources) or not len(targets):
        return set()
    similarity = _unit(sources) @ _unit(targets).T  # (source words, target words)
    forward, backward = similarity.argmax(axis=1), similarity.argmax(axis=0)
    return {(word, int(other)) for word, other in enumerate(forward) if backward[other] == word}


class EncoderAligner:
    """Aligns words by the hidden states of a multilingual encoder.

    Args:
        name_or_path: of the encoder, with a fast tokenizer.
        layer: whose hidden states to compare; the eighth of mBERT's aligns best.

    Raises:
        OSError: if it cannot be opened.
        ValueError: if it has fewer layers, or no fast tokenizer.
    """

    def __init__(self, name_or_path: str, layer: int = 8) -> None:
        self.model: Any = load_encoder(name_or_path, "text_config").eval()
        with opening(name_or_path):
            self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(name_or_path)
        layers = self.model.config.num_hidden_layers
        if not 0 <= layer <= layers:
            raise ValueError(f"aligner_layer={layer}: {name_or_path} has layers 0 to {layers}.")
        if not self.tokenizer.is_fast:
            raise ValueError(f"the tokenizer of {name_or_path} is not a fast one, which knows where words begin.")
        self.layer = layer
        self.name = f"{name_or_path}, {model_revision(name_or_path, self.model.config)}, layer {layer}"

    def __call__(self, source: list[str], target: list[str]) -> Pairs:
        """Pair the words of an original and of its translation."""
        return mutual_nearest(self._vectors(source), self._vectors(target))

    def _vectors(self, words: list[str]) -> NDArray[np.float32]:
        """Mean of each word's sub-tokens, (words, size); zeros of a word that was swallowed or cut off."""
        encoded = self.tokenizer(words, is_split_into_words=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            hidden = self.model(**encoded, output_hidden_states=True).hidden_states[self.layer][0]  # (tokens, size)
        vectors = np.zeros((len(words), hidden.shape[1]), np.float32)
        numbers = np.array([-1 if word is None else word for word in encoded.word_ids()])
        for word in range(len(words)):
            if (numbers == word).any():
                vectors[word] = hidden[torch.from_numpy(numbers == word)].float().mean(dim=0).numpy()
        return vectors


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors of length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return unit
