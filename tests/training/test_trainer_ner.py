from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hf_mlm.training.trainer_ner import give_learning_rates, part_of


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))
        self.head = nn.ModuleDict({"classifier": nn.Linear(3, 2), "crf": nn.Linear(2, 2)})


def optimizer_of(model: nn.Module) -> torch.optim.Optimizer:
    decayed = [value for value in model.parameters() if value.dim() > 1]
    others = [value for value in model.parameters() if value.dim() == 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=1e-3)


def test_each_parameter_has_the_rate_of_its_longest_part_and_keeps_its_decay() -> None:
    model = Tagger()
    optimizer = optimizer_of(model)
    give_learning_rates(optimizer, model, {"head": 1e-2, "head.crf": 1e-1})
    found = {
        id(value): (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for value in group["params"]
    }
    for name, value in model.named_parameters():
        rate = 1e-1 if name.startswith("head.crf") else 1e-2 if name.startswith("head") else 1e-3
        assert found[id(value)] == (rate, 0.1 if value.dim() > 1 else 0.0), name
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(model.parameters()))


def test_the_schedule_scales_every_rate() -> None:
    model = Tagger()
    optimizer = optimizer_of(model)
    give_learning_rates(optimizer, model, {"head": 1e-2})
    optimizer.step()
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
    schedule.step()
    assert sorted({group["lr"] for group in optimizer.param_groups}) == pytest.approx([5e-4, 5e-3])


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"hed": 1e-2}, "names 'hed', which no trained parameter is in; there are encoder, head"),
        ({"head": 0.0}, "must be above 0; freeze='head'"),
    ],
)
def test_wrong_rates_are_refused(rates: dict[str, float], message: str) -> None:
    model = Tagger()
    with pytest.raises(ValueError, match=message):
        give_learning_rates(optimizer_of(model), model, rates)


def test_a_frozen_part_has_no_rate() -> None:
    model = Tagger()
    model.head.requires_grad_(False)
    with pytest.raises(ValueError, match="no trained parameter"):
        give_learning_rates(optimizer_of(model), model, {"head": 1e-2})


names = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(".".join)


@given(names, st.lists(names, max_size=4))
def test_part_is_the_longest_that_leads_to_the_name(name: str, parts: list[str]) -> None:
    steps = name.split(".")
    leading = [".".join(steps[:count]) for count in range(len(steps), 0, -1)]
    assert part_of(name, parts) == next((step for step in leading if step in parts), None)
