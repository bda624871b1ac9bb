"""The pipeline ``multimodal-ner``: entities in texts, with the help of their images where there are any."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from PIL import Image
from transformers import AutoProcessor, TokenClassificationPipeline

from hf_mlm.data.mmnerd.schemes import Scheme, entities, recognise
from hf_mlm.models.base.modeling import TaggerPreTrainedModel
from hf_mlm.models.base.processing import TaggerProcessor
from hf_mlm.models.base.word_encoding import Window
from hf_mlm.models.layers.pooling import word_starts
from hf_mlm.pipelines.base import BatchingPipeline, OnError, check_whole, open_image, settings_before


Aggregation = Literal["entity", "word"]


class SplitSentence(NamedTuple):
    """A text or a list of words, as it came, and as words.

    Args:
        text: None where words were given.
        words: of the sentence.
        spans: first character of each word in the text and the one after its last; of given words, their numbers.
    """

    text: str | None
    words: Sequence[str]
    spans: Sequence[tuple[int, int]]

    def located(self, start: int, stop: int) -> dict[str, Any]:
        """Write words as they stand in the text, and tell where that is."""
        begin, end = self.spans[start][0], self.spans[stop - 1][1]
        word = " ".join(self.words[start:stop]) if self.text is None else self.text[begin:end]
        return {"word": word, "start": begin, "end": end}


class Prepared(NamedTuple):
    """An input that is ready for the model.

    Args:
        sentences: one, or those of a document.
        windows: their words, as sub-tokens.
        image: upright RGB, or None.
        is_document: whether the answer is a list of answers.
    """

    sentences: list[SplitSentence]
    windows: list[Window]
    image: Image.Image | None
    is_document: bool


class MultimodalNERPipeline(BatchingPipeline):
    """Find the entities in texts.

    ``pipe(inputs, batch_size=8)`` takes a text or a list or generator of texts; of a dataset pass ``iter(dataset)``.
    In place of a text may stand a mapping: ``"text"``, or ``"tokens"``, a list of words; beside it an ``"image"``, in
    any form that `open_image` opens, addresses among them; or ``"sentences"``, texts or lists of words that follow
    each other, each of which is then read in its context. In a list, a list stands for ``{"tokens": …}``.

    Texts are split into words as those of the training were, by the processor's ``splitter``. However long they are,
    no word is left out. Models without images leave them aside, unopened. It serves every tagger of the package.

    Settings, of the pipeline or of a call:
        ``aggregation``: ``"entity"``, or ``"word"`` for each word of an entity by itself.
        ``min_score``: leave out what has a lower score; one number, or a number for each type: ``{"PER": 0.9}``.
        ``is_split_into_words``: read a list of strings as the words of one sentence.
        ``on_error``: ``"raise"``, or ``"skip"`` to answer what cannot be read by ``{"error": sentence}``.
        ``timeout``: seconds to wait for an image at an address.

    Returns, for each text, a list of entities in the form of transformers' token classification:
        ``entity_group`` (the type), ``score`` (mean over its words of the CRF's marginal probability of the decoded
        label), ``word`` (as it stands in the text), ``start`` and ``end`` (``text[start:end]`` is the entity; where
        words were given they count these). By word: ``entity`` (its label), ``index`` (its number) and the rest. For
        ``"sentences"``, a list of such lists.
    """

    batches_ahead = 16  # among which rows are sorted by length

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
        names = list(self.model.config.id2label.values())
        self.scheme = recognise([names]) if "O" in names else Scheme()
        self.model.eval()

    def __call__(self, inputs: Any, **kwargs: Any) -> Any:
        """Find the entities of one input, or of each of several; see the class."""
        is_split = kwargs.pop("is_split_into_words", False) and isinstance(inputs, list)
        if is_split and all(isinstance(word, str) for word in inputs):
            inputs = {"tokens": inputs}
        return super().__call__(inputs, **kwargs)

    def _sanitize_parameters(
        self,
        timeout: float | None = None,
        on_error: OnError | None = None,
        aggregation: Aggregation | None = None,
        min_score: float | Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        if kwargs:
            raise ValueError(f"multimodal-ner has no setting {', '.join(kwargs)}.")
        if aggregation not in (None, "entity", "word"):
            raise ValueError(f"Expected aggregation to be 'entity' or 'word', found {aggregation!r}.")
        known = {name[2:] for name in getattr(self.model.config, "id2label", {}).values()}
        if isinstance(min_score, Mapping) and not set(min_score) <= known:
            unknown = ", ".join(sorted(set(min_score) - known))
            raise ValueError(f"Expected min_score of the types {', '.join(sorted(known - {''}))}; found {unknown}.")
        after = {"aggregation": aggregation, "min_score": min_score}
        given = {name: value for name, value in after.items() if value is not None}
        return settings_before(timeout, on_error), {}, given

    def preprocess(self, inputs: Any, timeout: float | None = None) -> Prepared:
        """Split an input into words, and those into windows, and open its image.

        Args:
            inputs: see the class.
            timeout: seconds to wait for an image at an address; no end when None.

        Raises:
            ValueError: if it is no text, it holds half a character, or the image cannot be read.
            OSError: if the image is not there.
        """
        mapping = inputs if isinstance(inputs, Mapping) else {}
        given, is_document = _sentences(inputs), mapping.get("sentences") is not None
        sentences = [self._split(sentence) for sentence in given]
        windows = self._windows([sentence.words for sentence in sentences], is_document)
        image = mapping.get("image") if self._reads_images else None
        return Prepared(sentences, windows, None if image is None else open_image(image, timeout), is_document)

    def _split(self, given: str | Sequence[str]) -> SplitSentence:
        """Divide a text into words, or take those that are given."""
        if isinstance(given, str):
            check_whole(given)
            return SplitSentence(given, *self.processor.splitter(given))
        check_whole(" ".join(given))
        return SplitSentence(None, list(given), [(number, number + 1) for number in range(len(given))])

    def _windows(self, sentences: list[Sequence[str]], is_document: bool) -> list[Window]:
        in_context = is_document and hasattr(self.processor, "windows_in_context")
        return self.processor.windows_in_context(sentences) if in_context else self.processor.windows(sentences)

    @property
    def _reads_images(self) -> bool:
        return hasattr(self.processor, "encode_images")

    def _answers(
        self, items: list[Any], batch_size: int, forward_params: dict[str, Any], postprocess_params: dict[str, Any]
    ) -> Iterator[Any]:
        """Answer prepared inputs in their order, from batches of rows of like length."""
        rows = [(item, window) for item in items for window in item.windows]
        order = sorted(range(len(rows)), key=lambda row: -len(rows[row][1].input_ids))
        found: list[Any] = [None] * len(rows)
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            outputs = self.forward(self._collate([rows[row] for row in batch]), **forward_params)
            for row, labels, scores in zip(batch, outputs["labels"].tolist(), outputs["scores"].tolist(), strict=True):
                found[row] = labels, scores
        results = iter(found)
        for item in items:
            yield self.postprocess((item, [next(results) for _ in item.windows]), **postprocess_params)

    def _collate(self, batch: Sequence[tuple[Prepared, Window]]) -> dict[str, torch.Tensor]:
        data = self.processor.pad(self.processor.rows([window for _, window in batch]))
        if self._reads_images:
            data |= self.processor.encode_images([item.image for item, _ in batch])
        return {name: torch.from_numpy(values) for name, values in data.items()}

    def _forward(self, model_inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Labels and their probabilities where words start, both (rows, tokens)."""
        outputs = self.model(**model_inputs)
        if hasattr(outputs, "scores"):  # of an exported model, whose graph computes them
            return {"labels": outputs.predictions, "scores": outputs.scores}
        starts = word_starts(model_inputs["word_ids"])
        probabilities = self.model.head.probabilities(outputs.logits, starts)  # (rows, tokens, labels)
        chosen = outputs.predictions.clamp(min=0).unsqueeze(-1)
        return {"labels": outputs.predictions, "scores": probabilities.gather(-1, chosen).squeeze(-1)}

    def postprocess(
        self,
        model_outputs: tuple[Prepared, Sequence[tuple[list[int], list[float]]]],
        aggregation: Aggregation = "entity",
        min_score: float | Mapping[str, float] = 0.0,
    ) -> list[Any]:
        """Put the windows of an input together, and read the entities off the labels of its words.

        Args:
            model_outputs: the input, and labels and probabilities of the tokens of each window.
            aggregation: see the class.
            min_score: see the class.
        """
        item, rows = model_outputs
        tags: list[list[str]] = [[] for _ in item.sentences]
        scores: list[list[float]] = [[] for _ in item.sentences]
        for window, (labels, probabilities) in zip(item.windows, rows, strict=True):
            for position in window.starts():
                tags[window.sentence].append(self.model.config.id2label[labels[position]])
                scores[window.sentence].append(probabilities[position])
        answers = [
            self._answer(sentence, found, sure, aggregation, min_score)
            for sentence, found, sure in zip(item.sentences, tags, scores, strict=True)
        ]
        return answers if item.is_document else answers[0]

    def _answer(
        self,
        sentence: SplitSentence,
        tags: Sequence[str],
        scores: Sequence[float],
        aggregation: Aggregation,
        min_score: float | Mapping[str, float],
    ) -> list[dict[str, Any]]:
        """The entities of a sentence that show anything."""
        found = []
        for kind, start, stop in entities(self.scheme.to_iob2(tags)):
            score = sum(scores[start:stop]) / (stop - start)
            least = min_score.get(kind, 0.0) if isinstance(min_score, Mapping) else min_score
            if score < least or not any(map(_is_visible, sentence.words[start:stop])):
                continue
            if aggregation == "entity":
                found.append({"entity_group": kind, "score": score, **sentence.located(start, stop)})
            else:
                found += [
                    {"entity": tags[n], "score": scores[n], "index": n, **sentence.located(n, n + 1)}
                    for n in range(start, stop)
                ]
        return found


