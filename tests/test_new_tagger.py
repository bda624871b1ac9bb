"""A tagger of one's own: its folder and one row of the registry, and the shell trains, exports and opens it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hf_mlm
from tests.training.ner import recipe, write_corpus


CONFIGURATION = """
from huggingface_hub.dataclasses import strict

from hf_mlm.models.base.configuration import TextTaggerConfig


@strict
class GatedConfig(TextTaggerConfig):
    model_type = "gated"

    gate_size: int = 4
"""
MODELING = """
import torch

from hf_mlm.models.base.configuration import feature_size
from hf_mlm.models.base.encoders import build_encoder, drop_pooler
from hf_mlm.models.base.modeling import TaggerPreTrainedModel, tagger_forward
from hf_mlm.models.gated.configuration_gated import GatedConfig


class GatedForTokenClassification(TaggerPreTrainedModel):
    config_class = GatedConfig
    base_model_prefix = "gated"

    def __init__(self, config, text_encoder=None):
        super().__init__(config)
        self.text_encoder = drop_pooler(build_encoder(config.text_encoder_config, text_encoder))
        size = feature_size(self.text_encoder.config)
        layers = torch.nn.Linear(size, config.gate_size), torch.nn.Linear(config.gate_size, size)
        self.gate = torch.nn.Sequential(*layers)
        self.head = self._make_head(size, "crf")
        self.post_init()

    @tagger_forward
    def forward(self, input_ids=None, attention_mask=None, token_type_ids=None, word_ids=None, labels=None):
        vectors = self._read(input_ids, attention_mask, token_type_ids).last_hidden_state
        return self._finish(self.head(vectors * torch.sigmoid(self.gate(vectors))), word_ids, labels)
"""
ROW = """    "gated": ModelEntry(
        family="taggers",
        config=f"{_MODELS}.gated.configuration_gated:GatedConfig",
        model=f"{_MODELS}.gated.modeling_gated:GatedForTokenClassification",
        processor=f"{_PROCESSING}:TaggerProcessor",
        build=f"{_BUILDING}:build_text_tagger",
        graphs=_TAGGER_GRAPHS,
    ),
}

_SHARED"""
OPEN = """
import hf_mlm, sys
from transformers import AutoModelForTokenClassification, AutoProcessor, pipeline
assert hf_mlm.__file__.startswith(sys.argv[1]), hf_mlm.__file__
model = AutoModelForTokenClassification.from_pretrained("run")
assert type(model) is hf_mlm.GatedForTokenClassification and model.config.gate_size == 6
tag = pipeline("multimodal-ner", model=model, processor=AutoProcessor.from_pretrained("run"))
print(*(entity["word"] for entity in tag("we saw Ada and the road to Cork")))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package with a new tagger: three files and a row."""
    copy = tmp_path / "package" / "hf_mlm"
    shutil.copytree(Path(hf_mlm.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "models" / "gated").mkdir()
    for name, text in {"__init__": "", "configuration_gated": CONFIGURATION, "modeling_gated": MODELING}.items():
        (copy / "models" / "gated" / f"{name}.py").write_text(text)
    registry = copy / "registry.py"
    text = registry.read_text()
    assert text.count("}\n\n_SHARED") == 1
    registry.write_text(text.replace("}\n\n_SHARED", ROW))
    return copy.parent


def python(package: Path, *words: str, folder: Path) -> str:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(package), str(Path(__file__).parents[1])])}
    run = subprocess.run([sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


@pytest.mark.heavy
def test_a_folder_and_a_row_make_a_tagger(package: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = recipe(write_corpus(tmp_path / "data"), tmp_path, num_train_epochs=8)
    python(
        package, "-m", "hf_mlm.cli", "train", "gated", "--config", str(path), "--model.gate_size", "6", folder=tmp_path
    )
    assert python(package, "-c", OPEN, str(package), folder=tmp_path).split() == ["Ada", "Cork"]
    assert "model.onnx" in python(package, "-m", "hf_mlm.cli", "export", "run", "onnx", folder=tmp_path)
