"""Graphs to export: a tagger with its decoding and scores, and each side of IR+LE by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch._higher_order_ops.scan import scan

from hf_mlm.models.layers.pooling import NO_WORD, word_starts


Batch = dict[str, torch.Tensor]
Axes = dict[str, tuple[str | int, ...]]  # a name for an axis of any size, a number for a fixed one


@dataclass(frozen=True)
class Graph:
    """One ONNX file to be.

    Args:
        file: its name.
        module: computes it: a dictionary in the order of the inputs, to a tuple in that of the outputs.
        inputs: axes of each input.
        outputs: axes of each output.
        example: makes a batch of given rows, tokens and images.
    """

    file: str
    module: nn.Module
    inputs: Axes
    outputs: Axes
    example: Callable[[int, int, int], Batch]


class TaggerGraph(nn.Module):
    """A tagger with its decoding, and the probability of each decoded label.

    Args:
        model: a tagger of the package.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, inputs: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Map the tagger's inputs to logits, predictions and scores."""
        outputs = self.model(**inputs)
        words = word_starts(inputs["word_ids"])
        probabilities = self._probabilities(outputs.logits, words)  # (batch, tokens, labels)
        chosen = outputs.predictions.clamp(min=0).unsqueeze(-1)
        scores = probabilities.gather(-1, chosen).squeeze(-1).masked_fill(~words, 0)
        return outputs.logits, outputs.predictions, scores

    def _probabilities(self, logits: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        crf = self.model.head.crf
        if crf is None or not torch.compiler.is_exporting():
            return self.model.head.probabilities(logits, words)
        return marginals_scan(logits, words, crf.start_transitions, crf.transitions, crf.end_transitions)


Carry = tuple[torch.Tensor, torch.Tensor]


def marginals_scan(
    emissions: torch.Tensor, mask: torch.Tensor, start: torch.Tensor, transitions: torch.Tensor, end: torch.Tensor
) -> torch.Tensor:
    """Probability of each tag at each word, summed over all paths (Rabiner 1989, section III.B, in logarithms).

    ``torch.export`` keeps both scans for any batch and length. Outside of an exported program they would be compiled
    at every call.

    Args:
        emissions: (batch, length, tags) scores.
        mask: (batch, length) bool; it may have gaps.
        start: (tags,) scores of a first tag.
        transitions: (tags, tags) scores of a tag, by row, being followed by another.
        end: (tags,) scores of a last tag.

    Returns:
        (batch, length, tags); rows sum to 1, and mean nothing where the mask is False.
    """
    rows = emissions.shape[0]
    words = (emissions.transpose(0, 1), mask.T.unsqueeze(2))  # (length, batch, tags) and (length, batch, 1)

    def advance(carry: Carry, word: Carry) -> tuple[Carry, torch.Tensor]:
        (score, started), (emission, present) = carry, word
        arriving = (score.unsqueeze(2) + transitions).logsumexp(1)  # (batch, tags)
        reached = (torch.where(started, arriving, score) + emission).log_softmax(1)
        score = torch.where(present, reached, score)
        return (score, started | present), score.clone()

    def retreat(following: torch.Tensor, word: Carry) -> tuple[torch.Tensor, torch.Tensor]:
        emission, present = word
        leaving = (transitions + (emission + following).unsqueeze(1)).logsumexp(2).log_softmax(1)
        return torch.where(present, leaving, following), following.clone()

    beginning = (start.expand(rows, -1).clone(), torch.zeros_like(mask[:, :1]))
    _, prefixes = scan(advance, beginning, words)  # (length, batch, tags)
    _, suffixes = scan(retreat, end.expand(rows, -1).clone(), words, reverse=True)
    return (prefixes + suffixes).softmax(2).transpose(0, 1)


class ImageGraph(nn.Module):
    """The side of IR+LE that reads images.

    Args:
        model: IR+LE.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, inputs: Batch) -> tuple[torch.Tensor, ...]:
        """Map the inputs to embeddings and geo logits, as far as the model has the tasks."""
        return self.model.encode_images(**inputs).to_tuple()


class TextGraph(ImageGraph):
    """The side of IR+LE that reads summaries and classes."""

    def forward(self, inputs: Batch) -> tuple[torch.Tensor, ...]:
        """Map the inputs to embeddings and geo logits, as far as the model has the tasks."""
        return self.model.encode_texts(**inputs).to_tuple()


def tagger_graphs(model: Any, pixels: tuple[int, ...]) -> list[Graph]:
    """One graph for a tagger: with images where the model looks at any.

    Args:
        model: a `CRFTaggerForTokenClassification` or a `TwoMNERForTokenClassification`.
        pixels: (3, height, width) of an image as the processor makes it.
    """
    tokens: tuple[str | int, ...] = ("batch", "tokens")
    inputs: Axes = dict.fromkeys(("input_ids", "attention_mask", "word_ids"), tokens)
    if getattr(model.config, "image_branches", ()):
        inputs |= {"pixel_values": ("images", *pixels), "image_index": ("batch",)}
    outputs: Axes = {"logits": (*tokens, model.config.num_labels), "predictions": tokens, "scores": tokens}
    vocabulary = model.config.get_text_config().vocab_size

    def example(rows: int, length: int, images: int) -> Batch:
        batch = _texts(rows, length, vocabulary) | {"word_ids": _word_ids(rows, length)}
        batch |= {"pixel_values": _numbers(images, *pixels), "image_index": torch.arange(rows) % (images + 1) - 1}
        return {name: batch[name] for name in inputs}

    return [Graph("model.onnx", TaggerGraph(model), inputs, outputs, example)]


def irle_graphs(model: Any, pixels: tuple[int, ...]) -> list[Graph]:
    """Two graphs for IR+LE, one a modality, so that each can be asked alone.

    Args:
        model: an `IRLEForRetrievalAndGeo`.
        pixels: (3, height, width) of an image as the processor makes it.
    """
    return [_image_graph(model, pixels), _text_graph(model)]


def _image_graph(model: Any, pixels: tuple[int, ...]) -> Graph:
    raw, size = model.config.image_encoder_config is not None, model.config.image_feature_size
    inputs: Axes = {"pixel_values": ("batch", *pixels)} if raw else {"image_features": ("batch", size)}

    def example(rows: int, length: int, images: int) -> Batch:
        return {name: _numbers(rows, *axes[1:]) for name, axes in inputs.items()}

    return Graph("image_model.onnx", ImageGraph(model), inputs, _irle_outputs(model, "image"), example)


def _text_graph(model: Any) -> Graph:
    config = model.config
    parts = ["summary", "class"] if config.use_classes else ["summary"]
    inputs: Axes = {f"{part}_features": ("batch", getattr(config, f"{part}_feature_size")) for part in parts}
    if config.text_encoder_config is not None:
        prefixes = {"summary": "", "class": "class_"}
        names = [f"{prefixes[part]}{name}" for part in parts for name in ("input_ids", "attention_mask")]
        inputs = {name: ("batch", "class_tokens" if "class_" in name else "tokens") for name in names}

    def example(rows: int, length: int, images: int) -> Batch:
        if config.text_encoder_config is None:
            return {name: _numbers(rows, *axes[1:]) for name, axes in inputs.items()}
        vocabulary = config.text_encoder_config.vocab_size
        batch = _texts(rows, length, vocabulary)
        batch |= {f"class_{name}": values for name, values in _texts(rows, length + 1, vocabulary).items()}
        return {name: batch[name] for name in inputs}

    return Graph("text_model.onnx", TextGraph(model), inputs, _irle_outputs(model, "text"), example)


def _irle_outputs(model: Any, modality: str) -> Axes:
    config = model.config
    outputs: Axes = {
        f"{modality}_embeds": ("batch", config.embedding_size),
        f"{modality}_geo_logits": ("batch", config.num_geo_cells),
    }
    tasks = {"retrieval": "embeds", "geo": "logits"}
    return {name: axes for name, axes in outputs.items() if name.rpartition("_")[2] in map(tasks.get, config.tasks)}


def _numbers(*shape: Any) -> torch.Tensor:
    """Normally distributed; the same for the same shape."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(shape[0]))


def _texts(rows: int, length: int, vocabulary: int) -> Batch:
    """Random tokens, the last row one token shorter; the same for the same size."""
    mask = torch.ones(rows, length, dtype=torch.int64)
    mask[-1, -1] = 0
    generator = torch.Generator().manual_seed(rows)
    return {"input_ids": torch.randint(vocabulary, (rows, length), generator=generator), "attention_mask": mask}


def _word_ids(rows: int, length: int) -> torch.Tensor:
    """Words of two sub-tokens between a first and a last token without a word: int64 (rows, length)."""
    word_ids = (torch.arange(length) - 1).div(2, rounding_mode="floor").repeat(rows, 1)
    word_ids[:, [0, -1]] = NO_WORD
    return word_ids
