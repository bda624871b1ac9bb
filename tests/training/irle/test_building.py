from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value, load_dataset
from s2sphere import CellId, LatLng
from transformers import AutoModel, BertConfig, ResNetConfig

import hf_mlm  # noqa: F401, registers mlm
from hf_mlm import IRLEConfig
from hf_mlm.training.irle.arguments import IRLEArguments
from hf_mlm.training.irle.building import build_model, build_processor, cell_map, cell_names, has_features


def numbered(*rows: tuple[int | None, float | None, float | None], names: Any = None) -> Dataset:
    cells = {"geo_cell": ClassLabel(names=names) if names is not None else Value("int64")}
    features = Features({**cells, "cell_latitude": Value("float64"), "cell_longitude": Value("float64")})
    columns = dict(zip(features, map(list, zip(*rows, strict=True)), strict=True))
    return Dataset.from_dict(columns, features)


def test_tokens_are_the_map() -> None:
    rows = Dataset.from_dict({"geo_cell": [0, 1]}, Features(geo_cell=ClassLabel(names=["479", "47b"])))
    assert cell_map(DatasetDict(train=rows)) == {"num_geo_cells": 2, "cell_tokens": ["479", "47b"]}


def test_cells_lie_where_their_training_entities_do() -> None:
    tokens = ["479", "47b", "84"]
    features = Features(geo_cell=ClassLabel(names=tokens), latitude=Value("float64"), longitude=Value("float64"))
    columns = {
        "geo_cell": [1, 1, 1, 0, None],
        "latitude": [50.0, 52.0, None, 48.0, 0.0],
        "longitude": [7.0, 7.0, 7.0, 11.5, 0.0],
    }
    train = Dataset.from_dict(columns, features)
    far = Dataset.from_dict({"geo_cell": [2], "latitude": [0.5], "longitude": [0.5]}, features)
    found = cell_map(DatasetDict(train=train, test=far))
    centre = CellId.from_token("84").to_lat_lng()  # no training entity
    assert found["cell_latitudes"] == pytest.approx([48.0, 51.0, centre.lat().degrees], abs=1e-6)
    assert found["cell_longitudes"] == pytest.approx([11.5, 7.0, centre.lng().degrees], abs=1e-6)
    assert IRLEConfig(**found).cell_tokens == tokens


def test_a_cell_across_the_antimeridian_lies_in_between() -> None:
    token = CellId.from_lat_lng(LatLng.from_degrees(65.0, 180.0)).parent(1).to_token()
    features = Features(geo_cell=ClassLabel(names=[token]), latitude=Value("float64"), longitude=Value("float64"))
    columns = {"geo_cell": [0, 0], "latitude": [65.0, 65.0], "longitude": [179.0, -177.0]}
    found = cell_map(DatasetDict(train=Dataset.from_dict(columns, features)))
    assert found["cell_longitudes"] == pytest.approx([-179.0], abs=1e-6)


def test_numbers_get_the_places_that_rows_give_them_in_any_split() -> None:
    names = ["0", "1", "2", "3"]
    splits = DatasetDict(
        train=numbered((0, 10.0, 20.0), (2, -5.0, 7.0), (None, None, None), names=names),
        test=numbered((1, 1.0, 2.0), (2, -5.0, 7.0), (0, None, None), names=names),
    )
    assert cell_names(splits["train"]) is None
    assert cell_map(splits) == {
        "num_geo_cells": 4,
        "cell_latitudes": [10.0, 1.0, -5.0, 0.0],  # no row tells where cell 3 is
        "cell_longitudes": [20.0, 2.0, 7.0, 0.0],
    }


def test_bare_numbers_are_counted() -> None:
    rows = numbered((4, 1.0, 1.0), (0, 2.0, 2.0))
    assert cell_map(DatasetDict(train=rows))["num_geo_cells"] == 5
    assert cell_map(DatasetDict(train=rows.select_columns("geo_cell"))) == {"num_geo_cells": 5}


def test_no_cells_are_no_map() -> None:
    assert cell_map(DatasetDict(train=numbered((None, None, None), names=[]))) == {}
    assert cell_map(DatasetDict(train=Dataset.from_dict({"label": ["Cork"]}))) == {}


SMALL_BERT = {
    "model_type": "bert",
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
}
SMALL_RESNET = {"model_type": "resnet", "embedding_size": 4, "hidden_sizes": [4, 6], "depths": [1, 1]}


def features(rows: Any) -> DatasetDict:
    return DatasetDict(train=rows, validation=rows)


@pytest.fixture
def raw(raw_folder: Path) -> DatasetDict:
    return load_dataset("mlm", "irle", data_dir=str(raw_folder), max_entities=30, min_entities=1)


