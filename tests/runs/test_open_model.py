"""Opening of saved models: whole ones open, everything else is refused by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig

import hf_mlm.runs
from hf_mlm import IRLEConfig, IRLEForRetrievalAndGeo
from hf_mlm.registry import MODELS
from hf_mlm.runs.open_model import check_kind, open_model, open_processor, saved_type


SAVED = Path(__file__).parent.parent / "saved" / "72c1906"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A small IR+LE that reads features."""
    sizes = {"image_feature_size": 8, "summary_feature_size": 6, "class_feature_size": 6, "embedding_size": 4}
    IRLEForRetrievalAndGeo(IRLEConfig(**sizes, num_geo_cells=5)).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def change(path: Path, **values: Any) -> None:
    """Change values of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_the_function_and_its_module_have_one_name() -> None:
    assert hf_mlm.runs.open_model is open_model


def test_the_model_comes_back_as_it_was(saved: Path) -> None:
    model, processor = open_model(saved)
    assert processor is None and not model.training
    kept = load_file(saved / "model.safetensors")
    assert all(torch.equal(values, kept[name]) for name, values in model.state_dict().items())


@pytest.mark.parametrize("model_type", MODELS)
def test_models_of_every_type_open_with_their_processor(model_type: str) -> None:
    folders = [path for path in SAVED.glob("*") if (path / "config.json").is_file() and saved_type(path) == model_type]
    if not folders:
        pytest.skip(f"no saved {model_type}")
    for folder in folders:
        model, processor = open_model(folder, model_type)
        assert model.config.model_type == model_type and not model.training
        assert (processor is None) == (model_type == "irle" and model.config.text_encoder_config is None)
        assert open_model(folder, MODELS[model_type].family)[0].config.model_type == model_type


@pytest.mark.parametrize(
    ("kind", "wanted"), [("two_mner", "a 'two_mner' model"), ("taggers", "a tagger"), ("irle", "an 'irle' model")]
)
def test_another_kind_is_refused(saved: Path, kind: str, wanted: str) -> None:
    change(saved / "config.json", model_type="irle" if kind != "irle" else "bert")
    with pytest.raises(ValueError, match=f"Expected {wanted} in .*model, found '(irle|bert)'"):
        open_model(saved, kind)
    assert check_kind(saved) == "irle" if kind != "irle" else saved_type(saved) == "bert"


def test_missing_weights_are_refused(saved: Path) -> None:
    change(saved / "config.json", retrieval_loss="info_nce")
    with pytest.raises(ValueError, match=r"do not fit its config\.json: there is no objective\.logit_scale"):
        open_model(saved)


def test_misshapen_weights_are_refused(saved: Path) -> None:
    change(saved / "config.json", num_geo_cells=7)
    with pytest.raises(ValueError, match=r"geo_head\.output\.bias has shape \(5,\) and \(7,\) is called.*and 3 more"):
        open_model(saved)


def test_weights_left_over_are_refused(saved: Path) -> None:
    weights = load_file(saved / "model.safetensors")
    save_file({**weights, "head.other": torch.zeros(2)}, saved / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"head\.other belongs to no part of the model"):
        open_model(saved)


def test_partial_weights_open_for_those_who_ask(saved: Path) -> None:
    change(saved / "config.json", num_geo_cells=7)
    model, _ = open_model(saved, allow_partial=True)
    assert model.config.num_geo_cells == 7 and model.geo_head.output.bias.shape == (7,)


def test_damaged_weights_are_refused(saved: Path) -> None:
    weights = saved / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(ValueError, match="the weights in .*model are damaged"):
        open_model(saved)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model_type"', "\udcff", "[" * 100_000])
def test_damaged_configurations_are_refused(saved: Path, content: str) -> None:
    (saved / "config.json").write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ValueError, match=r"config\.json is not the configuration of a model"):
        open_model(saved)


@pytest.mark.parametrize("value", ["wide", None, [], {"a": 1}])
def test_wrong_settings_are_named(saved: Path, value: Any) -> None:
    change(saved / "config.json", margin=value)
    with pytest.raises(ValueError, match=r"config\.json cannot be read \(.*margin"):
        open_model(saved)


def test_folders_without_a_model_are_named(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder '.*nowhere'"):
        open_model(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"has no config\.json"):
        open_model(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no folder 'NAME/model'"):
        saved_type(tmp_path / "away", "NAME/model")
    BertConfig().save_pretrained(tmp_path)
    assert saved_type(tmp_path) == "bert"


class Trap:
    """An object whose unpickling fails the test."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("code of a pickle was run",)


def test_pickled_weights_are_not_opened(saved: Path) -> None:
    torch.save({"code": Trap()}, saved / "pytorch_model.bin")
    (saved / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no model\.safetensors, and pickled weights are not opened"):
        open_model(saved)


@pytest.mark.parametrize("shard", ["pytorch_model.bin", "../model.safetensors", "/etc/a.safetensors", 7])
def test_an_index_names_safetensors_beside_it(saved: Path, shard: Any) -> None:
    torch.save({"code": Trap()}, saved / "pytorch_model.bin")
    shutil.move(saved / "model.safetensors", saved.parent / "model.safetensors")
    index = {"metadata": {}, "weight_map": {"geo_head.output.bias": shard}}
    (saved / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"index\.json names .* and only \.safetensors files beside it are opened"):
        open_model(saved)


def test_an_index_whose_shard_is_absent_is_refused(saved: Path) -> None:
    model, _ = open_model(saved)
    (saved / "model.safetensors").unlink()
    model.save_pretrained(saved, max_shard_size=200)
    assert open_model(saved)[0].config.num_geo_cells == 5
    next(saved.glob("model-00002-*")).unlink()
    with pytest.raises(FileNotFoundError, match=r"has no model-00002-.*, which model\.safetensors\.index\.json names"):
        open_model(saved)


@pytest.mark.parametrize("content", ["{", "[]", '{"weight_map": 3}'])
def test_a_damaged_index_is_named(saved: Path, content: str) -> None:
    (saved / "model.safetensors").unlink()
    (saved / "model.safetensors.index.json").write_text(content)
    with pytest.raises(ValueError, match=r"model\.safetensors\.index\.json cannot be read"):
        open_model(saved)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "processor_config.json"])
def test_code_of_its_own_is_never_run(raw_model: Path, name: str) -> None:
    change(raw_model / name, auto_map={"AutoConfig": "mine.Config", "AutoTokenizer": ["mine.T", None]})
    with pytest.raises(ValueError, match=rf"{name} asks for code of its own \(auto_map\), which is never run"):
        open_model(raw_model)


@pytest.mark.parametrize("damage", ["{", None], ids=["damaged", "absent"])
def test_a_processor_that_cannot_be_opened_is_named(raw_model: Path, damage: str | None) -> None:
    if damage is None:
        (raw_model / "tokenizer.json").unlink()
        (raw_model / "processor_config.json").unlink()
    else:
        (raw_model / "tokenizer.json").write_text(damage)
    with pytest.raises(ValueError, match=r"the processor in .* cannot be opened .*: copy processor_config\.json"):
        open_processor(raw_model)