def _sentences(inputs: Any) -> list[str | Sequence[str]]:
    """The texts or lists of words of an input.

    Raises:
        ValueError: if it has none.
    """
    if isinstance(inputs, Mapping) and inputs.get("sentences") is not None:
        return [sentence for given in inputs["sentences"] for sentence in _sentences(given)]
    kinds: tuple[type, ...]
    if not isinstance(inputs, Mapping):
        given, kinds = inputs, (str, list, tuple)
    elif inputs.get("text") is None:
        given, kinds = inputs.get("tokens"), (list, tuple)
    else:
        given, kinds = inputs["text"], (str,)
    if not isinstance(given, kinds) or not all(isinstance(word, str) for word in given):
        raise ValueError(
            "multimodal-ner takes a text or {'text': …, 'image': …}, a list of words as 'tokens' in place of a text, "
            f"or a list or generator of them, and got a {type(inputs).__name__}; of a dataset pass iter(dataset)."
        )
    return [given]


def _is_visible(word: str) -> bool:
    """Whether a word shows anything, as spaces, format characters and marks by themselves do not."""
    return any(unicodedata.category(character)[0] not in "CZM" for character in word)


class TokenClassificationByWordsPipeline(MultimodalNERPipeline):
    """`MultimodalNERPipeline` by the name of transformers' ``token-classification``, and with its settings.

    ``aggregation_strategy="none"``, the default, answers by word; all others by entity. Where transformers takes the
    best label of each sub-token by itself, this takes the path of the CRF over whole words.
    """

    def _sanitize_parameters(  # type: ignore[override]  # settings of transformers' own
        self, aggregation_strategy: Any = None, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        if aggregation_strategy is not None:
            strategy = str(getattr(aggregation_strategy, "value", aggregation_strategy))
            kwargs["aggregation"] = "word" if strategy == "none" else "entity"
        return super()._sanitize_parameters(**kwargs)


class AnyTokenClassificationPipeline(TokenClassificationPipeline):
    """The task ``token-classification``: by words for the taggers of this package, as ever for other models."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Choose the pipeline by the model."""
        model = kwargs.get("model")
        if not isinstance(model, TaggerPreTrainedModel):
            return TokenClassificationPipeline(*args, **kwargs)
        if kwargs.get("processor") is None:
            kwargs["processor"] = _processor_of(model.name_or_path, kwargs.get("tokenizer"))
        return TokenClassificationByWordsPipeline(*args, **{"aggregation_strategy": "none", **kwargs})


def _processor_of(folder: str, tokenizer: Any) -> Any:
    """The processor beside a model, or one of its tokenizer alone."""
    try:
        processor = AutoProcessor.from_pretrained(folder)
    except (OSError, ValueError):
        processor = None
    return processor if hasattr(processor, "windows") or tokenizer is None else TaggerProcessor(tokenizer)
