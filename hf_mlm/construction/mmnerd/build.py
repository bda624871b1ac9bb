"""The draft of a dataset like MMNERD: build config, sentences of its sources, proposals of a machine, translations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
from datatrove.data import Document

from hf_mlm.construction.executors import ExecutorSettings, Watch, read_mapping, run_build
from hf_mlm.construction.mmnerd.proposing import Propose, load_label_map
from hf_mlm.construction.mmnerd.records import RECORD_SCHEMA, Record
from hf_mlm.construction.mmnerd.sources import POLICIES, Source
from hf_mlm.construction.mmnerd.translation import Translate, TranslationSettings
from hf_mlm.construction.stage import Block, ReadStage, Stage, StageManifest, code_version, to_document
from hf_mlm.files import full_disk_in_words, sha256_of, write_text


@dataclass(frozen=True)
class NERBuildConfig:
    """Parameters of the construction, everything that decides about the data.

    Attributes:
        sources: files of sentences.
        pre_annotators: language -> proposer of entities in captions, see `open_pre_annotator`.
        label_map: from the pre-annotators' labels to the four types, see `load_label_map`.
        min_entities: captions with fewer proposals are dropped; 2 in the 2M-NER paper.
        placeholder: policy for captions with ``<PERSON>`` in them, see `apply_policy`.
        translation: models, if a source asks for translations.
        ratios: of train, validation and test.
        seed: of samples, assignments, audits and the split.

    Raises:
        ValueError: if a value makes no sense; the message names it.
    """

    sources: tuple[Source, ...]
    pre_annotators: dict[str, dict[str, str]] = field(default_factory=dict)
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
            raise ValueError("Expected one source or more in the build config, found none.")
        if self.placeholder not in POLICIES:
            raise ValueError(f"Expected one of {', '.join(POLICIES)}, found placeholder={self.placeholder!r}.")
        load_label_map(self.label_map)
        for source in self.sources:
            if source.kind == "captions" and source.language not in self.pre_annotators:
                raise ValueError(
                    f"Expected a pre-annotator for the captions of {source.name!r} in {source.language!r}, found "
                    f"pre_annotators for {', '.join(self.pre_annotators) or 'no language'}."
                )
            for language in source.translate_to:
                if self.translation is None:
                    raise ValueError(
                        f"Expected a translation model for source {source.name!r}, found no 'translation'."
                    )
                self.translation.model_for(language)

    def to_json(self) -> dict[str, Any]:
        """All values as JSON knows them, with the label map in full."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain | {"labels": load_label_map(self.label_map)}


def load_ner_build_config(path: Path) -> NERBuildConfig:
    """Read a build config from YAML, a mapping from the names of `NERBuildConfig` to values.

    Relative paths start at the file. ``annotators`` is an older name of ``pre_annotators``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no mapping, or a name or value is wrong.
    """
    values = read_mapping(path, "sources: [{kind: captions, path: captions.tsv, language: en, name: web}]")
    if "annotators" in values:
        values["pre_annotators"] = values.pop("annotators")
    if not isinstance(values.get("sources"), list):
        raise ValueError(f"Expected a list of sources in {path}, found {values.get('sources')!r}.")
    _check_names(values, NERBuildConfig, f"the build config {path}", [])
    values["sources"] = [_source(each, path.parent) for each in values["sources"]]
    if values.get("translation"):
        _check_names(values["translation"], TranslationSettings, "'translation'", ["models", "aligner"])
        values["translation"] = TranslationSettings(**values["translation"])
    values["pre_annotators"] = {
        language: _beside(settings, path.parent) for language, settings in (values.get("pre_annotators") or {}).items()
    }
    return NERBuildConfig(**values)


def _source(settings: Any, folder: Path) -> Source:
    _check_names(settings, Source, "a source", ["kind", "path", "language", "name"])
    return Source(**settings | {"path": str(folder / settings["path"])})


def _beside(settings: Any, folder: Path) -> dict[str, str]:
    """Paths of rules and of saved pipelines, where such files are there; names of models stay names."""
    if not isinstance(settings, dict):
        raise ValueError(f"Expected a pre-annotator 'spacy: MODEL' or 'rules: FILE', found {settings!r}.")
    return {kind: str(folder / name) if (folder / name).exists() else name for kind, name in settings.items()}


def _check_names(settings: Any, kind: Any, where: str, required: list[str]) -> None:
    names = [each.name for each in fields(kind)]
    if not isinstance(settings, dict) or set(settings) - set(names):
        wrong = sorted(set(settings) - set(names)) if isinstance(settings, dict) else settings
        raise ValueError(f"Expected settings of {', '.join(names)} in {where}, found {wrong!r}.")
    missing = [name for name in required if name not in settings]
    if missing:
        raise ValueError(f"Expected {', '.join(required)} in {where}, found no {', '.join(missing)}.")


