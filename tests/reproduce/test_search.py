from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import Trainer, TrainingArguments, trainer
from transformers.trainer_utils import HPSearchBackend

from hf_mlm.reproduce.search import GridBackend, grid_points, point_name, read_notes, search_grid


class Line(nn.Module):
    """y = w x, whose first w a trial chooses."""

    def __init__(self, start: float):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([start]))

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": ((self.weight * x - labels) ** 2).mean(), "logits": self.weight * x}


def searching(folder: Path, seen: list[Any]) -> Trainer:
    def model_init(trial: dict[str, float] | None) -> Line:
        seen.append(trial)
        return Line(trial["alpha"] if trial else 0.0)

    rows = [{"x": torch.tensor([1.0]), "labels": torch.tensor([1.0])}] * 4
    arguments = TrainingArguments(
        str(folder), use_cpu=True, max_steps=1, save_strategy="no", report_to="none", disable_tqdm=True
    )
    return Trainer(args=arguments, model_init=model_init, train_dataset=rows, eval_dataset=rows)  # type: ignore[arg-type]


POINTS = grid_points({"alpha": [0.0, 1.0], "learning_rate": [0.1, 0.2]})


def test_every_point_is_trained_with_its_own_settings(tmp_path: Path) -> None:
    seen: list[Any] = []
    reached = search_grid(searching(tmp_path, seen), POINTS, "eval_loss", tmp_path)
    assert [trial for trial in seen if trial] == POINTS
    # one step of Adam moves w by the learning rate: from 0 towards 1; from 1, where there is no gradient, not at all
    expected = {0.1: 0.81, 0.2: 0.64}
    for point in POINTS:
        wanted = 0.0 if point["alpha"] == 1.0 else expected[point["learning_rate"]]
        assert reached[point_name(point)] == pytest.approx(wanted, abs=1e-5)
    assert read_notes(tmp_path) == reached


def test_an_interrupted_search_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = list[Any](), list[Any]()
    attempt = GridBackend._try

    def interrupted(self: GridBackend, searched: Any, point: dict[str, float], folder: Path) -> float:
        if point == POINTS[2]:
            raise KeyboardInterrupt
        return attempt(self, searched, point, folder)

    monkeypatch.setattr(GridBackend, "_try", interrupted)
    with pytest.raises(KeyboardInterrupt):
        search_grid(searching(tmp_path, first), POINTS, "eval_loss", tmp_path)
    assert len(read_notes(tmp_path)) == 2
    monkeypatch.setattr(GridBackend, "_try", attempt)
    search_grid(searching(tmp_path, second), POINTS, "eval_loss", tmp_path)
    assert [trial for trial in second if trial] == POINTS[2:]


def test_the_lent_place_is_given_back(tmp_path: Path) -> None:
    before = dict(trainer.ALL_HYPERPARAMETER_SEARCH_BACKENDS)
    search_grid(searching(tmp_path, []), POINTS[:1], "eval_loss", tmp_path)
    assert before == trainer.ALL_HYPERPARAMETER_SEARCH_BACKENDS
    assert before[HPSearchBackend.OPTUNA] is not GridBackend
