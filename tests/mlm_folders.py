"""Fixtures of MLM's files in small: feature rows, the authors' HDF5 and JSON, and a model on raw rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


FEATURE_WIDTHS = {"image_features": 4, "summary_features": 3, "class_features": 2}


@pytest.fixture
def feature_rows() -> Callable[..., Any]:
    """Makes ``size`` synthetic feature rows: 1–3 images and summaries, 0–2 classes, three cells or none."""
    from datasets import Dataset, Features, List, Value

    def make(size: int = 12, seed: int = 0, dtype: str = "float32", classes: bool = True) -> Dataset:
        generator = np.random.default_rng(seed)

        def vectors(low: int, high: int, column: str) -> list[list[float]]:
            return generator.normal(size=(generator.integers(low, high + 1), FEATURE_WIDTHS[column])).round(2).tolist()

        rows = [
            {
                "entity_id": f"Q{number}",
                "image_features": vectors(1, 3, "image_features"),
                "summary_features": (summaries := vectors(1, 3, "summary_features")),
                "summary_languages": ["en", "de", "fr"][: len(summaries)],
                "class_features": vectors(0, 2, "class_features") if classes else [],
                "geo_cell": None if number % 5 == 4 else int(generator.integers(0, 3)),
            }
            for number in range(size)
        ]
        lists = {name: List(List(Value(dtype), length=width)) for name, width in FEATURE_WIDTHS.items()}
        names = {"entity_id": Value("string"), "summary_languages": List(Value("string")), "geo_cell": Value("int64")}
        return Dataset.from_list(rows, features=Features({**lists, **names}))

    return make


IRLE_SPLITS = {"train": 96, "val": 32, "test": 30}


@pytest.fixture(scope="session")
def irle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authors' final HDF5 files in small: image and text of an entity share a vector that tells the cell."""
    h5py = pytest.importorskip("h5py")
    folder = tmp_path_factory.mktemp("irle")
    generator = np.random.default_rng(7)
    centers = generator.normal(size=(5, 4))  # hidden vectors of five cells
    mixers = {name: generator.normal(size=(4, width)) for name, width in (("images", 8), ("summaries", 6))}
    entity = 0
    for split, size in IRLE_SPLITS.items():
        with h5py.File(folder / f"{split}.h5", "w") as file:
            file["ids"] = np.arange(entity, entity + size)
            for entity in range(entity, entity + size):  # noqa: B020, B007
                cell = int(generator.integers(5))
                hidden = centers[cell] + 0.5 * generator.normal(size=4)
                for name, mixer in mixers.items():
                    noise = 0.1 * generator.normal(size=(generator.integers(1, 4), mixer.shape[1]))
                    file[f"{entity}_{name}"] = (hidden @ mixer + noise).astype(np.float32)
                file[f"{entity}_classes"] = generator.normal(size=(1, 6)).astype(np.float32)
                file[f"{entity}_onehot"] = np.eye(5, dtype=np.float32)[cell]
                file[f"{entity}_coordinates"] = np.float32([10 * cell, 20 * cell])
            entity += 1
    return folder


@pytest.fixture(scope="session")
def raw_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authors' raw JSON in small: 60 entities around three cities, each with the colour and words of its city."""
    import json

    from PIL import Image

    folder = tmp_path_factory.mktemp("raw")
    (folder / "images").mkdir()
    cities = {"Wien": (48.2, 16.4, "red"), "Lima": (-12.0, -77.0, "green"), "Perth": (-31.9, 115.9, "blue")}
    generator, entities = np.random.default_rng(3), []
    for number in range(60):
        name, (latitude, longitude, color) = list(cities.items())[number % 3]
        Image.new("RGB", (20, 16), color).save(folder / "images" / f"Q{number}_0.png")
        entities.append(
            {
                "id": number,
                "item": f"{name} {number}",
                "coordinates": [str(value) for value in (latitude, longitude) + generator.uniform(-1, 1, 2)],
                "summaries": {f"{language}_wiki": f"{name} {language} {number}" for language in ("en", "de", "fr")},
                "images": [f"Q{number}_0.png"],
                "classes": ["city", "port"],
            }
        )
    (folder / "MLM_small.json").write_text(json.dumps(entities))
    return folder


@pytest.fixture
def raw_model(raw_folder: Path, tmp_path: Path) -> Path:
    """The output folder of a small training on `raw_folder`, as it would be after no step."""
    import torch
    from datasets import load_dataset

    import hf_mlm  # noqa: F401, registers mlm
    from hf_mlm.runs.settings import save_settings
    from hf_mlm.training.irle.arguments import IRLEArguments
    from hf_mlm.training.irle.building import build_model, build_processor

    arguments = IRLEArguments(
        dataset="irle",
        data_dir=str(raw_folder),
        dataset_options={"min_entities": 1, "max_entities": 30},
        image_encoder={"model_type": "resnet", "embedding_size": 4, "hidden_sizes": [4, 6], "depths": [1, 1]},
        text_encoder={"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2},
        image_processor={"size": {"height": 8, "width": 8}},
        model={"embedding_size": 8},
    )
    splits = load_dataset("mlm", "irle", data_dir=str(raw_folder), **arguments.dataset_options)
    torch.manual_seed(0)
    processor = build_processor(arguments, splits["train"])
    build_model(arguments, splits, processor).save_pretrained(tmp_path / "raw_model")
    processor.save_pretrained(tmp_path / "raw_model")
    save_settings([arguments], tmp_path / "raw_model")
    return tmp_path / "raw_model"
