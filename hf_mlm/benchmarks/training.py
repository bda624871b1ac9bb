"""Training epochs of BERT-CRF and of 2M-NER against the published loop.

Sentences are MMNERD's English ones, in ``mmnerd_en`` of the folder that HF_MLM_SHARED_DATA names, else the demo's. The
peer is the published loop's way on the same model: random batches, tokenised and decoded whenever they are made, the
frozen ResNet at every step, plain Adam. Weights are random; images are noise as JPEG of 640 x 480. The encoders' sizes
are chosen so that none outweighs the others more than mBERT, CLIP's ViT-B/32 and ResNet-152 do on a CPU.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, load_dataset
from PIL import Image
from transformers import BertConfig, CLIPImageProcessorPil, CLIPVisionConfig, ResNetConfig

import hf_mlm  # noqa: F401  (registers the builder)
from hf_mlm.benchmarks.harness import Report
from hf_mlm.data.mmnerd.collator import DataCollatorForMultimodalTokenClassification
from hf_mlm.models.base.processing import TaggerProcessor
from hf_mlm.models.crf_tagger.configuration_crf_tagger import CRFTaggerConfig
from hf_mlm.models.crf_tagger.modeling_crf_tagger import CRFTaggerForTokenClassification
from hf_mlm.models.two_mner.configuration_two_mner import TwoMNERConfig
from hf_mlm.models.two_mner.modeling_two_mner import TwoMNERForTokenClassification
from hf_mlm.models.two_mner.processing_two_mner import TwoMNERProcessor
from hf_mlm.training.base.caching import CachedImages, cache_features
from hf_mlm.training.base.processors import learn_tokenizer
from hf_mlm.training.taggers.data import encode_sentences
from hf_mlm.training.taggers.trainer import LengthBucketSampler, padding_waste, row_lengths


SENTENCES, BATCH = 512, 16
SHAPE = {"hidden_size": 256, "num_hidden_layers": 6, "num_attention_heads": 4, "intermediate_size": 1024}


def run_tagger_epoch(report: Report, sizes: Sequence[int]) -> None:
    """Compare an epoch; then growth with the sentences, and the encoder's own passes as floor."""
    for size in sizes or [SENTENCES]:
        compare(report, size)
    first = (sizes or [SENTENCES])[0]
    report.grow("sentences", lambda size: TextEpoch(size).ours, [max(BATCH, first // 16) * k for k in (1, 2, 4, 8)])
    epoch = TextEpoch(first)
    report.floor(f"epoch of {first:,} sentences", epoch.ours, epoch.encoder, "the encoder alone, forward and backward")


def compare(report: Report, size: int) -> None:
    """Compare an epoch of so many sentences."""
    epoch = TextEpoch(size)
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


class TextEpoch:
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


def tagger(vocabulary_size: int, **settings: Any) -> CRFTaggerForTokenClassification:
    """BERT-CRF with random weights."""
    torch.manual_seed(0)
    encoder = BertConfig(vocab_size=vocabulary_size, **SHAPE)
    return CRFTaggerForTokenClassification(CRFTaggerConfig(text_encoder_config=encoder, **settings)).train()


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


def hot_tagger_epoch() -> Callable[[], object]:
    """An epoch of 64 sentences."""
    return TextEpoch(64).ours


IMAGE_SENTENCES = 64
VIT = {"hidden_size": 256, "num_hidden_layers": 6, "num_attention_heads": 4, "intermediate_size": 1024}
RESNET = {"embedding_size": 16, "hidden_sizes": [64, 128, 256, 512]}  # ResNet-50 of a quarter of its width


def run_two_mner_step(report: Report, sizes: Sequence[int]) -> None:
    """Compare an epoch after the first, with the ViT trained, as published, and frozen; then growth."""
    for size in sizes or [IMAGE_SENTENCES]:
        for name, frozen in (("ViT trained", False), ("ViT frozen", True)):
            epoch = ImageEpoch(size, freeze_vit=frozen)
            report.compare(
                f"epoch of 2M-NER, {name}, ResNet frozen, {size:,} sentences, {torch.get_num_threads()} threads",
                epoch.ours,
                epoch.published,
                peer_name="unbucketed, tokenised and decoded each epoch, ResNet every step",
                equal=epoch.equal,
                items=size,
                target="≥ 3×",
            )
    first = (sizes or [IMAGE_SENTENCES])[0]
    report.grow(
        "sentences", lambda size: ImageEpoch(size).ours, [max(2, first // 8) * factor for factor in (1, 2, 4, 8)]
    )


class ImageEpoch:
    """Sentences with images, and a model for either way through them."""

    def __init__(self, size: int, freeze_vit: bool = False) -> None:
        rows = sentences(size)
        tokenizer = learn_tokenizer([" ".join(words) for words in rows["tokens"]], 8000, lowercase=False)
        self.processor = TwoMNERProcessor(CLIPImageProcessorPil(), tokenizer)
        encoded = encode_sentences(rows, self.processor)
        self.bucketed = list(LengthBucketSampler(row_lengths(encoded), BATCH))
        self.shuffled = torch.randperm(size, generator=torch.Generator().manual_seed(0)).tolist()
        pictures = [{"image": picture(number), "image_id": str(number)} for number in range(size)]
        self.rows, self.encoded = WithImages(rows, pictures), WithImages(encoded, pictures)
        self.cached = CachedImages(self.processor)
        self.model, self.plain = (model(len(tokenizer), freeze_vit) for _ in range(2))
        cache_features(self.model)
        self.losses = (
            loss(self.model, next(batches(self.encoded, self.shuffled, self.cached))),
            loss(self.plain, next(batches(self.rows, self.shuffled, self.processor))),
        )

    def ours(self) -> int:
        """Train once on everything, and count the words."""
        return train(self.model, batches(self.encoded, self.bucketed, self.cached), fused=True)

    def published(self) -> int:
        """The same, in the published loop's way."""
        return train(self.plain, batches(self.rows, self.shuffled, self.processor))

    def equal(self, ours: int, theirs: int) -> bool:
        """Whether both ways saw every word, and had the same loss for the same batch before they trained."""
        return ours == theirs and math.isclose(*self.losses, rel_tol=1e-5)


def loss(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> float:
    """Loss of a batch, without dropout."""
    model.eval()
    with torch.no_grad():
        value = model(**batch).loss.item()
    model.train()
    return value


class WithImages:
    """Rows with an image each, read as a `Dataset` is."""

    def __init__(self, rows: Any, pictures: list[dict[str, Any]]) -> None:
        self.rows, self.pictures = rows, pictures

    def __getitems__(self, numbers: list[int]) -> list[dict[str, Any]]:
        read = self.rows.__getitems__(numbers)
        return [row | self.pictures[number] for row, number in zip(read, numbers, strict=True)]


def picture(number: int) -> dict[str, Any]:
    """Smooth noise as JPEG."""
    coarse = np.random.default_rng(number).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(coarse).resize((640, 480)).save(file, "JPEG")
    return {"bytes": file.getvalue(), "path": None}


def model(vocabulary_size: int, freeze_vit: bool) -> TwoMNERForTokenClassification:
    """2M-NER with random weights, its ResNet frozen."""
    torch.manual_seed(0)
    config = TwoMNERConfig(
        text_encoder_config=BertConfig(vocab_size=vocabulary_size, **SHAPE),
        vit_config=CLIPVisionConfig(**VIT),
        resnet_config=ResNetConfig(**RESNET),
        freeze_resnet=True,
        freeze_vit=freeze_vit,
        collaboration_heads=4,
    )
    return TwoMNERForTokenClassification(config).train()


def hot_two_mner_step() -> Callable[[], object]:
    """An epoch of 16 sentences, after the first."""
    epoch = ImageEpoch(16)
    epoch.ours()
    return epoch.ours
