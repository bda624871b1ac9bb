"""Training 2M-NER: all prepared once and batches of like length, against the published loop.

The published loop tokenises and decodes in every epoch, makes random batches, and sends every image through the frozen
ResNet at every step. Ours groups sentences by length, encodes them once, keeps pixels and the features of frozen
encoders, and has a fused optimiser; what is timed is an epoch after the first. Model, loss, weights and sentences (see
`tagger_epoch`) are the same; images are noise as JPEG of 640 × 480, each sentence its own, as in MMNERD's English.

The encoders are small; their sizes are chosen by estimate so that none outweighs the others more than mBERT, CLIP's
ViT-B/32 and ResNet-152 do on a CPU (11.4, 12.7 and 7.7 s a step of 16). The published code trains the ViT; the second
line is of a model with both image encoders frozen, in either loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import BertConfig, CLIPImageProcessorPil, CLIPVisionConfig, ResNetConfig

from hf_mlm.benchmarks.harness import Report
from hf_mlm.benchmarks.tagger_epoch import BATCH, SHAPE, batches, sentences, train
from hf_mlm.models.two_mner.configuration_two_mner import TwoMNERConfig
from hf_mlm.models.two_mner.modeling_two_mner import TwoMNERForTokenClassification
from hf_mlm.models.two_mner.processing_two_mner import TwoMNERProcessor
from hf_mlm.training.base.caching import CachedImages, cache_features
from hf_mlm.training.base.processors import learn_tokenizer
from hf_mlm.training.taggers.data import encode_sentences
from hf_mlm.training.taggers.trainer import LengthBucketSampler, row_lengths


SENTENCES = 64
VIT = {"hidden_size": 256, "num_hidden_layers": 6, "num_attention_heads": 4, "intermediate_size": 1024}
RESNET = {"embedding_size": 16, "hidden_sizes": [64, 128, 256, 512]}  # ResNet-50 of a quarter of its width


def run(report: Report, sizes: Sequence[int]) -> None:
    """Compare an epoch after the first, with the ViT trained, as published, and frozen; then growth."""
    for size in sizes or [SENTENCES]:
        for name, frozen in (("ViT trained", False), ("ViT frozen", True)):
            epoch = Epoch(size, freeze_vit=frozen)
            report.compare(
                f"epoch of 2M-NER, {name}, ResNet frozen, {size:,} sentences, {torch.get_num_threads()} threads",
                epoch.ours,
                epoch.published,
                peer_name="unbucketed, tokenised and decoded each epoch, ResNet every step",
                equal=epoch.equal,
                items=size,
                target="≥ 3×",
            )
    first = (sizes or [SENTENCES])[0]
    report.grow("sentences", lambda size: Epoch(size).ours, [max(2, first // 8) * factor for factor in (1, 2, 4, 8)])


class Epoch:
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
        self.remembering = CachedImages(self.processor)
        self.model, self.plain = (model(len(tokenizer), freeze_vit) for _ in range(2))
        cache_features(self.model)
        self.losses = (
            loss(self.model, next(batches(self.encoded, self.shuffled, self.remembering))),
            loss(self.plain, next(batches(self.rows, self.shuffled, self.processor))),
        )

    def ours(self) -> int:
        """Train once on everything, and count the words."""
        return train(self.model, batches(self.encoded, self.bucketed, self.remembering), fused=True)

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


def hot() -> Callable[[], object]:
    """An epoch of 16 sentences, after the first."""
    epoch = Epoch(16)
    epoch.ours()
    return epoch.ours
