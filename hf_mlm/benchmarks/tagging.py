"""Tagging by ``multimodal-ner`` against transformers' ``token-classification`` pipeline and the encoder alone.

Sentences are MMNERD's English ones (see `training`), the model a BERT of six layers with random weights and a softmax
head, which both pipelines open. The peer reads the sentences in their order, in batches of 32; ours sorts them within
a window and answers in order; the floor is the encoder on tokenised batches of like length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import BertForTokenClassification, TokenClassificationPipeline

from hf_mlm.benchmarks.harness import Report
from hf_mlm.benchmarks.training import sentences, tagger
from hf_mlm.models.base.processing import TaggerProcessor
from hf_mlm.pipelines.multimodal_ner import MultimodalNERPipeline
from hf_mlm.training.base.processors import learn_tokenizer


SENTENCES, BATCH = 256, 32


class Texts:
    """Sentences, and one model behind both pipelines."""

    def __init__(self, size: int) -> None:
        self.texts = [" ".join(words) for words in sentences(size)["tokens"]]
        tokenizer = learn_tokenizer(self.texts, 8000, lowercase=False)
        model = tagger(len(tokenizer), head="softmax").eval()
        peer = BertForTokenClassification(model.config.text_encoder_config).eval()
        peer.bert.load_state_dict(model.text_encoder.state_dict(), strict=False)
        self.model, processor = model, TaggerProcessor(tokenizer)
        self.pipe = MultimodalNERPipeline(model, processor=processor, task="multimodal-ner")
        self.peer = TokenClassificationPipeline(model=peer, tokenizer=tokenizer, aggregation_strategy="simple")
        rows = [tokenizer(text, truncation=True, max_length=512) for text in self.texts]
        rows.sort(key=lambda row: len(row["input_ids"]))
        starts = range(0, size, BATCH)
        self.batches = [tokenizer.pad(rows[start : start + BATCH], return_tensors="pt") for start in starts]

    def ours(self) -> int:
        """Tag all sentences, and count the answers."""
        return len(list(self.pipe(self.texts, batch_size=BATCH)))

    def theirs(self) -> int:
        """The same by transformers' pipeline."""
        return len(self.peer(self.texts, batch_size=BATCH))

    @torch.inference_mode()
    def encoder(self) -> None:
        """Encode sentences that are tokenised and sorted already."""
        for batch in self.batches:
            self.model.text_encoder(batch["input_ids"], batch["attention_mask"])


def run_tagging(report: Report, sizes: Sequence[int]) -> None:
    """Compare both pipelines; then the encoder alone as floor."""
    for size in sizes or [SENTENCES]:
        texts = Texts(size)
        report.compare(
            f"{size:,} sentences, batches of {BATCH}, float32",
            texts.ours,
            texts.theirs,
            peer_name="transformers `token-classification`, softmax",
            equal=lambda ours, theirs: ours == theirs,
            items=size,
            target="≥ 1.6×",
        )
        report.floor(f"{size:,} sentences", texts.ours, texts.encoder, "the encoder alone, sorted, tokenised before")
    report.note("The peer's head is another, so answers are counted, not compared; the floor's bar is 1.1×.")


def hot_tagging() -> Callable[[], Any]:
    """Tagging 64 sentences."""
    return Texts(64).ours
