"""Find entities with an exported tagger: onnxruntime, tokenizers and NumPy are all it needs.

    hf-mlm export MODEL_DIR tagger_onnx
    python examples/onnx_tagger.py tagger_onnx "Ada Lovelace met Charles Babbage in London ."

A sentence is its words and signs with spaces between them. A model that looks at images is asked without any; with
images, pass ``pixel_values`` as the processor makes them and, in ``image_index``, the image of each sentence.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


class Entity(NamedTuple):
    """What a sentence mentions.

    Args:
        type: such as "PER".
        text: its words.
        score: mean probability of its words' labels.
    """

    type: str
    text: str
    score: float


class Tagger:
    """A folder that ``hf-mlm export`` has written.

    Args:
        folder: with the model, ``tokenizer.json``, ``config.json`` and ``export.json``.
        file: the model, such as ``"model_int8.onnx"``.
    """

    def __init__(self, folder: Path, file: str = "model.onnx"):
        description = json.loads((folder / "export.json").read_text(encoding="utf-8"))
        labels = json.loads((folder / "config.json").read_text(encoding="utf-8"))["id2label"]
        self.labels = [labels[str(number)] for number in range(len(labels))]
        self.words = description["words"]
        self.inputs = description["files"]["model.onnx"]["inputs"]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.session = onnxruntime.InferenceSession(folder / file, providers=["CPUExecutionProvider"])

    def __call__(self, sentences: list[list[str]]) -> list[list[Entity]]:
        """Find the entities of sentences, given as lists of words."""
        batch = self.encode(sentences)
        predictions, scores = self.session.run(["predictions", "scores"], batch)  # (sentences, tokens) each
        found = []
        for words, labels, probabilities in zip(sentences, predictions, scores, strict=True):
            starts = labels >= 0
            tags = [self.labels[label] for label in labels[starts]]
            found.append(entities(words, tags, probabilities[starts].tolist()))
        return found

    def encode(self, sentences: list[list[str]]) -> dict[str, np.ndarray]:
        """Make the model's inputs, padded to the longest sentence."""
        rows = [self.sub_tokens(words) for words in sentences]
        shape = (len(rows), max(len(ids) for ids, _ in rows))
        batch = {
            "input_ids": np.full(shape, self.words["padding"]),
            "attention_mask": np.zeros(shape, np.int64),
            "word_ids": np.full(shape, -1),
        }
        for row, (ids, word_ids) in enumerate(rows):
            batch["input_ids"][row, : len(ids)] = ids
            batch["attention_mask"][row, : len(ids)] = 1
            batch["word_ids"][row, : len(ids)] = word_ids
        if "pixel_values" in self.inputs:
            size = self.inputs["pixel_values"]["shape"][1:]
            batch |= {"pixel_values": np.zeros((1, *size), np.float32), "image_index": np.full(len(rows), -1)}
        return batch

    def sub_tokens(self, words: list[str]) -> tuple[list[int], list[int]]:
        """Ids of a sentence's sub-tokens, and the word that each of them belongs to."""
        prefix, suffix = self.words["prefix"], self.words["suffix"]
        ids, word_ids = list(prefix), [-1] * len(prefix)
        for number, word in enumerate(words):
            text = f" {word}" if self.words["space"] else word
            piece = self.tokenizer.encode(text, add_special_tokens=False).ids or [self.words["unknown"]]
            ids += piece
            word_ids += [number] * len(piece)
        if len(ids) + len(suffix) > self.words["max_length"]:
            raise ValueError(f"the sentence {' '.join(words)[:40]!r}… is too long for the model: divide it.")
        return ids + suffix, word_ids + [-1] * len(suffix)


def entities(words: list[str], tags: list[str], scores: list[float]) -> list[Entity]:
    """Join the words of each entity: a B- begins one, an I- goes on with it."""
    groups: list[tuple[str, list[int]]] = []
    for position, tag in enumerate(tags):
        if tag.startswith("B-"):
            groups.append((tag[2:], [position]))
        elif tag.startswith("I-") and groups:
            groups[-1][1].append(position)
    return [
        Entity(kind, " ".join(words[place] for place in places), sum(scores[place] for place in places) / len(places))
        for kind, places in groups
    ]


def main(argv: list[str]) -> None:
    """Write the entities of each sentence, as JSON."""
    if len(argv) < 2:
        raise SystemExit('usage: onnx_tagger.py FOLDER "A sentence ." …')
    folder, *sentences = argv
    found: list[Any] = Tagger(Path(folder))([sentence.split() for sentence in sentences])
    for sentence, mentions in zip(sentences, found, strict=True):
        line = {"sentence": sentence, "entities": [mention._asdict() for mention in mentions]}
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