class ReadSources(Block):
    """Reads the sentences of all sources."""

    name = "read sources"

    def __init__(self, config: NERBuildConfig) -> None:
        super().__init__()
        self.config = config

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give the sentences, each with ``proposed`` (entities are to be proposed) and ``translate_to`` (languages).

        Raises:
            ValueError: if two sources of one name and language have a sentence each with the same id.
        """
        seen: set[str] = set()
        for source in self.config.sources:
            records = source.records(self.config.seed, self.config.placeholder, self.drop, self.note)
            self.ledger.inputs[f"{source.name}/{Path(source.path).name}"] = sha256_of(Path(source.path))
            for record in records:
                if record.id in seen:
                    raise ValueError(
                        f"Expected one sentence {record.id} in the files of source {source.name!r}, found another in "
                        f"{source.path}; give this source another name."
                    )
                seen.add(record.id)
                plan = {"proposed": source.kind == "captions", "translate_to": list(source.translate_to)}
                yield to_document(record.to_row() | plan)


class ShareOf(ReadStage):
    """Divides a stage of one task among several."""

    name = "share of stage"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, whole=True)

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give every ``world_size``-th row."""
        for number, row in enumerate(self.rows()):
            if number % world_size == rank:
                yield to_document(row)


FAILURES = "translation_failures.jsonl"
SENTENCES, PROPOSALS, TRANSLATIONS = "sentences", "proposals", "translations"
_FORMAT = "hf_mlm build of MMNERD, version 1"
_FAILURES = pa.list_(pa.struct({"text": pa.string(), "label": pa.string(), "reason": pa.string()}))
SENTENCE_SCHEMA = RECORD_SCHEMA.append(pa.field("proposed", pa.bool_())).append(
    pa.field("translate_to", pa.list_(pa.string()))
)
TRANSLATION_SCHEMA = RECORD_SCHEMA.append(pa.field("failures", _FAILURES))


def draft_stages(target: Path, config: NERBuildConfig, tasks: int = 4) -> list[Stage]:
    """The stages of a draft, in order."""
    sentences, proposals = target / SENTENCES, target / PROPOSALS
    propose = Propose(config.pre_annotators, config.label_map, config.min_entities)
    stages = [
        Stage(sentences, [ReadSources(config)], SENTENCE_SCHEMA),
        Stage(proposals, [ShareOf(sentences), propose], SENTENCE_SCHEMA, tasks),
    ]
    if config.translation:
        blocks: list[Block] = [ReadStage(proposals), Translate(config.translation, target / "translated")]
        stages.append(Stage(target / TRANSLATIONS, blocks, TRANSLATION_SCHEMA, tasks))
    return stages


def build_draft(
    target: Path,
    config: NERBuildConfig,
    tasks: int = 4,
    executor: ExecutorSettings | None = None,
    watch: Watch | None = None,
) -> dict[str, StageManifest]:
    """Make the sentences that people annotate, or go on where an interrupted run stopped.

    Args:
        target: folder of the build.
        config: decides about the data.
        tasks: into how many parts the work is divided.
        executor: as of `run_build`, which also tells the returned manifests and what is raised.
        watch: the same.
    """
    if tasks < 1:
        raise ValueError(f"Expected at least 1 part of the work, found tasks={tasks}.")
    target = Path(target).expanduser().absolute()
    record = {"format": _FORMAT, "code": code_version("mmnerd"), "tasks": tasks, "edition": config.to_json()}
    done = run_build(target, record, draft_stages(target, config, tasks), executor, watch)
    if TRANSLATIONS in done:
        with full_disk_in_words(target, "and run the same command again"):
            _write_failures(target)
    return done


def _write_failures(target: Path) -> None:
    """Write a line for each translation that lacks entities of its original."""
    lines = [
        json.dumps({"id": row["id"], "text": row["text"], "failures": row["failures"]}, ensure_ascii=False) + "\n"
        for row in ReadStage(target / TRANSLATIONS, whole=True).rows()
        if row["failures"]
    ]
    write_text(target / FAILURES, "".join(lines))


def read_draft(target: Path) -> list[Record]:
    """Read the sentences of a draft, translations after originals, with the machine's entities.

    Raises:
        FileNotFoundError: if the draft is not finished.
    """
    stages = [target / PROPOSALS, *([target / TRANSLATIONS] if (target / TRANSLATIONS).is_dir() else [])]
    return [Record.from_row(row) for stage in stages for row in ReadStage(stage, whole=True).rows()]
