"""Blocks that read the files of an edition, and divide them among tasks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pyarrow as pa
from datatrove.data import Document

from hf_mlm.construction.executors import ExecutorSettings, Watch, run_stages
from hf_mlm.construction.manifest import MANIFEST, StageManifest, claim, code_version
from hf_mlm.construction.mmnerd.build_config import NEREdition
from hf_mlm.construction.mmnerd.proposing import Propose
from hf_mlm.construction.mmnerd.records import RECORD_SCHEMA, Record
from hf_mlm.construction.mmnerd.translation import Translate
from hf_mlm.construction.stage import Block, ReadStage, Stage, to_document
from hf_mlm.files import full_disk_in_words, sha256_of, write_text


class ReadSources(Block):
    """Reads the files of an edition.

    Args:
        edition: of the build.
    """

    name = "read sources"

    def __init__(self, edition: NEREdition) -> None:
        super().__init__()
        self.edition = edition

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give the sentences of all sources; whether entities are to be proposed, and into what to translate.

        Raises:
            ValueError: if two sources of one name and language have a sentence each with the same id.
        """
        seen: set[str] = set()
        for source in self.edition.sources:
            records = source.records(self.edition.seed, self.edition.placeholder, self.drop, self.note)
            self.ledger.inputs[f"{source.name}/{Path(source.path).name}"] = sha256_of(Path(source.path))
            for record in records:
                if record.id in seen:
                    raise ValueError(f"{source.path}: {record.id} is in another file of {source.name!r}; rename one.")
                seen.add(record.id)
                yield to_document(
                    record.to_row()
                    | {"proposed": source.kind == "captions", "translate_to": list(source.translate_to)}
                )


class ShareOf(ReadStage):
    """Reads a stage of one task, every task its share."""

    name = "share of stage"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, whole=True)

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give every ``world_size``-th row."""
        for number, row in enumerate(self.rows()):
            if number % world_size == rank:
                yield to_document(row)


RECORD, FAILURES = "build.json", "translation_failures.jsonl"
SENTENCES, PROPOSALS, TRANSLATIONS = "sentences", "proposals", "translations"
_FORMAT = "hf_mlm build of MMNERD, version 1"
_FAILURES = pa.list_(pa.struct({"text": pa.string(), "label": pa.string(), "reason": pa.string()}))
SENTENCE_SCHEMA = RECORD_SCHEMA.append(pa.field("proposed", pa.bool_())).append(
    pa.field("translate_to", pa.list_(pa.string()))
)
TRANSLATION_SCHEMA = RECORD_SCHEMA.append(pa.field("failures", _FAILURES))


def draft_stages(target: Path, edition: NEREdition, tasks: int = 4) -> list[Stage]:
    """The stages of a draft, in order.

    Args:
        target: folder of the build.
        edition: what decides about the data.
        tasks: into how many parts the work is divided.
    """
    sentences, proposals = target / SENTENCES, target / PROPOSALS
    stages = [
        Stage(sentences, [ReadSources(edition)], SENTENCE_SCHEMA),
        Stage(proposals, [ShareOf(sentences), Propose(edition)], SENTENCE_SCHEMA, tasks),
    ]
    if edition.translation:
        blocks: list[Block] = [ReadStage(proposals), Translate(edition.translation, target / "translated")]
        stages.append(Stage(target / TRANSLATIONS, blocks, TRANSLATION_SCHEMA, tasks))
    return stages


def build_draft(
    target: Path,
    edition: NEREdition,
    tasks: int = 4,
    executor: ExecutorSettings | None = None,
    watch: Watch = lambda stages, logs: nullcontext(),
) -> dict[str, StageManifest]:
    """Make the sentences that people annotate, or go on where an interrupted run stopped.

    Args:
        target: folder of the build.
        edition: what decides about the data.
        tasks: into how many parts the work is divided.
        executor: where to run; here, one task at a time, when omitted.
        watch: entered with the stages and the folder of logs while the stages run, to show how far they are.

    Returns:
        the manifests of the finished stages by name; fewer than all when Slurm has yet to run.

    Raises:
        ValueError: if ``target`` holds a build of something else, or of another version of the code.
        OSError: if a file or a model is missing, or the disk is full; running again goes on.
    """
    if tasks < 1:
        raise ValueError(f"tasks={tasks}: the work has to have at least one part.")
    target = Path(target).expanduser().absolute()
    record = {"format": _FORMAT, "code": code_version("mmnerd"), "tasks": tasks, "edition": edition.to_json()}
    with full_disk_in_words(target, "and run the same command again: finished tasks are kept"):
        target.mkdir(parents=True, exist_ok=True)
        claim(target / RECORD, record)
        stages = draft_stages(target, edition, tasks)
        with watch(stages, target / "logs"):
            run_stages(stages, target / "logs", executor or ExecutorSettings())
        _report_failures(target)
    return {stage.name: StageManifest.load(stage.folder / MANIFEST) for stage in stages if stage.is_sealed()}


def _report_failures(target: Path) -> None:
    """Write a line for each translation that lacks entities of its original, once all are there."""
    if not (target / TRANSLATIONS / MANIFEST).is_file():
        return
    rows = ReadStage(target / TRANSLATIONS, whole=True).rows()
    lines = [
        json.dumps({"id": row["id"], "text": row["text"], "failures": row["failures"]}, ensure_ascii=False) + "\n"
        for row in rows
        if row["failures"]
    ]
    write_text(target / FAILURES, "".join(lines))


def read_draft(target: Path) -> list[Record]:
    """The sentences of a draft, translations after originals, with the machine's entities.

    Raises:
        FileNotFoundError: if the draft is not finished.
    """
    stages = [target / PROPOSALS, *([target / TRANSLATIONS] if (target / TRANSLATIONS).is_dir() else [])]
    return [Record.from_row(row) for stage in stages for row in ReadStage(stage, whole=True).rows()]
