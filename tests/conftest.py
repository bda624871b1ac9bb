"""Isolation of every test (no network, no Hub, a cache of its own), and the folder of real data."""

import os
import socket
import tempfile
from pathlib import Path


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

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402


settings.register_profile("hf_mlm", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("hf_mlm")

pytest_plugins = ["tests.mlm_folders"]

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
