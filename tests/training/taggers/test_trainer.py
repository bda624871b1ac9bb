from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import Trainer

from hf_mlm.data.mmnerd.collator import DataCollatorForMultimodalTokenClassification
from hf_mlm.data.mmnerd.conll import read_conll
from hf_mlm.models.base.processing import TaggerProcessor
from hf_mlm.models.crf_tagger.modeling_crf_tagger import CRFTaggerForTokenClassification
from hf_mlm.training.taggers.arguments import NERArguments, NERTrainingArguments
from hf_mlm.training.taggers.data import load_sentences
from hf_mlm.training.taggers.metrics import EntityMetrics, keep_predictions
from hf_mlm.training.taggers.trainer import (
    LengthBucketSampler,
    TaggerTrainer,
    give_learning_rates,
    padding_waste,
    part_of,
)
from tests.models.crf_tagger.tiny import config
from tests.models.two_mner.tiny import wordpiece
from tests.training.ner import write_corpus


@given(st.lists(st.integers(1, 60), max_size=300), st.integers(1, 9), st.integers(0, 3), st.integers(1, 5))
def test_every_row_comes_once_and_the_ragged_batch_last(
    lengths: list[int], batch_size: int, epoch: int, bucket: int
) -> None:
    sampler = LengthBucketSampler(lengths, batch_size, batches_per_bucket=bucket)
    sampler.set_epoch(epoch)
    order = list(sampler)
    assert sorted(order) == list(range(len(lengths))) and len(sampler) == len(lengths)
    assert order == list(sampler)
    ordered = [lengths[row] for row in order]
    batches = [ordered[start : start + batch_size] for start in range(0, len(order), batch_size)]
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert all(batch == sorted(batch) for batch in batches)


def test_epochs_and_seeds_differ_and_batches_do_not_drift() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 4000)
    sampler = LengthBucketSampler(lengths, 16)
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first != list(LengthBucketSampler(lengths, 16, seed=1))
    means = lengths[np.array(first)].reshape(-1, 16).mean(axis=1)
    assert abs(np.corrcoef(np.arange(len(means)), means)[0, 1]) < 0.2


@given(st.lists(st.integers(1, 30), min_size=1, max_size=50), st.integers(1, 7))
def test_waste_is_what_padding_adds(lengths: list[int], batch_size: int) -> None:
    batches = [lengths[start : start + batch_size] for start in range(0, len(lengths), batch_size)]
    padded = sum(max(batch) * len(batch) for batch in batches)
    waste = padding_waste(lengths, range(len(lengths)), batch_size)
    assert waste == pytest.approx(padded / sum(lengths) - 1)


@pytest.mark.real
def test_real_sentences_waste_less_than_a_twentieth(shared_data: Path) -> None:
    sentences = read_conll(shared_data / "mmnerd_en" / "train_conll_format.txt.gz")
    lengths = [sum(1 + len(word) // 4 for word in sentence.tokens) + 2 for sentence in sentences]  # about sub-tokens
    order = list(LengthBucketSampler(lengths, 16))
    assert padding_waste(lengths, order, 16) <= 0.05
    assert padding_waste(lengths, range(len(lengths)), 16) > 0.7


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


def test_the_plain_trainer_takes_raw_rows_without_another_flag(tmp_path: Path) -> None:
    dataset = load_sentences(NERArguments(dataset="en", data_dir=str(write_corpus(tmp_path / "data"))))
    processor = TaggerProcessor(wordpiece(tmp_path))
    names = dataset["train"].features["ner_tags"].feature.names
    model = CRFTaggerForTokenClassification(config(id2label=dict(enumerate(names))))
    trainer = Trainer(
        model,
        NERTrainingArguments(str(tmp_path / "run"), max_steps=3, use_cpu=True, report_to="none", save_strategy="no"),
        train_dataset=dataset["train"],
        eval_dataset=dataset["validation"],
        data_collator=DataCollatorForMultimodalTokenClassification(processor),
        compute_metrics=EntityMetrics(model.config.label_names),
        preprocess_logits_for_metrics=keep_predictions,
    )
    assert torch.isfinite(torch.tensor(trainer.train().training_loss))
    assert 0 <= trainer.evaluate()["eval_f1"] <= 1
    assert processor.splitter.rule == "unicode"


@pytest.mark.parametrize("name", ["bucket_by_length", "group_by_length"])
def test_rows_of_like_length_go_by_both_their_names(name: str, tmp_path: Path) -> None:
    rows = Dataset.from_dict({"input_ids": [[1] * length for length in (3, 9, 3, 9)]})
    arguments = NERTrainingArguments(str(tmp_path), train_sampling_strategy=name, use_cpu=True, report_to="none")
    trainer = TaggerTrainer(CRFTaggerForTokenClassification(config()), arguments, train_dataset=rows)
    assert isinstance(trainer._get_train_sampler(), LengthBucketSampler)
