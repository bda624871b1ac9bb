"""A training epoch of BERT-CRF on real sentences: batches of like length, tokenised once, against random batches.

Run ``OMP_NUM_THREADS=1 python benchmarks/bench_tagger_epoch.py`` with MMNERD's English files in the folder that
HF_MLM_SHARED_DATA names. The peer is the published loop's way on the same model and kernels: random batches, tokenised
anew whenever they are made. Both see every word once; the model has random weights, as its speed does not depend on
them, and the learned tokenizer's pieces are about as many as mBERT's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import load_dataset
from harness import Report
from transformers import BertConfig

from hf_mlm import CRFTaggerConfig, CRFTaggerForTokenClassification
from hf_mlm.data.collators_ner import DataCollatorForMultimodalTokenClassification
from hf_mlm.data.length_sampler import LengthBucketSampler, padding_waste
from hf_mlm.models.tagger_processor import TaggerProcessor
from hf_mlm.training.sentences import encode_sentences
from hf_mlm.training.tokenizer import learn_tokenizer
from hf_mlm.training.trainer_ner import row_lengths


SENTENCES, BATCH = 2400, 16
SHAPE = {"hidden_size": 256, "num_hidden_layers": 6, "num_attention_heads": 4, "intermediate_size": 1024}


def main() -> None:
    folder = Path(os.environ["HF_MLM_SHARED_DATA"]) / "mmnerd_en"
    rows = load_dataset("mmnerd", "en", data_dir=str(folder))["train"].select(range(SENTENCES))
    tokenizer = learn_tokenizer([" ".join(words) for words in rows["tokens"]], 8000, lowercase=False)
    processor = TaggerProcessor(tokenizer)
    encoded = encode_sentences(rows, processor)
    lengths = row_lengths(encoded)
    bucketed = LengthBucketSampler(lengths, BATCH)
    shuffled = torch.randperm(SENTENCES, generator=torch.Generator().manual_seed(0)).tolist()
    model = tagger(len(tokenizer))
    bare = rows.select_columns(["tokens", "ner_tags"])
    report = Report(f"Text-only epoch, {SENTENCES:,} real sentences, batches of {BATCH}", ("torch", "transformers"))
    report.compare(
        f"epoch of BERT-CRF, 6 layers of 256, {torch.get_num_threads()} threads",
        lambda: epoch(model, batches(encoded, list(bucketed), TaggerProcessor(tokenizer))),
        lambda: epoch(model, batches(bare, shuffled, TaggerProcessor(tokenizer))),
        peer_name="random batches, tokenised when made",
        equal=lambda ours, theirs: ours == theirs == sum(map(len, rows["tokens"])),
        items=SENTENCES,
        repeats=3,
        target="≥ 1.8×",
    )
    report.show()
    for name, order in (("random", shuffled), ("of like length", list(bucketed))):
        print(f"\nPadding, batches {name}: {padding_waste(lengths, order, BATCH):.1%} of what they hold.")


def tagger(vocabulary_size: int) -> CRFTaggerForTokenClassification:
    torch.manual_seed(0)
    encoder = BertConfig(vocab_size=vocabulary_size, **SHAPE)
    return CRFTaggerForTokenClassification(CRFTaggerConfig(text_encoder_config=encoder)).train()


def batches(rows: Any, order: Sequence[int], processor: TaggerProcessor) -> Iterator[dict[str, torch.Tensor]]:
    """Batches in an order, of rows that are encoded or not."""
    collate = DataCollatorForMultimodalTokenClassification(processor)
    for start in range(0, len(order), BATCH):
        yield collate(rows.__getitems__(order[start : start + BATCH]))


def epoch(model: CRFTaggerForTokenClassification, made: Iterator[dict[str, torch.Tensor]]) -> int:
    """Train once on everything, and count the words."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-5)
    words = 0
    for batch in made:
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        words += int((batch["labels"] >= 0).sum())
    return words


if __name__ == "__main__":
    main()
