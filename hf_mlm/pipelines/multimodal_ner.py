"""The pipeline ``multimodal-ner``: entities in texts, with the help of their images where there are any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from PIL import Image

from hf_mlm.data.mmnerd.schemes import entities
from hf_mlm.models.base.word_encoding import Window
from hf_mlm.models.base.word_splitting import split_words
from hf_mlm.models.layers.pooling import word_starts
from hf_mlm.pipelines.base import BatchingPipeline, check_whole, open_image


class Prepared(NamedTuple):
    """A text that is ready for the model.

    Args:
        text: as it came.
        spans: first character of each word and the one after its last.
        windows: the words, as sub-tokens.
        image: upright RGB, or None.
    """

    text: str
    spans: list[tuple[int, int]]
    windows: list[Window]
    image: Image.Image | None


class MultimodalNERPipeline(BatchingPipeline):
    """Find the entities in texts.

    ``pipe(inputs, batch_size=8)`` takes a text, ``{"text": …, "image": …}`` with any image that `open_image` opens,
    addresses among them, or a list or generator of either; of a dataset pass ``iter(dataset)``. Setting of each call:
    ``timeout`` in seconds for images at an address. Texts are split into words by `split_words`, and however long they
    are, no word is left out. Models without images leave them aside, unopened. It serves
    `TwoMNERForTokenClassification`, `CRFTaggerForTokenClassification`, and any tagger that reads ``word_ids`` and ends
    in a `TaggingHead`.

    Returns, for each text, a list of entities in the form of transformers' token classification:
        ``entity_group`` (the type), ``score`` (mean over its words of the CRF's marginal probability of the decoded
        label), ``word`` (as it stands in the text), ``start`` and ``end`` (``text[start:end]`` is the entity).
    """

    def __init__(self, model: Any, *args: Any, **kwargs: Any):
        super().__init__(model, *args, **kwargs)
        if not hasattr(self.model, "head"):
            raise ValueError(
                f"multimodal-ner runs on the taggers of hf_mlm, and this one is a {self.model.config.model_type!r}: "
                "ask it by a pipeline of its own, such as 'token-classification' or 'geo-estimation'."
            )
        if not hasattr(self.processor, "windows"):
            raise ValueError(
                "multimodal-ner found no processor beside the model: write one there with "
                "TaggerProcessor(tokenizer).save_pretrained(folder), of a model with images "
                "TwoMNERProcessor(image_processor, tokenizer), or pass processor=."
            )
        self.model.eval()

    def _sanitize_parameters(
        self, timeout: float | None = None, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        if kwargs:
            raise ValueError(f"multimodal-ner has no setting {', '.join(kwargs)}.")
        return {} if timeout is None else {"timeout": timeout}, {}, {}

    def preprocess(self, inputs: Any, timeout: float | None = None) -> Prepared:
        """Split a text into words, and those into windows, and open its image.

        Args:
            inputs: see the class.
            timeout: seconds to wait for an image at an address; no end when None.

        Raises:
            ValueError: if it is no text, it holds half a character, or the image cannot be read.
            OSError: if the image is not there.
        """
        text, image = (inputs.get("text"), inputs.get("image")) if isinstance(inputs, Mapping) else (inputs, None)
        if not isinstance(text, str):
            raise ValueError(
                f"multimodal-ner takes a text or {{'text': …, 'image': …}}, or a list or generator of them, and got a "
                f"{type(inputs).__name__}; of a dataset pass iter(dataset)."
            )
        check_whole(text)
        words, spans = split_words(text)
        picture = None if image is None or not self._reads_images else open_image(image, timeout)
        return Prepared(text, spans, self.processor.windows([words]), picture)

    @property
    def _reads_images(self) -> bool:
        return hasattr(self.processor, "encode_images")

    def _collate(self, batch: Sequence[Prepared]) -> dict[str, torch.Tensor]:
        rows = [row for item in batch for row in self.processor.rows(item.windows)]
        data = self.processor.pad(rows)
        if self._reads_images:
            data |= self.processor.encode_images([item.image for item in batch for _ in item.windows])
        return {name: torch.from_numpy(values) for name, values in data.items()}

    def _forward(self, model_inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Labels and their probabilities where words start, both (rows, tokens)."""
        outputs = self.model(**model_inputs)
        starts = word_starts(model_inputs["word_ids"])
        probabilities = self.model.head.probabilities(outputs.logits, starts)  # (rows, tokens, labels)
        chosen = outputs.predictions.clamp(min=0).unsqueeze(-1)
        return {"labels": outputs.predictions, "scores": probabilities.gather(-1, chosen).squeeze(-1)}

    def postprocess(
        self, model_outputs: tuple[Sequence[Prepared], dict[str, torch.Tensor]]
    ) -> list[list[dict[str, Any]]]:
        """Give the entities of each text of a batch, of which each may have several windows."""
        batch, outputs = model_outputs
        rows = iter(zip(outputs["labels"].tolist(), outputs["scores"].tolist(), strict=True))
        return [self._entities(item, [next(rows) for _ in item.windows]) for item in batch]

    def _entities(self, item: Prepared, rows: Sequence[tuple[list[int], list[float]]]) -> list[dict[str, Any]]:
        """Put the windows of a text together, and read the entities off its words' labels."""
        tags, scores = [], []
        for window, (labels, probabilities) in zip(item.windows, rows, strict=True):
            for position in window.starts():
                tags.append(self.model.config.id2label[labels[position]])
                scores.append(probabilities[position])
        return [
            {
                "entity_group": entity.type,
                "score": sum(scores[entity.start : entity.stop]) / (entity.stop - entity.start),
                "word": item.text[item.spans[entity.start][0] : item.spans[entity.stop - 1][1]],
                "start": item.spans[entity.start][0],
                "end": item.spans[entity.stop - 1][1],
            }
            for entity in entities(tags)
        ]
