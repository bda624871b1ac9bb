"""From an annotator's labels to the four types of MMNERD."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from hf_mlm.construction.mmnerd.sources import POLICIES, Source
from hf_mlm.construction.mmnerd.translation import TranslationSettings
from hf_mlm.data.mmnerd.schemes import TYPES


REST = "*"  # every label that a map does not name
DROPPED = "O"
# "paper" takes 2M-NER literally: all but PER, LOC and ORG becomes MISC, so spaCy's GPE (cities, countries), too.
LABEL_MAPS: dict[str, dict[str, str]] = {
    "paper": {"PER": "PER", "PERSON": "PER", "LOC": "LOC", "ORG": "ORG", REST: "MISC"},
    "gpe_as_loc": {"PER": "PER", "PERSON": "PER", "LOC": "LOC", "GPE": "LOC", "ORG": "ORG", REST: "MISC"},
}


def load_label_map(name: str) -> dict[str, str]:
    """Look up a label map, or read one from a YAML file.

    Args:
        name: ``"paper"``, ``"gpe_as_loc"``, or a file that maps labels to PER, LOC, ORG, MISC or O (dropped), with
            ``"*"`` for all others.

    Raises:
        FileNotFoundError: if it is neither.
        ValueError: if the file is no such map.

    Example:
        >>> load_label_map("gpe_as_loc")["GPE"]
        'LOC'
    """
    if name in LABEL_MAPS:
        return LABEL_MAPS[name]
    if not Path(name).is_file():
        raise FileNotFoundError(f"label_map={name!r} is neither a file nor one of {', '.join(LABEL_MAPS)}.")
    content = yaml.safe_load(Path(name).read_text(encoding="utf-8"))
    if not isinstance(content, dict) or not set(content.values()) <= {*TYPES, DROPPED}:
        raise ValueError(f"{name} has to map labels to {', '.join(TYPES)} or {DROPPED}, such as 'GPE: LOC'.")
    return {str(label): kind for label, kind in content.items()}


def mapped(label: str, label_map: Mapping[str, str]) -> str | None:
    """The type that a label becomes; None where it is dropped, or the map knows neither it nor all others.

    Example:
        >>> [mapped(label, LABEL_MAPS["paper"]) for label in ("PERSON", "GPE")]
        ['PER', 'MISC']
    """
    kind = label_map.get(label, label_map.get(REST, DROPPED))
    return None if kind == DROPPED else kind


@dataclass(frozen=True)
class NEREdition:
    """What the sentences are and what becomes of them; everything here is part of the build's record.

    Attributes:
        sources: files of sentences.
        annotators: language -> who proposes entities in captions, see `open_annotator`.
        label_map: of the annotators' labels, see `load_label_map`.
        min_entities: captions with fewer proposals go no further; 2 in the 2M-NER paper.
        placeholder: what becomes of captions with ``<PERSON>`` in them, see `apply_policy`.
        translation: what translates, if a source asks for it.
        ratios: of train, validation and test.
        seed: of samples, assignments, audits and the split.

    Raises:
        ValueError: if a value makes no sense; the sentence names it.
    """

    sources: tuple[Source, ...]
    annotators: dict[str, dict[str, str]] = field(default_factory=dict)
    label_map: str = "paper"
    min_entities: int = 2
    placeholder: str = "drop"
    translation: TranslationSettings | None = None
    ratios: tuple[float, float, float] = (0.8, 0.1, 0.1)
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("sources", "ratios"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.sources:
            raise ValueError("an edition needs at least one source.")
        if self.placeholder not in POLICIES:
            raise ValueError(f"placeholder={self.placeholder!r}: choose one of {', '.join(POLICIES)}.")
        load_label_map(self.label_map)
        for source in self.sources:
            if source.kind == "captions" and source.language not in self.annotators:
                raise ValueError(f"annotators has none for the captions of {source.name!r} in {source.language!r}.")
            for language in source.translate_to:
                if self.translation is None:
                    raise ValueError(
                        f"source {source.name!r} is to be translated, and the edition has no translation."
                    )
                self.translation.model_for(language)

    def to_json(self) -> dict[str, Any]:
        """All values as JSON knows them, with the label map in full."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain | {"labels": load_label_map(self.label_map)}


def load_ner_edition(path: Path) -> NEREdition:
    """Read an edition from YAML, a mapping from the names of `NEREdition` to values.

    Files are looked for beside it.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no mapping, or a name or value is wrong.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no edition {path}; give a YAML file with sources and annotators.")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or not isinstance(content.get("sources"), list):
        raise ValueError(f"{path} has to be a mapping with a list of sources.")
    _refuse_unknown(content, NEREdition, "an edition")
    values = dict(content)
    values["sources"] = [_source(each, path.parent) for each in content["sources"]]
    if content.get("translation"):
        _refuse_unknown(content["translation"], TranslationSettings, "a translation")
        values["translation"] = TranslationSettings(**content["translation"])
    values["annotators"] = {
        language: _beside(settings, path.parent) for language, settings in (content.get("annotators") or {}).items()
    }
    return NEREdition(**values)


def _source(settings: Any, folder: Path) -> Source:
    _refuse_unknown(settings, Source, "a source")
    return Source(**settings | {"path": str(folder / settings.get("path", ""))})


def _beside(settings: Any, folder: Path) -> dict[str, str]:
    """Paths of rules and of saved pipelines, where such files are there; names of models stay names."""
    if not isinstance(settings, dict):
        raise ValueError(f"an annotator is 'spacy: MODEL' or 'rules: FILE', not {settings!r}.")
    return {kind: str(folder / name) if (folder / name).exists() else name for kind, name in settings.items()}


def _refuse_unknown(settings: Any, kind: Any, what: str) -> None:
    names = [each.name for each in fields(kind)]
    if not isinstance(settings, dict) or set(settings) - set(names):
        wrong = sorted(set(settings) - set(names)) if isinstance(settings, dict) else settings
        raise ValueError(f"{what} has no {wrong!r}; there are {', '.join(names)}.")
    missing = [name for name in ("kind", "path", "language", "name") if kind is Source and name not in settings]
    missing += [name for name in ("models", "aligner") if kind is TranslationSettings and name not in settings]
    if missing:
        raise ValueError(f"{what} needs {', '.join(missing)}.")
