"""A training epoch of BERT-CRF: batches of like length, tokenised once, against random batches.

Sentences are MMNERD's English ones, in ``mmnerd_en`` of the folder that HF_MLM_SHARED_DATA names; without it, those of
the demo, which are shorter and more alike. The peer is the published loop's way on the same model and kernels: random
batches, tokenised anew whenever they are made, and Adam one tensor at a time; ours is fused, as in the recipes. Both
see every word once; the model has random weights, as its speed does not depend on them, and the learned tokenizer's
pieces are about as many as mBERT's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, load_dataset
from transformers import BertConfig

import hf_mlm  # noqa: F401  (registers the builder)
from hf_mlm.benchmarks.harness import Report
from hf_mlm.data.mmnerd.collator import DataCollatorForMultimodalTokenClassification
from hf_mlm.models.base.processing import TaggerProcessor
from hf_mlm.models.crf_tagger.configuration_crf_tagger import CRFTaggerConfig
from hf_mlm.models.crf_tagger.modeling_crf_tagger import CRFTaggerForTokenClassification
from hf_mlm.training.base.processors import learn_tokenizer
from hf_mlm.training.taggers.data import encode_sentences
from hf_mlm.training.taggers.trainer import LengthBucketSampler, padding_waste, row_lengths


SENTENCES, BATCH = 512, 16
SHAPE = {"hidden_size": 256, "num_hidden_layers": 6, "num_attention_heads": 4, "intermediate_size": 1024}


def run(report: Report, sizes: Sequence[int]) -> None:
    """Compare an epoch; then growth with the sentences, and the encoder's own passes as floor."""
    for size in sizes or [SENTENCES]:
        compare(report, size)
    first = (sizes or [SENTENCES])[0]
    report.grow("sentences", lambda size: Epoch(size).ours, [max(BATCH, first // 16) * k for k in (1, 2, 4, 8)])
    epoch = Epoch(first)
    report.floor(f"epoch of {first:,} sentences", epoch.ours, epoch.encoder, "the encoder alone, forward and backward")


def compare(report: Report, size: int) -> None:
    """Compare an epoch of so many sentences."""
    epoch = Epoch(size)
    report.compare(
        f"epoch of BERT-CRF, 6 layers of 256, {size:,} sentences, {torch.get_num_threads()} threads",
        epoch.ours,
        epoch.published,
        peer_name="random batches, tokenised when made, plain Adam",
        equal=lambda ours, theirs: ours == theirs == sum(map(len, epoch.rows["tokens"])),
        items=size,
        target="≥ 1.8×",
    )
    for name, order in (("random", epoch.shuffled), ("of like length", epoch.bucketed)):
        waste = padding_waste(epoch.lengths, order, BATCH)
        report.note(f"Padding, batches {name}: {waste:.1%} of what they hold.")


class Epoch:
    """Sentences, a model, and both ways through them."""

    def __init__(self, size: int) -> None:
        self.rows = sentences(size)
        self.tokenizer = learn_tokenizer([" ".join(words) for words in self.rows["tokens"]], 8000, lowercase=False)
        self.encoded = encode_sentences(self.rows, TaggerProcessor(self.tokenizer))
        self.lengths = row_lengths(self.encoded)
        self.bucketed = list(LengthBucketSampler(self.lengths, BATCH))
        self.shuffled = torch.randperm(size, generator=torch.Generator().manual_seed(0)).tolist()
        self.model = tagger(len(self.tokenizer))

    def ours(self) -> int:
        """Train once on everything, and count the words."""
        return train(self.model, batches(self.encoded, self.bucketed, TaggerProcessor(self.tokenizer)), fused=True)

    def published(self) -> int:
        """The same, in the published loop's way."""
        return train(self.model, batches(self.rows, self.shuffled, TaggerProcessor(self.tokenizer)))

    def encoder(self) -> None:
        """The text encoder alone on our batches."""
        for batch in batches(self.encoded, self.bucketed, TaggerProcessor(self.tokenizer)):
            inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
            self.model.text_encoder(**inputs).last_hidden_state.sum().backward()
        self.model.zero_grad()


def sentences(size: int) -> Dataset:
    """Words and tags: real ones where they are, else the demo's, over again where there are too few."""
    shared = os.environ.get("HF_MLM_SHARED_DATA")
    if shared:
        rows = load_dataset("mmnerd", "en", data_dir=str(Path(shared) / "mmnerd_en"))["train"]
    else:
        rows = load_dataset("mmnerd", "demo")["train"]
    return rows.select([number % len(rows) for number in range(size)]).select_columns(["tokens", "ner_tags"])


def tagger(vocabulary_size: int) -> CRFTaggerForTokenClassification:
    """BERT-CRF with random weights."""
    torch.manual_seed(0)
    encoder = BertConfig(vocab_size=vocabulary_size, **SHAPE)
    return CRFTaggerForTokenClassification(CRFTaggerConfig(text_encoder_config=encoder)).train()


def batches(rows: Any, order: Sequence[int], processor: Any) -> Iterator[dict[str, torch.Tensor]]:
    """Batches in an order, of rows that are encoded or not."""
    collate = DataCollatorForMultimodalTokenClassification(processor)
    for start in range(0, len(order), BATCH):
        yield collate(rows.__getitems__(list(order[start : start + BATCH])))


def train(model: torch.nn.Module, made: Iterator[dict[str, torch.Tensor]], fused: bool = False) -> int:
    """Train once on everything, and count the words."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(weights, lr=1e-5, fused=fused)
    words = 0
    for batch in made:
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        words += int((batch["labels"] >= 0).sum())
    return words


def hot() -> Callable[[], object]:
    """An epoch of 64 sentences."""
    return Epoch(64).ours
