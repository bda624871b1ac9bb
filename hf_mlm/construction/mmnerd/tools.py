"""How Argilla, Label Studio and Prodigy spell tasks and answers."""

from __future__ import annotations

from operator import index
from typing import Any, Protocol

from hf_mlm.construction.mmnerd.records import Record, Span


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
        """The entities that were answered; None where the task was skipped."""
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

    Its places count UTF-16 units, as JavaScript does, so that a character beyond the basic plane, such as an emoji,
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
            ValueError: if an entity's places are outside of the text, or do not hold the text that it has.
        """
        given = [each for each in task.get("annotations", []) if not each.get("was_cancelled")]
        if not _only_one(given):
            return None
        values = [result["value"] for result in given[0]["result"] if result["type"] == "labels"]
        return [self._span(value, text) for value in values]

    def _span(self, value: dict[str, Any], text: str) -> Span:
        units = text.encode("utf-16-le")
        if not 0 <= value["start"] < value["end"] <= len(units) // 2:
            raise ValueError(f"an entity is at {value['start']}–{value['end']}, outside of its text.")
        pieces = [units[2 * start : 2 * end] for start, end in ((0, value["start"]), (0, value["end"]))]
        start, end = (len(piece.decode("utf-16-le", errors="ignore")) for piece in pieces)
        told = value.get("text")
        if told is not None and told != text[start:end]:
            raise ValueError(f"at {value['start']}–{value['end']} stands {text[start:end]!r}, not {told!r}.")
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
        raise ValueError("several people have answered; export the answers of one.")
    return bool(given)


def _only_label(labels: list[str]) -> str:
    if len(labels) != 1:
        raise ValueError(f"an entity has the types {', '.join(labels) or 'none'}; give it one.")
    return labels[0]


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
