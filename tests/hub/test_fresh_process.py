"""Push by the command, then list, download, load and ask by name, in processes that know nothing but the address.

Once with the Python of the tests, and once with one that has nothing but the wheel, named in HF_MLM_WHEEL_PYTHON::

    make wheel
    HF_MLM_WHEEL_PYTHON=build/wheel/bin/python pytest tests/hub
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hub.fixtures import REPOSITORY, fresh, retrieval_folder, tagger_folder  # noqa: F401, fixtures
from tests.hub.server import Hub, serve


pytestmark = pytest.mark.heavy

PUSH = """
import contextlib, io, json, os, sys
from hf_mlm.cli import main

def push(words):
    try:
        main(["push", *words])
    except SystemExit as stopped:
        return stopped.code

commands = json.loads(sys.argv[1])
token, said = os.environ.pop("HF_TOKEN"), io.StringIO()
with contextlib.redirect_stderr(said):
    refused = push(commands[0])
os.environ["HF_TOKEN"] = token
done = [push(words) for words in commands]
print(json.dumps({"refused": refused, "said": said.getvalue(), "done": done}))
"""

LOAD = """
import json, pathlib
import hf_mlm
from datasets import get_dataset_config_names, load_dataset
from huggingface_hub import HfApi, snapshot_download
from transformers import AutoModel, AutoModelForTokenClassification, AutoProcessor, pipeline

raw = load_dataset("tester/mlm", "mlm", split="train")
stream = load_dataset("tester/mlm", "mlm", split="train", streaming=True)
image = raw[0]["images"][0]
package = pathlib.Path(hf_mlm.__file__).parent
others = [path for path in package.rglob("*.*") if path.suffix != ".py" and "__pycache__" not in path.parts]
print(json.dumps({
    "listed": sorted(HfApi().list_repo_files("tester/ner")),
    "downloaded": sorted(path.name for path in pathlib.Path(snapshot_download("tester/ner")).iterdir()),
    "models": [type(AutoModelForTokenClassification.from_pretrained("tester/ner")).__name__,
               type(AutoModel.from_pretrained("tester/irle")).__name__],
    "processors": [type(AutoProcessor.from_pretrained(name)).__name__ for name in ("tester/ner", "tester/irle")],
    "tagged": pipeline("multimodal-ner", model="tester/ner")({"text": "Paris rocks in France", "image": image}),
    "located": pipeline("geo-estimation", model="tester/irle")(image),
    "retrieved": pipeline("cross-modal-retrieval", model="tester/irle")(image, top_k=3),
    "configs": get_dataset_config_names("tester/mlm"),
    "rows": raw["entity_id"][:],
    "streamed": [row["entity_id"] for row in stream],
    "pixel": next(iter(stream))["images"][0].getpixel((0, 0)),
    "pixel_here": image.getpixel((0, 0)),
    "package": str(package),
    "others": sorted(path.relative_to(package).as_posix() for path in others),
}))
"""


@pytest.fixture(scope="module", params=["these tests", "the wheel"])
def python(request: pytest.FixtureRequest) -> str:
    """The Python of an environment."""
    if request.param == "these tests":
        return sys.executable
    if "HF_MLM_WHEEL_PYTHON" not in os.environ:
        pytest.skip("set HF_MLM_WHEEL_PYTHON to the Python of an environment with nothing but the wheel")
    return str(Path(os.environ["HF_MLM_WHEEL_PYTHON"]).absolute())


@pytest.fixture(scope="module")
def hub(python: str) -> Iterator[Hub]:
    with serve() as running:
        yield running


@pytest.fixture(scope="module")
def pushed(
    hub: Hub,
    python: str,
    fresh: Callable[..., Any],  # noqa: F811
    tagger_folder: Path,  # noqa: F811
    retrieval_folder: Path,  # noqa: F811
    raw_folder: Path,
) -> dict[str, Any]:
    """What a process said that pushed two models and a dataset."""
    words = [
        ["model", str(tagger_folder), "--repo", "tester/ner"],
        ["model", str(retrieval_folder), "--repo", "tester/irle"],
        ["dataset", "mlm", "mlm", "--data_dir", str(raw_folder), "--licence", "cc-by-4.0", "--repo", "tester/mlm"],
    ]
    return fresh(hub, PUSH, words, python=python)


@pytest.fixture(scope="module")
def seen(hub: Hub, python: str, fresh: Callable[..., Any], pushed: Any) -> dict[str, Any]:  # noqa: F811
    """What another process, without a token, sees of it."""
    return fresh(hub, LOAD, token=None, python=python)


def test_without_a_token_the_command_says_what_to_do(pushed: dict[str, Any]) -> None:
    assert pushed["refused"] == 1
    assert "hf-mlm push: the Hub does not know who is pushing to tester/ner" in pushed["said"]
    assert pushed["done"] == [0, 0, 0]


def test_the_model_is_listed_and_downloaded(seen: dict[str, Any]) -> None:
    assert seen["listed"] == seen["downloaded"]
    assert {"README.md", "model.safetensors", "processor_config.json"} <= set(seen["listed"])


def test_the_models_open_by_name(seen: dict[str, Any]) -> None:
    assert seen["models"] == ["TwoMNERForTokenClassification", "IRLEForRetrievalAndGeo"]
    assert seen["processors"] == ["TwoMNERProcessor", "IRLEProcessor"]


def test_all_pipelines_answer_by_name_as_they_do_from_the_folder(
    seen: dict[str, Any],
    tagger_folder: Path,  # noqa: F811
    retrieval_folder: Path,  # noqa: F811
    raw_folder: Path,
) -> None:
    from transformers import pipeline

    image = raw_folder / "images" / "Q0_0.png"
    tag = pipeline("multimodal-ner", model=str(tagger_folder))
    found = tag({"text": "Paris rocks in France", "image": image})
    assert [entity["word"] for entity in seen["tagged"]] == [entity["word"] for entity in found]
    located = pipeline("geo-estimation", model=str(retrieval_folder))(image)
    assert seen["located"]["cells"][0]["token"] == located["cells"][0]["token"]
    assert seen["located"]["radius_km"] == pytest.approx(located["radius_km"], rel=1e-3)
    retrieved = pipeline("cross-modal-retrieval", model=str(retrieval_folder))(image, top_k=3)
    assert [entity["entity_id"] for entity in seen["retrieved"]] == [entity["entity_id"] for entity in retrieved]


def test_the_dataset_loads_and_streams_by_name(seen: dict[str, Any], raw_folder: Path) -> None:
    from datasets import load_dataset

    import hf_mlm  # noqa: F401, registers mlm

    here = load_dataset("mlm", "mlm", data_dir=str(raw_folder), split="train")
    assert seen["configs"] == ["mlm"]
    assert seen["rows"] == seen["streamed"] == here["entity_id"][:]
    assert seen["pixel"] == seen["pixel_here"] == list(here[0]["images"][0].getpixel((0, 0)))


def test_the_package_is_whole(seen: dict[str, Any], python: str) -> None:
    assert (Path(seen["package"]) == REPOSITORY / "hf_mlm") is (python == sys.executable)
    here = REPOSITORY / "hf_mlm"
    files = [path for path in here.rglob("*.*") if path.suffix != ".py" and "__pycache__" not in path.parts]
    assert seen["others"] == sorted(path.relative_to(here).as_posix() for path in files)
