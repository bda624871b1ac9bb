"""Formats of tasks and answers of Argilla, Label Studio and Prodigy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import index
from pathlib import Path
from typing import Any, Protocol

from hf_mlm.construction.mmnerd.records import Record, Span, snap
from hf_mlm.data.mmnerd.schemes import TYPES
from hf_mlm.data.text_file import read_text
from hf_mlm.files import write_text


QUESTION = "entities"


@dataclass(frozen=True)
class Task:
    """A sentence to annotate.

    Attributes:
        record: the sentence.
        proposals: proposer -> entities; both answers for the inspector.
        image: address of its image, empty where there is none.
        difference: entities of one answer alone, for the inspector.
    """

    record: Record
    proposals: Mapping[str, tuple[Span, ...]]
    image: str = ""
    difference: str = ""


class Tool(Protocol):
    """The format of a tool."""

    def config(self, inspects: bool) -> tuple[str, str]:
        """Name and content of the file by which a project is set up; an inspector sees the difference, too."""
        ...

    def to_task(self, task: Task) -> dict[str, Any]:
        """A task of the tool, with the first proposal to start from."""
        ...

    def identify(self, task: dict[str, Any]) -> tuple[str, str]:
        """Id and text of the sentence of a task."""
        ...

    def from_answer(self, task: dict[str, Any], text: str, person: str | None = None) -> list[Span] | None:
        """The entities of a person's answer; None where the task was skipped, or is somebody else's."""
        ...


class Argilla:
    """Records of Argilla 2 with a text field and a span question ``entities``, as ``Record.to_dict`` has them."""

    def config(self, inspects: bool) -> tuple[str, str]:
        """Settings of a dataset, as ``rg.Settings.from_json`` reads them."""
        names = {"image": "image", "text": "text"} | ({"difference": "text"} if inspects else {})
        fields = [
            {"name": name, "required": name == "text", "settings": {"type": kind}} for name, kind in names.items()
        ]
        options = [{"value": kind, "text": kind, "description": None} for kind in TYPES]
        span = {"type": "span", "field": "text", "options": options, "allow_overlapping": False}
        question = {"name": QUESTION, "title": "Entities", "required": False, "settings": span}
        return "argilla.json", json.dumps({"fields": fields, "questions": [question]}, indent=1)

    def to_task(self, task: Task) -> dict[str, Any]:
        """A record with a suggestion."""
        agent, spans = next(iter(task.proposals.items()))
        suggestion = {"value": [span._asdict() for span in spans], "score": None, "agent": agent}
        fields = {"text": task.record.text, "image": task.image, "difference": task.difference}
        return {
            "id": task.record.id,
            "fields": {name: value for name, value in fields.items() if value},
            "metadata": _about(task.record),
            "suggestions": {QUESTION: suggestion},
            "responses": {},
        }

    def identify(self, task: dict[str, Any]) -> tuple[str, str]:
        """Id and text."""
        return task["id"], task["fields"]["text"]

    def from_answer(self, task: dict[str, Any], text: str, person: str | None = None) -> list[Span] | None:
        """The one response that was not discarded and is no draft."""
        responses = task.get("responses", {}).get(QUESTION, [])
        given = [each for each in responses if each.get("status", "submitted") == "submitted"]
        one = _only_one(given, [str(each.get("user_id", "")) for each in given], person)
        return _spans(one["value"]) if one else None


class LabelStudio:
    """Tasks of Label Studio for ``<Labels name="entities" toName="text">`` over ``<Text name="text" value="$text">``.

    Both of its exports are read, JSON and JSON-MIN. Its offsets count UTF-16 units, as JavaScript does, so that a
    character beyond the basic plane, such as an emoji, counts twice.
    """

    def config(self, inspects: bool) -> tuple[str, str]:
        """The labelling interface."""
        labels = "".join(f'<Label value="{kind}"/>' for kind in TYPES)
        difference = '<Text name="difference" value="$difference"/>' if inspects else ""
        choice = f'<Labels name="{QUESTION}" toName="text">{labels}</Labels><Text name="text" value="$text"/>'
        return "label-studio.xml", f'<View><Image name="image" value="$image"/>{difference}{choice}</View>\n'

    def to_task(self, task: Task) -> dict[str, Any]:
        """A task with a prediction of each proposer."""
        record = task.record
        data = {"text": record.text, "record_id": record.id, "image": task.image} | _about(record)
        data |= {"difference": task.difference} if task.difference else {}
        predictions = [
            {"model_version": agent, "result": [_result(record.text, *each) for each in enumerate(spans)]}
            for agent, spans in task.proposals.items()
        ]
        return {"data": data, "predictions": predictions}

    def identify(self, task: dict[str, Any]) -> tuple[str, str]:
        """Id and text."""
        data = task.get("data", task)
        return data["record_id"], data["text"]

    def from_answer(self, task: dict[str, Any], text: str, person: str | None = None) -> list[Span] | None:
        """The one annotation that was not cancelled; drafts are none.

        Raises:
            ValueError: if an entity's offsets are outside of the text, or hold another text than it has.
        """
        if "annotations" not in task and "data" not in task:  # JSON-MIN has an object an annotation
            one = _only_one([task], [str(task.get("annotator", ""))], person)
            return [self._span(value, text) for value in one.get(QUESTION, [])] if one else None
        given = [each for each in task.get("annotations", []) if not each.get("was_cancelled")]
        one = _only_one(given, [_person(each.get("completed_by", "")) for each in given], person)
        if one is None:
            return None
        return [self._span(each["value"], text) for each in one["result"] if each["type"] == "labels"]

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

    def config(self, inspects: bool) -> tuple[str, str]:
        """Labels of the recipe, for ``--label``."""
        return "prodigy-labels.txt", "\n".join(TYPES) + "\n"

    def to_task(self, task: Task) -> dict[str, Any]:
        """A task with highlighted spans."""
        agent, spans = next(iter(task.proposals.items()))
        shown = {name: value for name, value in (("image", task.image), ("difference", task.difference)) if value}
        meta = {"id": task.record.id, "agent": agent} | _about(task.record) | shown
        return {"text": task.record.text, "spans": [span._asdict() for span in spans], "meta": meta}

    def identify(self, task: dict[str, Any]) -> tuple[str, str]:
        """Id and text."""
        return task["meta"]["id"], task["text"]

    def from_answer(self, task: dict[str, Any], text: str, person: str | None = None) -> list[Span] | None:
        """The spans of an accepted task."""
        one = _only_one([task], [str(task.get("_annotator_id", ""))], person)
        return _spans(one.get("spans", [])) if one and one["answer"] == "accept" else None


TOOLS: dict[str, Tool] = {"argilla": Argilla(), "label-studio": LabelStudio(), "prodigy": Prodigy()}


def difference(record: Record, answers: Mapping[str, Sequence[Span]]) -> str:
    """Tell the entities that only one of several people found, each with that person's name."""
    lines = []
    for name, spans in answers.items():
        others = {span for other, found in answers.items() if other != name for span in found}
        own = [f"{record.text[span.start : span.end]} ({span.label})" for span in spans if span not in others]
        lines.append(f"{name}: {', '.join(own) or '–'}")
    return " | ".join(lines)


