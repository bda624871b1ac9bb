from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import ClassLabel, load_dataset

from hf_mlm import IRLEConfig, IRLEForRetrievalAndGeo
from hf_mlm.geo.distance import great_circle_distance
from hf_mlm.geo.partition import GeoCellPartition
from hf_mlm.models.irle.cells_irle import Locator
from hf_mlm.runs.open_model import open_model
from hf_mlm.training.irle.scoring import calibrate, load_rows, score, trained_on, with_cells_of
from tests.models.irle.tiny import TOKENS, feature_config


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A model for `irle_folder`."""
    sizes = {"image_feature_size": 8, "summary_feature_size": 6, "class_feature_size": 6, "embedding_size": 4}
    torch.manual_seed(0)
    model = IRLEForRetrievalAndGeo(IRLEConfig(**sizes, num_geo_cells=5))
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_model_comes_back_as_it_was(saved: Path) -> None:
    model, processor = open_model(saved, "irle")
    assert processor is None
    assert not model.training
    assert model.config.num_geo_cells == 5


def test_folders_without_a_model_are_named(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder '.*nowhere'"):
        open_model(tmp_path / "nowhere", "irle")
    with pytest.raises(FileNotFoundError, match="has no config.json"):
        open_model(tmp_path, "irle")
    settings = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps({**settings, "num_geo_cells": 7}))
    with pytest.raises(
        ValueError, match=r"do not fit its config.json: geo_head.output.bias has shape \(5,\) and \(7,\)"
    ):
        open_model(saved, "irle")
    (saved / "config.json").write_text(json.dumps({**settings, "retrieval_loss": "info_nce"}))
    with pytest.raises(ValueError, match="do not fit its config.json: there is no objective.logit_scale"):
        open_model(saved, "irle")
    (saved / "config.json").write_text(json.dumps({**settings, "margin": "wide"}))
    with pytest.raises(ValueError, match="config.json .*'margin' with value 'wide'"):
        open_model(saved, "irle")
    (saved / "config.json").write_text("{")
    with pytest.raises(ValueError, match="config.json is not the configuration of a model"):
        open_model(saved, "irle")
    (saved / "config.json").write_text(json.dumps({**settings, "model_type": "bert"}))
    with pytest.raises(ValueError, match="'irle'.*'bert'"):
        open_model(saved, "irle")


def test_cut_weights_are_named(saved: Path) -> None:
    weights = saved / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(ValueError, match="weights in .* are damaged"):
        open_model(saved, "irle")


def test_pickled_weights_are_not_opened(saved: Path) -> None:
    torch.save({"code": Trap()}, saved / "pytorch_model.bin")
    (saved / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="has no model.safetensors, and pickled weights are not opened"):
        open_model(saved, "irle")


class Trap:
    """What must never be unpickled."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("code of a pickle was run",)


@pytest.mark.parametrize("damage", ["{", None], ids=["damaged", "absent"])
def test_a_processor_that_cannot_be_opened_is_named(raw_model: Path, damage: str | None) -> None:
    if damage is None:
        (raw_model / "tokenizer.json").unlink()
        (raw_model / "processor_config.json").unlink()
    else:
        (raw_model / "tokenizer.json").write_text(damage)
    with pytest.raises(ValueError, match="the processor in .* cannot be opened .*: copy processor_config.json"):
        open_model(raw_model, "irle")


