"""Translates sentences by a sequence-to-sequence model, and remembers what it has translated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers

from hf_mlm.construction.revisions import model_revision
from hf_mlm.construction.traffic import Answer, Traffic
from hf_mlm.models.encoders import opening


@dataclass(frozen=True)
class TranslationSettings:
    """What translates.

    Attributes:
        models: target language -> folder or repository of a sequence-to-sequence model; ``"*"`` for all languages.
        aligner: folder or repository of a multilingual encoder, which carries entities over.
        codes: language -> what the model's tokenizer calls it, such as ``{"en": "en_XX"}`` of mBART; empty for models
            of one pair, such as Marian's.
        aligner_layer: whose hidden states are compared.
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
            raise ValueError(f"translation.models has no model into {language!r} and none for all ('*').")
        return name


class Translator:
    """A sequence-to-sequence model with a cache of its translations.

    Args:
        settings: what translates.
        target: language.
        cache: folder; made when something is kept.

    Raises:
        OSError: if the model cannot be opened.
        ValueError: if there is none into the language.
    """

    def __init__(self, settings: TranslationSettings, target: str, cache: Path) -> None:
        self.settings, self.target, self.cache = settings, target, Traffic(cache)
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
                known[key] = Answer(200 if text else 204, (text or "").encode())
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
            raise ValueError(f"translation.codes does not say what the model calls {language!r}.")
        return self.settings.codes[language]

    def _key(self, text: str, source: str) -> str:
        deciding = asdict(self.settings) | {"batch_size": None, "aligner": None, "aligner_layer": None}
        text = json.dumps([self.name, deciding, source, self.target, text], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()
