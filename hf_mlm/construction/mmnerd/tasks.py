"""Formats of tasks and answers of Argilla, Label Studio and Prodigy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import index
from pathlib import Path
from typing import Any, Protocol

from hf_mlm.construction.mmnerd.records import Record, Span, snap
from hf_mlm.data.text_file import read_text
from hf_mlm.files import write_text


QUESTION = "entities"


class Tool(Protocol):
    """The format of a tool."""

    def to_task(self, record: Record, agent: str) -> dict[str, Any]:
        """A sentence, with its entities as the proposal of an agent."""
        ...

    def identify(self, task: dict[str, Any]) -> tuple[str, str]:
        """Id and text of the sentence of a task."""
        ...

    def from_answer(self, task: dict[str, Any], text: str) -> list[Span] | None:
        """The entities of the answer; None where the task was skipped."""
        ...


class Argilla:
    """Records of Argilla 2 with a text field and a span question ``entities``, as ``Record.to_dict`` has them."""

    def to_task(self, record: Record, agent: str) -> dict[str, Any]:
        """A record with a suggestion."""
        suggestion = {"value": [span._asdict() for span in record.spans], "score": None, "agent": agent}
        return {
            "id": record.id,
            "fields": {"text": record.text},
            "metadata": _about(record),
            "suggestions": {QUESTION: suggestion},
            "responses": {},
        }

    def identify(self, task: dict[str, Any]) -> tuple[str, str]:
        """Id and text."""
        return task["id"], task["fields"]["text"]

    def from_answer(self, task: dict[str, Any], text: str) -> list[Span] | None:
        """The one response that was not discarded and is no draft."""
        responses = task.get("responses", {}).get(QUESTION, [])
        given = [each for each in responses if each.get("status", "submitted") == "submitted"]
        return _spans(given[0]["value"]) if _only_one(given) else None


class LabelStudio:
    """Tasks of Label Studio for ``<Labels name="entities" toName="text">`` over ``<Text name="text" value="$text">``.

    Its offsets count UTF-16 units, as JavaScript does, so that a character beyond the basic plane, such as an emoji,
    counts twice.
    """

    def to_task(self, record: Record, agent: str) -> dict[str, Any]:
        """A task with a prediction."""
        results = [
            {
                "id": str(number),
                "from_name": QUESTION,
                "to_name": "text",
                "type": "labels",
                "value": {
                    "start": _units(record.text[: span.start]),
                    "end": _units(record.text[: span.end]),
                    "text": record.text[span.start : span.end],
                    "labels": [span.label],
                },
            }
            for number, span in enumerate(record.spans)
        ]
        data = {"text": record.text, "record_id": record.id} | _about(record)
        return {"data": data, "predictions": [{"model_version": agent, "result": results}]}

    def identify(self, task: dict[str, Any]) -> tuple[str, str]:
        """Id and text."""
        return task["data"]["record_id"], task["data"]["text"]

    def from_answer(self, task: dict[str, Any], text: str) -> list[Span] | None:
        """The one annotation that was not cancelled.

        Raises:
            ValueError: if an entity's offsets are outside of the text, or hold another text than it has.
        """
        given = [each for each in task.get("annotations", []) if not each.get("was_cancelled")]
        if not _only_one(given):
            return None
        values = [result["value"] for result in given[0]["result"] if result["type"] == "labels"]
        return [self._span(value, text) for value in values]

    def _span(self, value: dict[str, Any], text: str) -> Span:
        units = text.encode("utf-16-le")
        if not 0 <= value["start"] < value["end"] <= len(units) // 2:
            raise ValueError(f"Expected entities within the text, found one at {value['start']}–{value['end']}")
        pieces = [units[2 * start : 2 * end] for start, end in ((0, value["start"]), (0, value["end"]))]
        start, end = (len(piece.decode("utf-16-le", errors="ignore")) for piece in pieces)
        told = value.get("text")
        if told is not None and told != text[start:end]:
            raise ValueError(
                f"Expected the entity {told!r}, found {text[start:end]!r} at {value['start']}–{value['end']}"
            )
        return Span(start, end, _only_label(value["labels"]))


class Prodigy:
    """Tasks of Prodigy's ``ner.manual``."""

    def to_task(self, record: Record, agent: str) -> dict[str, Any]:
        """A task with highlighted spans."""
        spans = [span._asdict() for span in record.spans]
        return {"text": record.text, "spans": spans, "meta": {"id": record.id, "agent": agent} | _about(record)}

    def identify(self, task: dict[str, Any]) -> tuple[str, str]:
        """Id and text."""
        return task["meta"]["id"], task["text"]

    def from_answer(self, task: dict[str, Any], text: str) -> list[Span] | None:
        """The spans of an accepted task."""
        return _spans(task.get("spans", [])) if task["answer"] == "accept" else None


