"""Tasks for the tools in which people annotate, and the answers that come back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hf_mlm.construction.mmnerd.records import Record, Span, snap
from hf_mlm.construction.mmnerd.tools import TOOLS, Tool
from hf_mlm.data.formats.text_file import read_text
from hf_mlm.files import write_text


@dataclass
class Answers:
    """What one person has annotated.

    Attributes:
        spans: record id -> entities, of whole words.
        skipped: ids that were shown and not answered.
        moved: entities that were widened to whole words.
    """

    spans: dict[str, tuple[Span, ...]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    moved: int = 0


def write_tasks(path: Path, records: Iterable[Record], tool: str, agent: str = "machine") -> None:
    """Write sentences with their present entities as proposals.

    Args:
        path: a file; ``.json`` holds one list, as Label Studio imports it, any other ending one object a line.
        records: sentences.
        tool: of `TOOLS`.
        agent: who proposes the entities.

    Raises:
        ValueError: if the tool is unknown.
    """
    form = tool_named(tool)
    tasks = [json.dumps(form.to_task(record, agent), ensure_ascii=False) for record in records]
    whole = path.suffix == ".json"
    write_text(path, "[" + ",\n".join(tasks) + "]\n" if whole else "".join(f"{task}\n" for task in tasks))


def read_answers(path: Path, records: Mapping[str, Record], tool: str) -> Answers:
    """Read what a tool has exported for one person, a JSON list or one object a line.

    Args:
        path: the file.
        records: sentences by id, as they were given out.
        tool: of `TOOLS`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: naming file and place, if it is not of this tool, a sentence is unknown, changed or answered
            twice, or an entity has another type, lies outside of its text or overlaps another.
    """
    form, answers = tool_named(tool), Answers()
    for where, task in _objects(path):
        try:
            identity, text = form.identify(task)
            spans = form.from_answer(task, text)
            known = identity in records
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"{where} is no answer that {tool} exports ({error!r}).") from error
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        if not known:
            raise ValueError(
                f"{where}: no sentence of this build is called {identity!r}; give the answers of this build."
            )
        record = _check(where, identity, text, records, answers)
        if spans is None:
            answers.skipped.append(identity)
            continue
        answers.spans[identity], moved = _whole_words(where, record, spans)
        answers.moved += moved
    return answers


def tool_named(name: str) -> Tool:
    """A tool of `TOOLS`.

    Raises:
        ValueError: if there is none of this name.
    """
    if name not in TOOLS:
        raise ValueError(f"tool={name!r}: choose one of {', '.join(TOOLS)}.")
    return TOOLS[name]


def _check(where: str, identity: str, text: str, records: Mapping[str, Record], answers: Answers) -> Record:
    if text != records[identity].text:
        raise ValueError(
            f"{where}: the text of {identity} was changed, so that places in it mean nothing; restore it."
        )
    if identity in answers.spans:
        raise ValueError(f"{where}: {identity} is answered twice; leave one answer.")
    return records[identity]


def _whole_words(where: str, record: Record, spans: list[Span]) -> tuple[tuple[Span, ...], int]:
    for span in spans:
        if not 0 <= span.start < span.end <= len(record.text):
            raise ValueError(f"{where}: an entity of {record.id} is at {span.start}–{span.end}, outside of its text.")
    snapped = snap(record.words, spans)
    if snapped.lost:
        raise ValueError(f"{where}: entities of {record.id} overlap, or lie between words; correct them.")
    try:
        return record.with_spans(snapped.spans).spans, snapped.moved
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _objects(path: Path) -> Iterator[tuple[str, Any]]:
    content = read_text(path)
    if content.lstrip().startswith("["):
        try:
            listed = json.loads(content)
        except ValueError as error:
            raise ValueError(f"{path} is not JSON ({error}); export it again.") from error
        yield from ((f"{path}, task {number}", task) for number, task in enumerate(listed, 1))
        return
    for number, line in enumerate(content.split("\n"), 1):
        if line.strip():
            try:
                yield f"{path}:{number}", json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path}:{number} is not JSON ({error}); export it again.") from error
