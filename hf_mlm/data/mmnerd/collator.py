"""Collator of the taggers: rows with tokens and tags, of ``mmnerd`` or anything else, to inputs and labels."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch


Row = Mapping[str, Any]


@dataclass(frozen=True)
class DataCollatorForMultimodalTokenClassification:
    """Encodes sentences, pads them to the longest of the batch, and prepares each distinct image of it once.

    Rows have ``tokens``, and ``ner_tags`` to train on, or come from `hf_mlm.data.mmnerd.encoding.encode_dataset`;
    either kind may have an ``image``, None where a sentence has none, and an ``image_id`` that tells images apart. A
    sentence that is longer than the processor's ``max_length`` becomes several rows of the batch, which several
    processes that evaluate together do not expect: encode their dataset first.

    The plain ``transformers.Trainer`` takes columns away that a model does not ask for, tokens and images among them,
    unless ``remove_unused_columns=False``, as in `NERTrainingArguments`.

    Args:
        processor: a `TwoMNERProcessor`, or a `TaggerProcessor`, which leaves images aside.
        label2id: number of each label, where ``ner_tags`` are names.

    Raises:
        ValueError: when called on rows without ``tokens`` and ``input_ids``, or with a tag that is no known label.

    Example:
        ``DataCollatorForMultimodalTokenClassification(processor)([row, row])`` gives ``input_ids``,
        ``attention_mask``, ``word_ids`` and ``labels``, int64 (rows, tokens), and, where there are images,
        ``pixel_values`` (images, 3, height, width) and ``image_index`` (rows,), -1 where a sentence has none.
    """

    processor: Any
    label2id: Mapping[str, int] | None = None

    def __call__(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """Make a batch of rows."""
        _refuse_stripped(rows)
        if "input_ids" not in rows[0]:
            words, tags = [row["tokens"] for row in rows], None
            if "ner_tags" in rows[0]:
                tags = [self._label_ids(row, number) for number, row in enumerate(rows)]
                self.processor.observe(words)
            windows = self.processor.windows(words)
            encoded = self.processor.rows(windows, tags)
            rows = [rows[window.sentence] for window in windows]
        else:
            encoded = rows
        batch = self.processor.pad(encoded)
        if "image" in rows[0] and hasattr(self.processor, "encode_images"):
            batch |= self.processor.encode_images([row["image"] for row in rows], [_image_key(row) for row in rows])
        return {name: torch.from_numpy(values) for name, values in batch.items()}

    def _label_ids(self, row: Row, number: int) -> Sequence[int]:
        """The tags of a row as numbers."""
        tags = row["ner_tags"]
        unknown = next((tag for tag in tags if isinstance(tag, str) and tag not in (self.label2id or {})), None)
        if unknown is not None:
            known = ", ".join(self.label2id) if self.label2id else "no labels, as label2id is not set"
            raise ValueError(
                f"Expected tags of {known}; found {unknown!r} in row {row.get('id', number)!r}: pass "
                "label2id=model.config.label2id with the model's labels."
            )
        return [(self.label2id or {})[tag] if isinstance(tag, str) else tag for tag in tags]


def _image_key(row: Row) -> Hashable:
    """What images are told apart by: their id, else where they are kept, else the object itself."""
    image = row["image"]
    if row.get("image_id") is not None:
        return row["image_id"]
    if isinstance(image, Mapping):
        return image.get("path") or image.get("bytes")
    return image if isinstance(image, (str, bytes)) else id(image)


def _refuse_stripped(rows: Sequence[Any]) -> None:
    if isinstance(rows[0], Mapping) and ("tokens" in rows[0] or "input_ids" in rows[0]):
        return
    found = ", ".join(rows[0]) if isinstance(rows[0], Mapping) else type(rows[0]).__name__
    raise ValueError(
        f"the collator needs rows with tokens or input_ids, and got {found or 'nothing'}: set "
        "remove_unused_columns=False in TrainingArguments, or the Trainer takes away what the model does not ask for."
    )