TOOLS: dict[str, Tool] = {"argilla": Argilla(), "label-studio": LabelStudio(), "prodigy": Prodigy()}


def _about(record: Record) -> dict[str, str]:
    about = {"language": record.language, "source": record.source}
    return about | ({"image_id": record.image_id} if record.image_id is not None else {})


def _spans(values: list[dict[str, Any]]) -> list[Span]:
    return [Span(index(value["start"]), index(value["end"]), value["label"]) for value in values]


def _only_one(given: list[Any]) -> bool:
    if len(given) > 1:
        raise ValueError("Expected the answers of one person, found those of several")
    return bool(given)


def _only_label(labels: list[str]) -> str:
    if len(labels) != 1:
        raise ValueError(f"Expected one type an entity, found {', '.join(labels) or 'none'}")
    return labels[0]


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@dataclass
class Answers:
    """Answers of one person.

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
        agent: proposer of the entities.

    Raises:
        ValueError: if the tool is unknown.
    """
    form = tool_named(tool)
    tasks = [json.dumps(form.to_task(record, agent), ensure_ascii=False) for record in records]
    whole = path.suffix == ".json"
    write_text(path, "[" + ",\n".join(tasks) + "]\n" if whole else "".join(f"{task}\n" for task in tasks))


def read_answers(path: Path, records: Mapping[str, Record], tool: str) -> Answers:
    """Read the export of a tool for one person, a JSON list or one object a line.

    Args:
        path: the file.
        records: sentences of the tasks by id.
        tool: of `TOOLS`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: naming file and task, if it is not of this tool, a sentence is unknown, changed or answered
            twice, or an entity has another type, lies outside of its text or overlaps another.
    """
    form, answers = tool_named(tool), Answers()
    for where, task in _objects(path):
        try:
            identity, text = form.identify(task)
            spans = form.from_answer(task, text)
            known = identity in records
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"Expected an answer as {tool} exports it at {where}, found {error!r}.") from error
        except ValueError as error:
            raise ValueError(f"{str(error).rstrip('.')} at {where}; correct the export.") from error
        if not known:
            raise ValueError(
                f"Expected sentences of this build, found {identity!r} at {where}; give the answers of this build."
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
        raise ValueError(f"Expected one of {', '.join(TOOLS)}, found tool={name!r}.")
    return TOOLS[name]


def _check(where: str, identity: str, text: str, records: Mapping[str, Record], answers: Answers) -> Record:
    if text != records[identity].text:
        raise ValueError(f"Expected the text of {identity} as it was given out, found another at {where}; restore it.")
    if identity in answers.spans:
        raise ValueError(f"Expected one answer of {identity}, found a second at {where}; remove one.")
    return records[identity]


def _whole_words(where: str, record: Record, spans: list[Span]) -> tuple[tuple[Span, ...], int]:
    for span in spans:
        if not 0 <= span.start < span.end <= len(record.text):
            raise ValueError(f"Expected entities within {record.id}, found one at {span.start}–{span.end} at {where}.")
    snapped = snap(record.words, spans)
    if snapped.lost:
        raise ValueError(f"Expected entities of words that do not overlap in {record.id}, found others at {where}.")
    try:
        return record.with_spans(snapped.spans).spans, snapped.moved
    except ValueError as error:
        raise ValueError(f"{str(error).rstrip('.')} at {where}; correct the export.") from error


def _objects(path: Path) -> Iterator[tuple[str, Any]]:
    content = read_text(path)
    if content.lstrip().startswith("["):
        try:
            listed = json.loads(content)
        except ValueError as error:
            raise ValueError(f"Expected JSON in {path}, found {error}; export it again.") from error
        yield from ((f"{path}, task {number}", task) for number, task in enumerate(listed, 1))
        return
    for number, line in enumerate(content.split("\n"), 1):
        if line.strip():
            try:
                yield f"{path}:{number}", json.loads(line)
            except ValueError as error:
                raise ValueError(f"Expected JSON at {path}:{number}, found {error}; export it again.") from error