def test_training_data_is_told_by_the_settings(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not tell what it was trained on"):
        trained_on(tmp_path)
    (tmp_path / "settings.yaml").write_text("dataset: irle\ndata_dir: files\ndataset_options: {dtype: float16}\n")
    assert trained_on(tmp_path) == ("irle", {"data_dir": "files", "dtype": "float16"})
    (tmp_path / "settings.yaml").write_text("seed: 3\n")
    assert trained_on(tmp_path) == ("demo", {})


def test_rows_fit_the_model_or_are_refused(saved: Path, irle_folder: Path, raw_folder: Path) -> None:
    model, _ = open_model(saved, "irle")
    assert len(load_rows(model, "irle", "test", data_dir=str(irle_folder))) == 30
    with pytest.raises(ValueError, match="has no split 'tset'; choose one of train, validation, test as split"):
        load_rows(model, "irle", "tset", data_dir=str(irle_folder))
    with pytest.raises(ValueError, match="has raw images and texts and the model reads precomputed features"):
        load_rows(model, "irle", "train", data_dir=str(raw_folder), min_entities=1)


def test_features_of_another_width_are_refused(saved: Path, irle_folder: Path) -> None:
    model, _ = open_model(saved, "irle")
    model.config.image_feature_size = 9
    with pytest.raises(ValueError, match="'irle' has image_feature_size=8 and the model reads 9"):
        load_rows(model, "irle", "test", data_dir=str(irle_folder))


def test_numbered_cells_of_another_count_are_refused(saved: Path, irle_folder: Path) -> None:
    rows = load_dataset("mlm", "irle", data_dir=str(irle_folder), split="test")
    model, _ = open_model(saved, "irle")
    other = rows.cast_column("geo_cell", ClassLabel(names=[str(number) for number in range(9)]))
    with pytest.raises(ValueError, match="the model knows 5 cells and the dataset has 9 others"):
        with_cells_of(model.config, other)
    retrieval = IRLEConfig(tasks=["retrieval"])
    assert with_cells_of(retrieval, other) is other


def test_named_cells_are_exchanged_for_those_of_the_model(raw_folder: Path) -> None:
    rows = load_dataset("mlm", "irle", data_dir=str(raw_folder), min_entities=1, max_entities=30, split="train")
    tokens = GeoCellPartition.fit(rows["latitude"][:], rows["longitude"][:], 12, 1).tokens
    assert tokens != rows.features["geo_cell"].names
    config = IRLEConfig(cell_tokens=tokens)
    expected = GeoCellPartition.from_tokens(tokens).assign(rows["latitude"][:], rows["longitude"][:])
    assert with_cells_of(config, rows)["geo_cell"][:] == expected.tolist()
    same = IRLEConfig(cell_tokens=rows.features["geo_cell"].names)
    assert with_cells_of(same, rows) is rows


def test_score_gives_metrics_and_embeddings_in_order(
    feature_rows: Callable[..., Any], tiny_model: Callable[..., Any]
) -> None:
    from hf_mlm.data.mlm.torch_datasets import FeatureTable

    rows, model = feature_rows(11), tiny_model()
    metrics, found = score(model, None, rows, batch_size=4, resamples=0)
    with torch.inference_mode():
        expected = model.eval()(**FeatureTable(rows).__getitems__(list(range(11))))
    assert torch.allclose(torch.from_numpy(found["image_embeds"]), expected.image_embeds, atol=1e-6)
    assert found["text_cells"].tolist() == expected.text_geo_logits.argmax(-1).tolist()
    assert {"mean_medR", "image_f1", "geo_loss", "retrieval_loss", "loss"} <= metrics.keys()


class World:
    """Known entities, and others that lie near one of them and look like it, in images and in texts."""

    def __init__(self, seed: int = 0, known: int = 300):
        self.rng = np.random.default_rng(seed)
        self.positions = np.stack([self.rng.uniform(-60, 60, known), self.rng.uniform(-170, 170, known)], axis=1)
        self.embeds = {name: unit(self.rng.normal(size=(known, 16))) for name in ("image", "text")}

    def search(self, queries: torch.Tensor, modality: str, top_k: int) -> tuple[np.ndarray, np.ndarray]:
        scores = np.asarray(queries) @ self.embeds[modality].T
        rows = np.argsort(-scores, axis=1)[:, :top_k]
        return np.take_along_axis(scores, rows, axis=1), rows

    def held_out(self, count: int) -> tuple[dict[str, Any], np.ndarray]:
        near = self.rng.integers(len(self.positions), size=count)
        positions = self.positions[near] + self.rng.normal(0, 0.5, (count, 2))
        outputs = {
            name: {
                "embeds": unit(embeds[near] + self.rng.normal(0, 0.2, (count, 16))),
                "geo_logits": self.rng.normal(size=(count, len(TOKENS))),
            }
            for name, embeds in self.embeds.items()
        }
        return outputs, positions


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def none_known(count: int) -> dict[str, np.ndarray]:
    return dict.fromkeys(("image", "text"), np.full(count, -1))


def test_calibrated_circles_hold_their_share_of_new_entities() -> None:
    world, config = World(), feature_config()
    outputs, positions = world.held_out(600)
    config.calibration = calibrate(config, world, outputs, none_known(600), positions, {"split": "validation"})
    assert config.calibration["on"] == {"split": "validation", "entities": 600}
    locator = Locator(config, world)
    new, truth = world.held_out(1500)
    for asked in ({"image": new["image"]}, {"text": new["text"]}, new):
        latitudes, longitudes, radii = locator.circles(asked, (0.5, 0.8, 0.9))
        errors = great_circle_distance(*truth.T, latitudes, longitudes)
        assert np.median(errors) < 150
        assert (errors[:, None] <= radii).mean(axis=0) == pytest.approx([0.5, 0.8, 0.9], abs=0.05)


def test_the_temperature_of_overconfident_cells_is_found() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(2000, len(TOKENS)))
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    cells = np.array([rng.choice(len(TOKENS), p=row) for row in shares])
    outputs = {name: {"geo_logits": 3 * scores} for name in ("image", "text")}
    targets = dict.fromkeys(("image", "text"), cells)
    fitted = calibrate(feature_config(tasks=["geo"]), None, outputs, targets, np.zeros((2000, 2)), {})
    assert fitted is not None and fitted["temperatures"]["image"] == pytest.approx(3, rel=0.12)
    assert "kernels" not in fitted and set(fitted["quantiles"]["image+text"]) == {"mean", "best"}


def test_a_handful_of_entities_calibrates_nothing() -> None:
    world = World()
    outputs, positions = world.held_out(30)
    positions[11:] = np.nan
    assert calibrate(feature_config(), world, outputs, none_known(30), positions, {}) is None
