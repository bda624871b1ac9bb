"""A stand-in for Wikimedia, a SPARQL server with a small graph, and builds of it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests


pytest.importorskip("datatrove")
sys.path.insert(0, str(Path(__file__).parent))  # graph.py and wikimedia.py, for every test below

import graph  # noqa: E402
import wikimedia  # noqa: E402

from hf_mlm.construction.http import HttpSettings  # noqa: E402
from hf_mlm.construction.mlm.build import BuildConfig, DumpSource, EndpointSource, Wikimedia, build_mlm, mlm_stages  # noqa: E402
from hf_mlm.construction.mlm.sparql import EndpointSettings  # noqa: E402
from hf_mlm.construction.stage import (
    MANIFEST,
    Stage,  # noqa: E402
    StageManifest,
)


SMALL = BuildConfig(max_entities=30, min_entities=5, sample_size=40, country_shares={"DE": 50, "FR": 20})


@pytest.fixture
def wiki() -> Iterator[wikimedia.Wikimedia]:
    """The stand-in, well behaved until told otherwise."""
    stand_in = wikimedia.Wikimedia()
    with wikimedia.served(stand_in.handler()) as url:
        stand_in.url = url
        yield stand_in


@pytest.fixture
def http(tmp_path: Path) -> HttpSettings:
    """Hardly any pauses, short patience."""
    return HttpSettings("me@example.org", tmp_path / "traffic", attempts=4, pause=0.01, timeout=(2.0, 0.5))


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """The small graph as a dump."""
    path = tmp_path / "wikidata-20260105-all.json"
    path.write_bytes(graph.dump_text(graph.world()))
    return path


@pytest.fixture
def build(tmp_path: Path, wiki: Any, http: HttpSettings, dump: Path) -> Callable[..., Any]:
    """``build(name="build", source=None, …)``: the manifests of a build in a folder of that name, by the executor."""

    def run(name: str = "build", source: Any = None, http: HttpSettings = http, **arguments: Any) -> Any:
        services = Wikimedia(http, wiki.wikipedia, wiki.commons)
        arguments = {"config": SMALL, "tasks": 2} | arguments
        return build_mlm(tmp_path / name, source or DumpSource.of([dump]), services, **arguments)

    return run


@pytest.fixture
def build_here(tmp_path: Path, wiki: Any, http: HttpSettings, dump: Path) -> Callable[..., Any]:
    """The same without an executor, in this process; ``until`` names the last stage."""

    def run(name: str = "build", source: Any = None, until: str = "dataset", http: Any = http, **changes: Any) -> Any:
        services = Wikimedia(http, wiki.wikipedia, wiki.commons)
        changes = {"config": SMALL, "tasks": 2} | changes
        stages = mlm_stages(tmp_path / name, source or DumpSource.of([dump]), services, **changes)
        last = [stage.name for stage in stages].index(until)
        return {stage.name: run_stage(stage) for stage in stages[: last + 1]}

    return run


def run_stage(stage: Stage) -> StageManifest:
    """Run the tasks of a stage one after the other, as an executor does, and seal it."""
    for rank in range(stage.tasks):
        data: Any = None
        for step in stage.pipeline():
            data = step(data, rank, stage.tasks)
    stage.seal()(None)
    return StageManifest.load(stage.folder / MANIFEST)


@pytest.fixture(scope="session")
def sparql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an Oxigraph server with the small graph."""
    program = shutil.which("oxigraph", path=str(Path(sys.executable).parent)) or shutil.which("oxigraph")
    if program is None:
        pytest.skip("no SPARQL server: install the package oxigraph")
    folder = tmp_path_factory.mktemp("oxigraph")
    (folder / "world.ttl").write_text(graph.turtle(graph.world()), encoding="utf-8")
    location = ["--location", str(folder / "store")]
    subprocess.run([program, "load", *location, "--file", str(folder / "world.ttl")], check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    server = subprocess.Popen(
        [program, "serve-read-only", *location, "--bind", address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(f"http://{address}/query")
        yield f"http://{address}/query"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def endpoint(sparql: str, http: HttpSettings) -> EndpointSource:
    """The server as a source of entities."""
    return EndpointSource(EndpointSettings(http, sparql, batch=10))


def _wait_for(url: str) -> None:
    for _ in range(100):
        try:
            requests.get(url, params={"query": "ASK {}"}, timeout=1)
            return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise AssertionError(f"{url} did not start")
