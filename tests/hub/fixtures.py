"""A Hub for tests in this process, one for fresh processes, and tiny models to push."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.hub.server import WRITER, Hub, serve


REPOSITORY = Path(__file__).parent.parent.parent


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub that this process talks to, as a user who may write; nothing waits between attempts."""
    import huggingface_hub.constants as constants
    import transformers.utils.hub as transformers_hub

    with serve() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        template = running.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(transformers_hub, "_hf_api", None)
        hasty = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})  # others still wait
        monkeypatch.setattr("huggingface_hub.utils._http.time", hasty)
        monkeypatch.setenv("HF_TOKEN", WRITER)
        yield running


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Runs Python in a process of its own against a Hub, and returns the JSON that it prints last."""

    def run(hub: Hub, code: str, words: Sequence[Any] = (), token: str | None = WRITER, python: str = "") -> Any:
        home = str(tmp_path_factory.mktemp("home"))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": home, "HF_HUB_DISABLE_XET": "1", "OMP_NUM_THREADS": "1"}
        environment |= {"HF_TOKEN": token} if token else {}
        command = [python or sys.executable, "-c", code, json.dumps(words)]
        done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture(scope="session")
def tagger_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny 2M-NER with its processor, and figures as its training would leave them."""
    import torch

    from hf_mlm import TwoMNERForTokenClassification
    from tests.models.two_mner import tiny

    folder = tmp_path_factory.mktemp("runs") / "two-mner"
    torch.manual_seed(0)
    TwoMNERForTokenClassification(tiny.config()).save_pretrained(folder)
    tiny.processor(tmp_path_factory.mktemp("vocabulary")).save_pretrained(folder)
    results = {"eval_f1": 0.5, "test_f1": 0.4, "test_precision": 0.5, "test_recall": 1 / 3, "test_PER_f1": 0.25}
    (folder / "all_results.json").write_text(json.dumps({**results, "epoch": 3.0, "train_runtime": 90.0}))
    (folder / "settings.yaml").write_text("dataset: demo\nseed: 7\noutput_dir: runs/secret\nlearning_rate: 1e-4\n")
    return folder


@pytest.fixture(scope="session")
def retrieval_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny IR+LE with its processor and a gallery."""
    from hf_mlm import Gallery, IRLEForRetrievalAndGeo, IRLEProcessor
    from tests.pipelines.tiny import rows, saved

    folder = saved(tmp_path_factory.mktemp("runs") / "irle")
    model, processor = IRLEForRetrievalAndGeo.from_pretrained(folder), IRLEProcessor.from_pretrained(folder)
    Gallery.encode(model, rows(), processor).save(folder / "gallery")
    return folder
