"""The order and size of batches, whatever the inputs come from; answers are sums that are known beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from transformers import PretrainedConfig, PreTrainedModel

from hf_mlm.pipelines.base import BatchingPipeline


class Doubling(PreTrainedModel):
    """Doubles numbers, and remembers how many came at once."""

    config_class = PretrainedConfig

    def __init__(self) -> None:
        super().__init__(PretrainedConfig())
        self.factor = torch.nn.Parameter(torch.tensor(2.0))
        self.batches: list[int] = []

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(numbers))
        return self.factor * numbers


class DoublingPipeline(BatchingPipeline):
    """Twice the number in a text, plus a setting."""

    def _sanitize_parameters(self, plus: int = 0, **_: Any) -> tuple[dict, dict, dict]:
        return {}, {}, {"plus": plus}

    def preprocess(self, inputs: str) -> int:
        return int(inputs)

    def _collate(self, batch: Sequence[int]) -> dict[str, torch.Tensor]:
        return {"numbers": torch.tensor(batch)}

    def _forward(self, model_inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"doubled": self.model(**model_inputs)}

    def postprocess(self, model_outputs: tuple[Sequence[int], dict[str, torch.Tensor]], plus: int = 0) -> list[str]:
        batch, outputs = model_outputs
        sums = (outputs["doubled"] + plus).tolist()
        return [f"{number}: {value:g}" for number, value in zip(batch, sums, strict=True)]


@pytest.fixture
def pipe() -> DoublingPipeline:
    return DoublingPipeline(Doubling(), task="doubling")


@pytest.mark.parametrize(("size", "batches"), [(1, [1] * 5), (2, [2, 2, 1]), (5, [5]), (8, [5])])
def test_each_input_has_its_answer(pipe: DoublingPipeline, size: int, batches: list[int]) -> None:
    answers = ["3: 6", "1: 2", "4: 8", "1: 2", "5: 10"]
    assert pipe(list("31415"), batch_size=size) == answers and pipe.model.batches == batches
    assert list(pipe((text for text in "31415"), batch_size=size)) == answers and pipe.model.batches == batches * 2
    assert pipe("7") == "7: 14" and pipe("7", plus=1) == "7: 15" and pipe([]) == []


def test_a_generator_is_not_read_ahead(pipe: DoublingPipeline) -> None:
    asked = []

    def texts() -> Iterator[str]:
        for text in "31415":
            asked.append(text)
            yield text

    answers = pipe(texts(), batch_size=2)
    assert (next(answers), asked) == ("3: 6", ["3", "1"])
    assert (next(answers), asked) == ("1: 2", ["3", "1"])
    assert (next(answers), asked) == ("4: 8", ["3", "1", "4", "1"])


def test_a_wrong_input_is_named_by_its_place(pipe: DoublingPipeline) -> None:
    with pytest.raises(ValueError, match=r"^input 2 \(counted from 0\): invalid literal .* 'x'"):
        pipe(["1", "2", "x", "4"], batch_size=3)
    with pytest.raises(ValueError, match="^invalid literal .* 'x'"):
        pipe("x")
