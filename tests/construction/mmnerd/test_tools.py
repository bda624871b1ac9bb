"""The formats of the tools, spelled out as their documentation has them."""

from __future__ import annotations

from typing import Any

import pytest

from hf_mlm.construction.mmnerd.records import Span
from hf_mlm.construction.mmnerd.tools import TOOLS


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
    assert TOOLS[tool].to_task(record(TEXT, ("Ada", "PER"), ("Rome", "LOC")), "spaCy") == TASKS[tool]


def test_argilla_takes_the_one_submitted_response() -> None:
    argilla, own = TOOLS["argilla"], {"value": SPANS, "status": "submitted"}
    responses = [{"value": [], "status": "discarded"}, own, {"value": [], "status": "draft"}]
    task = TASKS["argilla"] | {"responses": {"entities": responses}}
    assert argilla.from_answer(task, TEXT) == [Span(2, 5, "PER"), Span(9, 13, "LOC")]
    assert argilla.from_answer(TASKS["argilla"], TEXT) is None
    with pytest.raises(ValueError, match="several people have answered"):
        argilla.from_answer(task | {"responses": {"entities": [own, own]}}, TEXT)


def test_label_studio() -> None:
    tool = TOOLS["label-studio"]
    value = {"start": 3, "end": 6, "text": "Ada", "labels": ["PER"]}
    result = [{"type": "labels", "value": value}, {"type": "choices", "value": {"choices": ["good"]}}]
    cancelled = {"was_cancelled": True, "result": []}
    assert tool.from_answer({"annotations": [cancelled, {"result": result}]}, TEXT) == [Span(2, 5, "PER")]
    assert tool.from_answer({"annotations": [cancelled]}, TEXT) is None
    for change, sentence in (
        ({"text": "Eve"}, "stands 'Ada', not 'Eve'"),
        ({"labels": ["PER", "ORG"]}, "PER, ORG"),
        ({"end": 15, "text": None}, "3–15, outside of its text"),
    ):
        wrong = {"annotations": [{"result": [{"type": "labels", "value": value | change}]}]}
        with pytest.raises(ValueError, match=sentence):
            tool.from_answer(wrong, TEXT)
