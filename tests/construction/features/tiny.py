"""Encoders and checkpoints in miniature, saved as people save them."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import BertConfig, BertModel, CLIPVisionConfig, CLIPVisionModel, ConvNextImageProcessorPil

from tests.models.base.test_encoders_torchvision import ResNet, resnet
from tests.models.two_mner.tiny import wordpiece


def save_text_encoder(folder: Path) -> Path:
    """A BERT of four layers and eight channels."""
    torch.manual_seed(1)
    tokenizer = wordpiece(folder)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=8,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    BertModel(config).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    return folder / "bert"


def save_image_encoder(folder: Path) -> Path:
    """A CLIP vision tower of eight channels."""
    torch.manual_seed(2)
    config = CLIPVisionConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=32, patch_size=16
    )
    CLIPVisionModel(config).save_pretrained(folder / "clip")
    ConvNextImageProcessorPil(size={"shortest_edge": 32}, crop_pct=1.0).save_pretrained(folder / "clip")
    return folder / "clip"


def save_places(path: Path, zipped: bool = True) -> ResNet:
    """A checkpoint with the keys of resnet50_places365.pth.tar: names of DataParallel beside plain values."""
    network = resnet([1, 1, 1, 1])
    weights = {f"module.{name}": values for name, values in network.state_dict().items()}
    content = {"epoch": 90, "arch": "resnet50", "state_dict": weights, "best_prec1": torch.tensor(54.7)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return network
