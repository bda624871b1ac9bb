"""Memory of an evaluation: metrics counted batch by batch, against a Trainer that gathers logits until the end.

Each measurement is a process of its own, as a process's peak never falls again: ``python -m
hf_mlm.benchmarks.evaluation_memory streamed 8000``. The peak is taken beyond that after a short evaluation.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import BertConfig, Trainer, TrainingArguments

from hf_mlm.benchmarks.harness import Report
from hf_mlm.models.crf_tagger.configuration_crf_tagger import CRFTaggerConfig
from hf_mlm.models.crf_tagger.modeling_crf_tagger import CRFTaggerForTokenClassification
from hf_mlm.publishing.cards import markdown_table
from hf_mlm.training.taggers.arguments import NERTrainingArguments
from hf_mlm.training.taggers.metrics import EntityMetrics, keep_predictions
from hf_mlm.training.taggers.trainer import TaggerTrainer


SENTENCES, TOKENS, BATCH = (2000, 4000, 8000, 16000), 64, 64
ENCODER = {"vocab_size": 100, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def run_evaluation_memory(report: Report, sizes: Sequence[int]) -> None:
    """Note the peaks of both ways for each number of sentences; their figures must agree."""
    rows = []
    for size in sizes or SENTENCES:
        with ThreadPoolExecutor() as both:
            ours, theirs = both.map(child, ("streamed", "gathered"), (size, size))
        if ours["f1"] != theirs["f1"]:
            raise ValueError(f"{size:,} sentences: F1 {ours['f1']} differs from the Trainer's {theirs['f1']}.")
        rows.append([f"{size:,}", *(f"{each['megabytes']:.0f} MB" for each in (ours, theirs))])
    report.note(markdown_table(["sentences", "counted batch by batch", "logits gathered"], rows))
    report.note("Peak resident memory beyond that after an evaluation of 64 sentences; target: flat.")


def child(kind: str, size: int) -> dict[str, float]:
    """Measure in a new process."""
    command = [sys.executable, "-m", "hf_mlm.benchmarks.evaluation_memory", kind, str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} failed: {done.stderr.strip()[-400:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(kind: str, size: int) -> dict[str, float]:
    """Evaluate so many sentences, and say by how many megabytes the peak rose."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = build(kind, folder)
        # our configuration spares a Trainer the logits, unless it is told to ignore nothing
        keys: list[str] | None = None if kind == "streamed" else []
        trainer.evaluate(Sentences(BATCH), ignore_keys=keys)
        before = peak()
        figures = trainer.evaluate(Sentences(size), ignore_keys=keys)
    return {"megabytes": (peak() - before) / 1e6, "f1": figures["eval_f1"]}


def build(kind: str, folder: str) -> Trainer:
    """A tiny tagger in our Trainer, or in a plain one."""
    torch.manual_seed(0)
    config = CRFTaggerConfig(text_encoder_config=BertConfig(**ENCODER, intermediate_size=16))
    model, streamed = CRFTaggerForTokenClassification(config), kind == "streamed"
    arguments = (NERTrainingArguments if streamed else TrainingArguments)(
        folder,
        per_device_eval_batch_size=BATCH,
        batch_eval_metrics=streamed,
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
    )
    metrics = EntityMetrics(config.label_names)
    if streamed:
        return TaggerTrainer(model, arguments, compute_metrics=metrics, preprocess_logits_for_metrics=keep_predictions)
    return Trainer(model, arguments, compute_metrics=lambda found: metrics(last(found)))


def last(found: Any) -> Any:
    """Of all gathered outputs, the predictions."""
    found.predictions = found.predictions[-1]
    return found


class Sentences(Dataset):
    """Random sentences of one length, made when asked for."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        if number >= self.size:
            raise IndexError(number)
        generator = torch.Generator().manual_seed(number)
        tokens = torch.randint(100, (TOKENS,), generator=generator)
        labels = torch.randint(9, (TOKENS,), generator=generator)
        return {"input_ids": tokens, "word_ids": torch.arange(TOKENS), "labels": labels}


def peak() -> int:
    """Bytes that this process has had in memory at most."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def hot_evaluation_memory() -> Callable[[], object]:
    """Evaluation of 256 sentences."""
    return partial(measure, "streamed", 256)


if __name__ == "__main__":
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    sys.stdout.write(json.dumps(measure(sys.argv[1], int(sys.argv[2]))) + "\n")