def test_feature_model_has_the_widths_and_cells_of_the_rows(feature_rows: Callable[..., Any]) -> None:
    rows = feature_rows(12)
    assert has_features(rows)
    config = build_model(IRLEArguments(model={"embedding_size": 4}), features(rows)).config
    assert (config.image_feature_size, config.summary_feature_size, config.class_feature_size) == (4, 3, 2)
    assert (config.num_geo_cells, config.use_classes, config.embedding_size) == (3, True, 4)


def test_rows_without_classes_or_cells(feature_rows: Callable[..., Any]) -> None:
    rows = feature_rows(5, classes=False).remove_columns("geo_cell")
    with pytest.raises(ValueError, match=r"have no cells to learn.*--model.tasks '\[retrieval\]'"):
        build_model(IRLEArguments(dataset="irle"), features(rows))
    config = build_model(IRLEArguments(model={"tasks": ["retrieval"], "embedding_size": 4}), features(rows)).config
    assert config.use_classes is False


def test_reference_starts_from_the_published_code(feature_rows: Callable[..., Any]) -> None:
    arguments = IRLEArguments(reference=True, model={"margin": 0.3})
    config = build_model(arguments, features(feature_rows(5))).config
    assert (config.swapped_image_target, config.loss_weighting, config.margin) == ("text", "fixed", 0.3)


def test_raw_model_reads_what_its_processor_makes(raw: DatasetDict) -> None:
    arguments = IRLEArguments(
        image_encoder=SMALL_RESNET, text_encoder=SMALL_BERT, image_processor={"size": {"height": 8, "width": 8}}
    )
    processor = build_processor(arguments, raw["train"])
    model = build_model(arguments, raw, processor).eval()
    names = raw["train"].features["geo_cell"].names
    assert (model.config.cell_tokens, model.config.num_geo_cells) == (names, len(names))
    assert model.config.text_encoder_config.vocab_size == len(processor.tokenizer)
    row = raw["train"][0]
    inputs = processor(images=row["images"][:1], text=[row["summaries"]["de"]], classes=[row["classes"]])
    assert inputs["pixel_values"].shape == (1, 3, 8, 8)
    assert model(**inputs).text_geo_logits.shape == (1, len(names))


def test_encoders_come_from_folders_with_their_weights(raw: DatasetDict, tmp_path: Path) -> None:
    described = IRLEArguments(image_encoder=SMALL_RESNET, text_encoder=SMALL_BERT)
    processor = build_processor(described, raw["train"])
    text = AutoModel.from_config(BertConfig(**{**SMALL_BERT, "vocab_size": len(processor.tokenizer)}))
    image = AutoModel.from_config(ResNetConfig(**SMALL_RESNET))
    text.save_pretrained(tmp_path / "text")
    image.save_pretrained(tmp_path / "image")
    processor.tokenizer.save_pretrained(tmp_path / "text")
    processor.image_processor.save_pretrained(tmp_path / "image")
    arguments = IRLEArguments(image_encoder=str(tmp_path / "image"), text_encoder=str(tmp_path / "text"))
    again = build_processor(arguments, raw["train"])
    assert again.tokenizer.get_vocab() == processor.tokenizer.get_vocab()
    assert again.image_processor.size == processor.image_processor.size
    weights = build_model(arguments, raw, again).state_dict()
    for name, weight in text.state_dict().items():
        if not name.startswith("pooler"):
            assert torch.equal(weights[f"text_encoder.model.{name}"], weight), name
    assert torch.equal(
        weights["image_encoder.model.embedder.embedder.convolution.weight"],
        image.state_dict()["embedder.embedder.convolution.weight"],
    )


def test_image_size_is_that_of_the_settings_or_the_encoder(raw: DatasetDict) -> None:
    vit = {"model_type": "vit", "image_size": 32}
    sizes = {"height": 12, "width": 12}
    for settings, expected in ((None, 32), ({"size": sizes}, 12)):
        arguments = IRLEArguments(image_encoder=vit, text_encoder=SMALL_BERT, image_processor=settings)
        assert build_processor(arguments, raw["train"]).image_processor.size["height"] == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text_encoder": SMALL_BERT}, "has raw images and texts, and image_encoder is not set"),
        ({"image_encoder": {"hidden_sizes": [4]}, "text_encoder": SMALL_BERT}, "needs a model_type"),
        (
            {"image_encoder": {**SMALL_RESNET, "model_type": "resnett"}, "text_encoder": SMALL_BERT},
            "no encoder of model_type='resnett'; name one that it does, as 'resnet'",
        ),
        (
            {
                "image_encoder": SMALL_RESNET,
                "text_encoder": SMALL_BERT,
                "image_processor": {"image_processor_type": "Magic"},
            },
            "no Pillow image processor for image_processor_type='Magic'",
        ),
    ],
)
def test_encoders_that_cannot_be_built_are_named(raw: DatasetDict, settings: dict[str, Any], message: str) -> None:
    arguments = IRLEArguments(**settings)
    with pytest.raises(ValueError, match=message):
        build_model(arguments, raw, build_processor(arguments, raw["train"]))
