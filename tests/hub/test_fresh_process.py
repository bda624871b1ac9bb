"""Push by the command, then list, download and load by name, each in processes that know nothing but the address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hub.fixtures import fresh, tagger_folder  # noqa: F401, fixtures
from tests.hub.server import Hub, serve


PUSH = """
import json, sys
from hf_mlm.cli import main
for words in json.loads(sys.argv[1]):
    try:
        main(["push", *words])
    except SystemExit as stopped:
        assert not stopped.code, words
print("{}")
"""

LOAD = """
import json
import hf_mlm
from datasets import get_dataset_config_names, load_dataset
from huggingface_hub import HfApi, snapshot_download
from PIL import Image
from transformers import AutoModelForTokenClassification, AutoProcessor, pipeline

tag = pipeline("multimodal-ner", model="tester/ner")
raw = load_dataset("tester/mlm", "mlm", split="train")
stream = load_dataset("tester/mlm", "mlm", split="train", streaming=True)
print(json.dumps({
    "listed": sorted(HfApi().list_repo_files("tester/ner")),
    "downloaded": sorted(path.name for path in __import__("pathlib").Path(snapshot_download("tester/ner")).iterdir()),
    "model": type(AutoModelForTokenClassification.from_pretrained("tester/ner")).__name__,
    "processor": type(AutoProcessor.from_pretrained("tester/ner")).__name__,
    "entities": isinstance(tag({"text": "Paris rocks", "image": Image.new("RGB", (32, 32))}), list),
    "configs": get_dataset_config_names("tester/mlm"),
    "rows": raw["entity_id"][:],
    "streamed": [row["entity_id"] for row in stream],
    "pixel": next(iter(stream))["images"][0].getpixel((0, 0)),
    "pixel_here": raw[0]["images"][0].getpixel((0, 0)),
}))
"""


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with serve() as running:
        yield running


@pytest.fixture(scope="module")
def seen(hub: Hub, fresh: Callable[..., Any], tagger_folder: Path, raw_folder: Path) -> dict[str, Any]:  # noqa: F811
    """What a process without a token sees of what another process has pushed."""
    words = [
        ["model", str(tagger_folder), "--repo", "tester/ner"],
        ["dataset", "mlm", "mlm", "--data_dir", str(raw_folder), "--repo", "tester/mlm"],
    ]
    fresh(hub, PUSH, words)
    return fresh(hub, LOAD, token=None)


def test_the_model_is_listed_and_downloaded(seen: dict[str, Any]) -> None:
    assert seen["listed"] == seen["downloaded"]
    assert {"README.md", "model.safetensors", "processor_config.json"} <= set(seen["listed"])


def test_the_model_opens_by_name(seen: dict[str, Any]) -> None:
    assert (seen["model"], seen["processor"]) == ("TwoMNERForTokenClassification", "TwoMNERProcessor")
    assert seen["entities"]


def test_the_dataset_loads_and_streams_by_name(seen: dict[str, Any], raw_folder: Path) -> None:
    from datasets import load_dataset

    import hf_mlm  # noqa: F401, registers mlm

    here = load_dataset("mlm", "mlm", data_dir=str(raw_folder), split="train")
    assert seen["configs"] == ["mlm"]
    assert seen["rows"] == seen["streamed"] == here["entity_id"][:]
    assert seen["pixel"] == seen["pixel_here"] == list(here[0]["images"][0].getpixel((0, 0)))


def test_without_a_token_the_command_says_what_to_do(hub: Hub, fresh: Any, tagger_folder: Path) -> None:  # noqa: F811
    words = ("push", "model", str(tagger_folder), "--repo", "tester/other")
    with pytest.raises(AssertionError, match="hf-mlm push: the Hub does not know who is pushing to tester/other"):
        fresh(hub, words=words, token=None)