def _result(text: str, number: int, span: Span) -> dict[str, Any]:
    value = {"start": _units(text[: span.start]), "end": _units(text[: span.end]), "labels": [span.label]}
    shared = {"id": str(number), "from_name": QUESTION, "to_name": "text", "type": "labels"}
    return shared | {"value": value | {"text": text[span.start : span.end]}}


def _about(record: Record) -> dict[str, str]:
    about = {"language": record.language, "source": record.source}
    return about | ({"image_id": record.image_id} if record.image_id is not None else {})


def _spans(values: list[dict[str, Any]]) -> list[Span]:
    return [Span(index(value["start"]), index(value["end"]), value["label"]) for value in values]


def _person(value: Any) -> str:
    """The id of a person, who may be described in full."""
    return str(value.get("id", value.get("email", ""))) if isinstance(value, dict) else str(value)


def _only_one(given: list[dict[str, Any]], people: list[str], person: str | None) -> dict[str, Any] | None:
    """The answer of a person, or of the only one; None without any."""
    own = [each for each, name in zip(given, people, strict=True) if person is None or name == person]
    if len(own) > 1:
        listed = ", ".join(dict.fromkeys(people))
        raise ValueError(f"Expected the answer of one person, found {len(own)} (of {listed})")
    return own[0] if own else None


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


def write_tasks(path: Path, tasks: Iterable[Task], tool: str, inspects: bool = False) -> None:
    """Write tasks, and beside them the file by which a project of the tool is set up.

    Args:
        path: a file; ``.json`` holds one list, as Label Studio imports it, any other ending one object a line.
        tasks: sentences with proposals.
        tool: of `TOOLS`.
        inspects: true for an inspector, who sees the difference of two answers.

    Raises:
        ValueError: if the tool is unknown.
    """
    form = tool_named(tool)
    lines = [json.dumps(form.to_task(task), ensure_ascii=False) for task in tasks]
    whole = path.suffix == ".json"
    write_text(path, "[" + ",\n".join(lines) + "]\n" if whole else "".join(f"{line}\n" for line in lines))
    name, content = form.config(inspects)
    write_text(path.with_name(f"{path.stem}-{name}" if inspects else name), content)


def read_answers(path: Path, records: Mapping[str, Record], tool: str, person: str | None = None) -> Answers:
    """Read the export of a tool for one person, a JSON list or one object a line.

    Args:
        path: the file.
        records: sentences of the tasks by id.
        tool: of `TOOLS`.
        person: id of one person, where the export has the answers of several.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: naming file and task, if it is not of this tool, a sentence is unknown, changed or answered
            twice, or an entity has another type, lies outside of its text or overlaps another.
    """
    form, answers = tool_named(tool), Answers()
    for where, task in _objects(path):
        try:
            identity, text = form.identify(task)
            spans = form.from_answer(task, text, person)
            known = identity in records
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"Expected an answer as {tool} exports it at {where}, found {error!r}.") from error
        except ValueError as error:
            remedy = "correct the export, or choose one of several people as NAME=FILE#ID"
            raise ValueError(f"{str(error).rstrip('.')} at {where}; {remedy}.") from error
        if not known:
            raise ValueError(
                f"Expected sentences of this build, found {identity!r} at {where}; give the answers of this build."
            )
        if spans is None:
            answers.skipped.append(identity)
            continue
        record = _check(where, identity, text, records, answers)
        answers.spans[identity], moved = _whole_words(where, record, spans)
        answers.moved += moved
    answers.skipped = [each for each in dict.fromkeys(answers.skipped) if each not in answers.spans]
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
        raise ValueError(
            f"Expected one answer of {identity}, found a second at {where}; remove one, or choose a person as "
            "NAME=FILE#ID."
        )
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
