"""What every test shares: no network, no hub, a cache of its own, and the way to real data."""

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


_HOME = tempfile.mkdtemp(prefix="hf_mlm_tests_")
os.environ.update(
    HF_HOME=_HOME,
    XDG_CACHE_HOME=_HOME,
    HF_HUB_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_DATASETS_DISABLE_PROGRESS_BARS="1",
    TOKENIZERS_PARALLELISM="false",
    CUDA_VISIBLE_DEVICES="",
    MPLBACKEND="Agg",
)

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402


settings.register_profile("hf_mlm", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("hf_mlm")

REPOSITORY = Path(__file__).parent.parent
SHARED_DATA = Path(os.environ.get("HF_MLM_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; the test is skipped where there is none."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no real data: set HF_MLM_SHARED_DATA to its folder")
    return SHARED_DATA


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail any test that opens a connection to another machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else "localhost"
        if host not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test tried to reach {host}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


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
    """The authors' final HDF5 files in small: image and text of an entity share a hidden vector that tells the cell."""
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
