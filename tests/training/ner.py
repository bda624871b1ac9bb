"""A small corpus in MMNERD's format whose entities can be learned from the words, and a run on it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from hf_mlm.runs.settings import parse_settings
from hf_mlm.training.taggers.arguments import NERArguments, NERTrainingArguments
from hf_mlm.training.taggers.train import TaggerRun, train


NAMES = {"PER": ["Ada", "Carl"], "LOC": ["Cork", "Lyon"], "ORG": ["Acme", "Umbra"], "MISC": ["Tuesday", "Latin"]}
FILLERS = ["the", "old", "road", "to", "and", "from", "we", "saw", "it", "there", "again"]
SIZES = {"train": 64, "valid": 21, "test": 21}
ENCODER = {"model_type": "bert", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
ENCODER |= {"intermediate_size": 16, "max_position_embeddings": 64}


def write_corpus(folder: Path, images: bool = False) -> Path:
    """Write MMNERD's three English files, half of the sentences tweets, and perhaps an image each."""
    drawn = random.Random(0)
    for split, size in SIZES.items():
        blocks = []
        for number in range(size):
            name = f"O_{size}{len(split)}{number}" if number % 2 else f"{number:08d}---{split}"
            blocks.append(f"IMGID:{name}\n" + "".join(f"{word}\t{tag}\n" for word, tag in sentence(drawn)) + "\n")
            if images:
                pictures = folder / "twitter_and_image_caption_images"
                pictures.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (8, 8), (number % 250, 9, 9)).save(pictures / f"{name}.jpg")
        folder.mkdir(exist_ok=True)
        (folder / f"{split}_conll_format.txt").write_text("".join(blocks))
    return folder


def sentence(drawn: random.Random) -> list[tuple[str, str]]:
    """Words and tags: fillers of any length around one or two names, some of them of two words."""
    pairs = [(word, "O") for word in drawn.choices(FILLERS, k=drawn.randint(0, 9))]
    for _ in range(drawn.randint(1, 2)):
        kind = drawn.choice(list(NAMES))
        pairs += [(drawn.choice(NAMES[kind]), f"B-{kind}"), *([("Major", f"I-{kind}")] * drawn.randint(0, 1))]
        pairs += [(drawn.choice(FILLERS), "O")]
    return pairs


def recipe(data_dir: Path, folder: Path, **changes: Any) -> Path:
    """A small run of a CRF tagger, as a YAML file."""
    settings = {
        "dataset": "en",
        "data_dir": str(data_dir),
        "text_encoder": ENCODER,
        "vocabulary_size": 200,
        "output_dir": str(folder / "run"),
        "num_train_epochs": 3,
        "per_device_train_batch_size": 8,
        "per_device_eval_batch_size": 8,
        "learning_rate": 1e-2,
        "lr_scheduler_type": "constant",
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "logging_strategy": "epoch",
        "load_best_model_at_end": True,
        "metric_for_best_model": "f1",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**settings, **changes}))
    return path


def run(path: Path, *flags: str) -> TaggerRun:
    """Train by a recipe and flags."""
    return train(*parse_settings([NERArguments, NERTrainingArguments], ["--config", str(path), *flags], "test"))
