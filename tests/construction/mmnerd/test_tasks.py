"""The formats of the tools, spelled out as their documentation has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from hf_mlm.construction.mmnerd.records import Span
from hf_mlm.construction.mmnerd.tasks import TOOLS, Task, difference, read_answers, write_tasks


TEXT = "😀 Ada in Rome"
SPANS = [{"start": 2, "end": 5, "label": "PER"}, {"start": 9, "end": 13, "label": "LOC"}]
ABOUT = {"language": "en", "source": "web", "image_id": "1"}
TASKS: dict[str, Any] = {
    "argilla": {
        "id": "web/en/1",
        "fields": {"text": TEXT},
        "metadata": ABOUT,
        "suggestions": {"entities": {"value": SPANS, "score": None, "agent": "spaCy"}},
        "responses": {},
    },
    "prodigy": {"text": TEXT, "spans": SPANS, "meta": {"id": "web/en/1", "agent": "spaCy"} | ABOUT},
}


@pytest.mark.parametrize("tool", TASKS)
def test_tasks(tool: str, record: Any) -> None:
    one = record(TEXT, ("Ada", "PER"), ("Rome", "LOC"))
    assert TOOLS[tool].to_task(Task(one, {"spaCy": one.spans})) == TASKS[tool]


def test_tasks_show_the_image_and_the_set_up_names_it(record: Any, tmp_path: Path) -> None:
    one = record(TEXT, ("Ada", "PER"), ("Rome", "LOC"))
    task = Task(one, {"machine": one.spans}, "https://example.org/1.jpg")
    assert TOOLS["label-studio"].to_task(task)["data"]["image"] == "https://example.org/1.jpg"
    assert TOOLS["argilla"].to_task(task)["fields"] == {"text": TEXT, "image": "https://example.org/1.jpg"}
    write_tasks(tmp_path / "anna.json", [task], "label-studio")
    view = ElementTree.parse(tmp_path / "label-studio.xml").getroot()
    assert {part.tag: part.get("value") for part in view} == {"Image": "$image", "Labels": None, "Text": "$text"}
    labels = view.find("Labels")
    assert labels is not None and labels.get("toName") == "text" and len(labels) == 4
    write_tasks(tmp_path / "anna.jsonl", [task], "argilla")
    settings = json.loads((tmp_path / "argilla.json").read_text())
    assert [field["name"] for field in settings["fields"]] == ["image", "text"]
    assert settings["questions"][0]["settings"]["field"] == "text"


def test_an_inspector_sees_both_answers_and_their_difference(record: Any, tmp_path: Path) -> None:
    one = record(TEXT, ("Ada", "PER"), ("Rome", "LOC"))
    answers = {"anna": one.spans, "ben": (one.spans[0], Span(9, 13, "ORG"))}
    told = difference(one, answers)
    assert told == "anna: Rome (LOC) | ben: Rome (ORG)"
    task = Task(one, answers, difference=told)
    shown = TOOLS["label-studio"].to_task(task)
    assert [each["model_version"] for each in shown["predictions"]] == ["anna", "ben"]
    assert shown["data"]["difference"] == TOOLS["argilla"].to_task(task)["fields"]["difference"] == told
    write_tasks(tmp_path / "inspector.json", [task], "label-studio", inspects=True)
    assert 'value="$difference"' in (tmp_path / "inspector-label-studio.xml").read_text()


def export(record: Any, *people: int) -> list[dict[str, Any]]:
    """A Label Studio export of a sentence with an answer of each person, each other than the last."""
    shown = TOOLS["label-studio"].to_task(Task(record, {"machine": record.spans}))
    results = shown["predictions"][0]["result"]
    answers = [{"completed_by": {"id": one}, "result": results[: number + 1]} for number, one in enumerate(people)]
    return [{"data": shown["data"], "annotations": answers, "drafts": [{"result": []}]}]


def test_one_of_several_people_in_an_export_is_chosen(record: Any, tmp_path: Path) -> None:
    one = record(TEXT, ("Ada", "PER"), ("Rome", "LOC"))
    path, records = tmp_path / "both.json", {one.id: one}
    path.write_text(json.dumps(export(one, 7, 8)))
    with pytest.raises(ValueError, match=r"found 2 \(of 7, 8\) at .*both.json, task 1; .*NAME=FILE#ID"):
        read_answers(path, records, "label-studio")
    assert read_answers(path, records, "label-studio", "7").spans[one.id] == one.spans[:1]
    assert read_answers(path, records, "label-studio", "8").spans[one.id] == one.spans
    assert read_answers(path, records, "label-studio", "9").skipped == [one.id]


def test_label_studios_smaller_export_is_read(record: Any, tmp_path: Path) -> None:
    one = record(TEXT, ("Ada", "PER"), ("Rome", "LOC"))
    values = [result["value"] for result in export(one, 7, 8)[0]["annotations"][1]["result"]]
    line = {"text": TEXT, "record_id": one.id, "annotator": 7, "id": 1}
    path = tmp_path / "min.json"
    path.write_text(json.dumps([line | {"entities": values}]))
    assert read_answers(path, {one.id: one}, "label-studio").spans[one.id] == one.spans
    path.write_text(json.dumps([line, line | {"annotator": 8, "entities": values}]))
    assert read_answers(path, {one.id: one}, "label-studio", "7").spans[one.id] == ()
    with pytest.raises(ValueError, match="a second at .*min.json, task 2"):
        read_answers(path, {one.id: one}, "label-studio")


def test_argilla_takes_the_one_submitted_response() -> None:
    argilla, own = TOOLS["argilla"], {"value": SPANS, "status": "submitted"}
    responses = [{"value": [], "status": "discarded"}, own, {"value": [], "status": "draft"}]
    task = TASKS["argilla"] | {"responses": {"entities": responses}}
    assert argilla.from_answer(task, TEXT) == [Span(2, 5, "PER"), Span(9, 13, "LOC")]
    assert argilla.from_answer(TASKS["argilla"], TEXT) is None
    with pytest.raises(ValueError, match="found 2"):
        argilla.from_answer(task | {"responses": {"entities": [own, own]}}, TEXT)


def test_label_studio() -> None:
    tool = TOOLS["label-studio"]
    value = {"start": 3, "end": 6, "text": "Ada", "labels": ["PER"]}
    result = [{"type": "labels", "value": value}, {"type": "choices", "value": {"choices": ["good"]}}]
    cancelled = {"was_cancelled": True, "result": []}
    assert tool.from_answer({"annotations": [cancelled, {"result": result}]}, TEXT) == [Span(2, 5, "PER")]
    assert tool.from_answer({"annotations": [cancelled]}, TEXT) is None
    for change, sentence in (
        ({"text": "Eve"}, "'Eve', found 'Ada' at 3–6"),
        ({"labels": ["PER", "ORG"]}, "PER, ORG"),
        ({"end": 15, "text": None}, "found one at 3–15"),
    ):
        wrong = {"annotations": [{"result": [{"type": "labels", "value": value | change}]}]}
        with pytest.raises(ValueError, match=sentence):
            tool.from_answer(wrong, TEXT)


EXCHANGE_TEXT = "😀 Ada met UNESCO in New York"


def answered(tool: str, task: dict) -> dict:
    """What the tool exports when a person accepts the proposal, by its documentation."""
    if tool == "prodigy":
        return task | {"answer": "accept", "_session_id": "anna"}
    if tool == "label-studio":
        result = task["predictions"][0]["result"]
        return {"id": 1, "data": task["data"], "annotations": [{"completed_by": 1, "result": result}]}
    value = task["suggestions"]["entities"]["value"]
    return task | {"responses": {"entities": [{"value": value, "user_id": "u", "status": "submitted"}]}}


@pytest.mark.parametrize("tool", list(TOOLS))
@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_round_trip(tool: str, ending: str, tmp_path: Path, record) -> None:
    records = [
        record(EXCHANGE_TEXT, ("Ada", "PER"), ("UNESCO", "ORG"), ("New York", "LOC")),
        record("nothing here", id="web/en/2"),
    ]
    path = tmp_path / f"tasks.{ending}"
    write_tasks(path, [Task(one, {"machine": one.spans}) for one in records], tool)
    lines = path.read_text(encoding="utf-8")
    tasks = json.loads(lines) if ending == "json" else [json.loads(line) for line in lines.splitlines()]
    path.write_text(json.dumps([answered(tool, task) for task in tasks]))
    answers = read_answers(path, {one.id: one for one in records}, tool)
    assert answers.spans == {one.id: one.spans for one in records} and not answers.moved
    unanswered = tmp_path / "unanswered.json"
    blank = [task | {"answer": "ignore"} if tool == "prodigy" else task for task in tasks]
    unanswered.write_text(json.dumps(blank))
    assert read_answers(unanswered, {one.id: one for one in records}, tool).skipped == ["web/en/1", "web/en/2"]


def test_label_studio_counts_utf16_units(record) -> None:
    one = record(EXCHANGE_TEXT, ("Ada", "PER"))
    task = TOOLS["label-studio"].to_task(Task(one, {"machine": one.spans}))
    value = task["predictions"][0]["result"][0]["value"]
    assert (value["start"], value["end"], value["text"]) == (3, 6, "Ada")  # "😀" counts twice in JavaScript


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"text": "Ada met UNESCO"}, "text of web/en/1 .* another at .*a.jsonl:1"),
        ({"meta": {"id": "web/en/9"}}, "found 'web/en/9' at .*a.jsonl:1"),
        ({"spans": [{"start": 2, "end": 5, "label": "GPE"}]}, "found 'GPE' at .*a.jsonl:1"),
        ({"spans": [{"start": 2, "end": 500, "label": "PER"}]}, "found one at 2–500 at .*a.jsonl:1"),
        (
            {"spans": [{"start": 2, "end": 5, "label": "PER"}, {"start": 3, "end": 9, "label": "LOC"}]},
            "do not overlap in web/en/1.*a.jsonl:1",
        ),
        ({"spans": [{"start": 2}]}, "prodigy exports it at .*a.jsonl:1"),
        ({"spans": [{"start": None, "end": 5, "label": "PER"}]}, "prodigy exports it at .*a.jsonl:1"),
        ({"meta": {}}, "prodigy exports it at .*a.jsonl:1"),
        ({"meta": {"id": ["web/en/1"]}}, "prodigy exports it at .*a.jsonl:1"),
    ],
)
def test_what_is_refused(change: dict, sentence: str, tmp_path: Path, record) -> None:
    one = record(EXCHANGE_TEXT)
    task = TOOLS["prodigy"].to_task(Task(one, {"machine": one.spans})) | {"answer": "accept"} | change
    (tmp_path / "a.jsonl").write_text(json.dumps(task) + "\n")
    with pytest.raises(ValueError, match=sentence):
        read_answers(tmp_path / "a.jsonl", {one.id: one}, "prodigy")


def test_other_mistakes(tmp_path: Path, record) -> None:
    one = record(EXCHANGE_TEXT)
    task = json.dumps(TOOLS["prodigy"].to_task(Task(one, {"machine": one.spans})) | {"answer": "accept"})
    (tmp_path / "a.jsonl").write_text(f"{task}\n{task}\n")
    with pytest.raises(ValueError, match="one answer of web/en/1, found a second at .*a.jsonl:2"):
        read_answers(tmp_path / "a.jsonl", {one.id: one}, "prodigy")
    (tmp_path / "a.jsonl").write_text(f"{task}\n{task[:30]}")
    with pytest.raises(ValueError, match="Expected JSON at .*a.jsonl:2|found a second"):
        read_answers(tmp_path / "a.jsonl", {one.id: one}, "prodigy")
    with pytest.raises(ValueError, match="argilla, label-studio, prodigy, found tool='brat'"):
        write_tasks(tmp_path / "x.jsonl", [one], "brat")


def test_a_cut_word_is_widened(tmp_path: Path, record) -> None:
    one = record(EXCHANGE_TEXT)
    spans = [Span(2, 4, "PER")._asdict()]
    (tmp_path / "a.jsonl").write_text(
        json.dumps({"text": EXCHANGE_TEXT, "meta": {"id": one.id}, "spans": spans, "answer": "accept"})
    )
    answers = read_answers(tmp_path / "a.jsonl", {one.id: one}, "prodigy")
    assert answers.spans[one.id] == (Span(2, 5, "PER"),) and answers.moved == 1
