"""Translation of sentences, with their entities carried over by word alignment."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers
from datatrove.data import Document
from numpy.typing import NDArray

from hf_mlm.construction.features.describers import model_revision
from hf_mlm.construction.http import Response, ResponseCache
from hf_mlm.construction.mmnerd.records import Record, Span
from hf_mlm.construction.mmnerd.sources import clean, words_of
from hf_mlm.construction.stage import Block, batched, to_document
from hf_mlm.models.base.encoders import load_encoder, opening


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
            raise ValueError(
                f"Expected one of the layers 0 to {layers} of {name_or_path}, found aligner_layer={layer}."
            )
        if not self.tokenizer.is_fast:
            raise ValueError(
                f"Expected a fast tokenizer, which tells where words begin, found none in {name_or_path}."
            )
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


UNALIGNED = "no word of it is aligned"
APART = "its words are apart"
TAKEN = "its words belong to another entity"


class Failure(NamedTuple):
    """An entity that was not carried over, and why."""

    text: str
    label: str
    reason: str


class Projection(NamedTuple):
    """Entities of a translation, and those of the original that it lacks."""

    spans: tuple[Span, ...]
    failures: list[Failure]


def project(
    text: str,
    words: Sequence[tuple[int, int]],
    spans: Iterable[Span],
    target_words: Sequence[tuple[int, int]],
    pairs: Iterable[tuple[int, int]],
    widest_gap: int = 1,
) -> Projection:
    """Find each entity of a text in its translation.

    An entity becomes the stretch from the first to the last word that is aligned with one of its own. No strings are
    compared: a name that occurs twice is found where its own words went.

    Args:
        text: the original.
        words: its words, as `Record.words`.
        spans: its entities.
        target_words: words of the translation.
        pairs: (word, target word) of each alignment.
        widest_gap: how many words within the stretch may be aligned with nothing of the entity side by side.

    Returns:
        entities of the translation in order, and a failure for each that has none.

    Example:
        >>> project("Rome sleeps", [(0, 4), (5, 11)], [Span(0, 4, "LOC")], [(0, 4), (5, 9)], {(0, 1)}).spans
        (Span(start=5, end=9, label='LOC'),)
    """
    aligned: dict[int, list[int]] = {}
    for word, target in pairs:
        aligned.setdefault(word, []).append(target)
    found: list[Span] = []
    failures: list[Failure] = []
    for span in spans:
        inside = [number for number, (start, _) in enumerate(words) if span.start <= start < span.end]
        targets = sorted({target for number in inside for target in aligned.get(number, [])})
        reason = _refusal(targets, widest_gap)
        if reason is None:
            stretch = Span(target_words[targets[0]][0], target_words[targets[-1]][1], span.label)
            if not any(stretch.start < other.end and other.start < stretch.end for other in found):
                found.append(stretch)
                continue
            reason = TAKEN
        failures.append(Failure(text[span.start : span.end], span.label, reason))
    return Projection(tuple(sorted(found)), failures)


def _refusal(targets: list[int], widest_gap: int) -> str | None:
    if not targets:
        return UNALIGNED
    gaps = [after - before - 1 for before, after in zip(targets[:-1], targets[1:], strict=True)]
    return APART if max(gaps, default=0) > widest_gap else None


@dataclass(frozen=True)
class TranslationSettings:
    """Models of translation and alignment.

    Attributes:
        models: target language -> folder or repository of a sequence-to-sequence model; ``"*"`` for all languages.
        aligner: folder or repository of a multilingual encoder, which carries entities over.
        codes: language -> its name for the model's tokenizer, such as ``{"en": "en_XX"}`` of mBART; empty for models
            of one pair, such as Marian's.
        aligner_layer: of the hidden states that are compared.
        beams: of the search.
        max_new_tokens: of a translation; one that reaches them counts as cut off.
        batch_size: sentences at a time.
    """

    models: dict[str, str]
    aligner: str
    codes: dict[str, str] = field(default_factory=dict)
    aligner_layer: int = 8
    beams: int = 4
    max_new_tokens: int = 256
    batch_size: int = 16

    def model_for(self, language: str) -> str:
        """The model into a language.

        Raises:
            ValueError: if there is none.
        """
        name = self.models.get(language, self.models.get("*"))
        if name is None:
            raise ValueError(
                f"Expected a model into {language!r} or for all ('*') in translation.models, found neither."
            )
        return name


class Translator:
    """A sequence-to-sequence model with a cache of its translations.

    Raises:
        OSError: if the model cannot be opened.
        ValueError: if there is none into the language.
    """

    def __init__(self, settings: TranslationSettings, target: str, cache: Path) -> None:
        self.settings, self.target, self.cache = settings, target, ResponseCache(cache)
        name = settings.model_for(target)
        with opening(name):
            self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(name)
            self.model: Any = transformers.AutoModelForSeq2SeqLM.from_pretrained(name).eval()
        self.name = f"{name}, {model_revision(name, self.model.config)}"

    def __call__(self, texts: Sequence[str], source: str) -> list[str | None]:
        """Translate texts of a language; None where the translation is empty or was cut off."""
        keys = [self._key(text, source) for text in texts]
        known = {key: answer for key in keys if (answer := self.cache.find(key)) is not None}
        waiting = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        pending = list(waiting.items())
        for first in range(0, len(pending), self.settings.batch_size):
            part = pending[first : first + self.settings.batch_size]
            translated = self._generate([text for _, text in part], source)
            for (key, _), text in zip(part, translated, strict=True):
                known[key] = Response(200 if text else 204, (text or "").encode())
                self.cache.record(key, known[key])
        return [known[key].content.decode() or None for key in keys]

    def _generate(self, texts: list[str], source: str) -> list[str | None]:
        codes, forced = self.settings.codes, {}
        if codes:
            self.tokenizer.src_lang = self._code(source)
            forced["forced_bos_token_id"] = self.tokenizer.convert_tokens_to_ids(self._code(self.target))
        inputs = self.tokenizer(texts, padding=True, truncation=True, return_tensors="pt").to(self.model.device)
        with torch.inference_mode():
            output = self.model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                num_beams=self.settings.beams,
                max_new_tokens=self.settings.max_new_tokens,
                do_sample=False,
                **forced,
            )
        within = output[:, 1 : self.settings.max_new_tokens]  # some models force an end at the very last place
        ended = (within == self.model.generation_config.eos_token_id).any(dim=1).tolist()  # (texts,)
        decoded = self.tokenizer.batch_decode(output, skip_special_tokens=True)
        return [text.strip() or None if whole else None for text, whole in zip(decoded, ended, strict=True)]

    def _code(self, language: str) -> str:
        if language not in self.settings.codes:
            raise ValueError(f"Expected the model's name of {language!r} in translation.codes, found none.")
        return self.settings.codes[language]

    def _key(self, text: str, source: str) -> str:
        deciding = asdict(self.settings) | {"batch_size": None, "aligner": None, "aligner_layer": None}
        text = json.dumps([self.name, deciding, source, self.target, text], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


_AT_ONCE = 64  # sentences


class Translate(Block):
    """Translates sentences and carries their entities over; those that cannot be are listed in ``failures``."""

    name = "translate"

    def __init__(self, settings: TranslationSettings, cache: Path) -> None:
        super().__init__()
        self.settings, self.cache = settings, cache

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give the translations, not the originals."""
        translators: dict[str, Translator] = {}
        aligner: EncoderAligner | None = None
        asked = (document.metadata for document in data or () if document.metadata["translate_to"])
        for part in batched(asked, _AT_ONCE):
            if aligner is None:
                aligner = EncoderAligner(self.settings.aligner, self.settings.aligner_layer)
                self.ledger.facts["aligner"] = aligner.name
            for target in sorted({language for row in part for language in row["translate_to"]}):
                if target not in translators:
                    translators[target] = Translator(self.settings, target, self.cache)
                    self.ledger.facts[f"translator {target}"] = translators[target].name
                own = [Record.from_row(row) for row in part if target in row["translate_to"]]
                yield from self._translated(own, target, translators[target], aligner)

    def _translated(
        self, records: list[Record], target: str, translator: Translator, aligner: EncoderAligner
    ) -> Iterator[Document]:
        texts: dict[str, str | None] = {}
        for language in {record.language for record in records}:
            own = [record for record in records if record.language == language]
            texts |= dict(
                zip((record.id for record in own), translator([one.text for one in own], language), strict=True)
            )
        for record in records:
            text = clean(texts[record.id] or "").text
            if not words_of(text):
                self.drop("translation empty or cut off")
                continue
            yield self._carried_over(record, text, target, aligner)

    def _carried_over(self, record: Record, text: str, target: str, aligner: EncoderAligner) -> Document:
        words = words_of(text)
        pairs = aligner(record.tokens, [text[start:end] for start, end in words])
        projection = project(record.text, record.words, record.spans, words, pairs)
        for failure in projection.failures:
            self.note(f"entity not carried over: {failure.reason}")
        source, _, image = record.id.split("/", 2)
        row = record.to_row() | {"id": f"{source}/{target}/{image}", "text": text, "language": target}
        row |= {"words": [{"start": start, "end": end} for start, end in words]}
        row |= {"spans": [span._asdict() for span in projection.spans]}
        return to_document(row | {"failures": [failure._asdict() for failure in projection.failures]})
