"""The whole chain: to load_dataset, through kill -9, offline, with other settings, on a full disk."""

import dataclasses
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from hf_mlm.construction.http import HttpSettings, UnavailableError
from hf_mlm.files import sha256_of
from hf_mlm.geo.partition import GeoCellPartition


def contents(folder: Path) -> dict[str, str]:
    """Hash of every file that a stage has left, manifests included, logs and recorded traffic not."""
    stages = [path for path in folder.iterdir() if path.is_dir() and path.name != "logs"]
    return {
        path.relative_to(folder).as_posix(): sha256_of(path)
        for stage in stages
        for path in sorted(stage.rglob("*"))
        if path.is_file()
    }


def test_from_an_endpoint_to_load_dataset(build: Any, endpoint: Any, tmp_path: Path) -> None:
    manifests = build(source=endpoint)
    folder = tmp_path / "build" / "dataset"
    every = {config: load_dataset("mlm", config, data_dir=str(folder)) for config in ("mlm", "irle", "irle-gr")}
    sizes = {config: sum(map(len, splits.values())) for config, splits in every.items()}
    assert sizes["mlm"] == manifests["selection"].rows == 41 and sizes["irle"] == 41 - manifests[
        "selection"
    ].noted.get("entities in too sparse cells (irle)", 0)
    assert manifests["selection"].facts["sample"]["drawn"] == {"DE": 20, "FR": 8}
    partition = GeoCellPartition.load(tmp_path / "build" / "selection" / "irle-cells.json")
    for split in every["irle"].values():
        assert split.features["geo_cell"].names == partition.tokens
        assert split["geo_cell"][:] == partition.assign(split["latitude"][:], split["longitude"][:]).tolist()
    rows = {row["entity_id"]: row for split in every["mlm"].values() for row in split}
    row = rows["Q1004"]
    assert row["summaries"] == {"en": "Place 1004 is a settlement.", "de": "Ort 1004 is a settlement.", "fr": None}
    assert (row["label"], row["classes"], row["country"]) == ("Place 1004", ["city"], "DE")
    assert row["images"][0].size == (12, 9) and rows["Q913"]["label"] == "Ohne Namen"
    licences = pq.read_table(sorted((folder / "image_licences").glob("*.parquet"))).to_pylist()
    assert len(licences) == 41 and {row["licence"] for row in licences} == {"CC BY-SA 4.0"}


@pytest.mark.heavy
def test_wherever_it_is_killed_it_goes_on(build: Any, wiki: Any, tmp_path: Path) -> None:
    build("whole")
    expected = contents(tmp_path / "whole")
    asked = set(wiki.requests)
    for path in (tmp_path / "traffic").rglob("*.gz"):
        path.unlink()
    wiki.requests.clear()
    moments = [lambda: (tmp_path / "killed" / "items").is_dir(), lambda: len(wiki.requests) > 5]
    moments += [lambda: len(wiki.requests) > 30, lambda: (tmp_path / "killed" / "dataset").is_dir()]
    for moment in moments:
        _kill_when(moment, lambda: build("killed"))
    build("killed")
    assert contents(tmp_path / "killed") == expected
    assert set(wiki.requests) == asked and max(wiki.requests.values()) <= 2  # the one in flight is asked again


def _kill_when(moment: Callable[[], bool], run: Callable[[], Any]) -> None:
    """Run in a process group of its own, and kill all of it at a moment."""
    child = os.fork()
    if not child:
        os.setsid()
        run()
        os._exit(0)
    deadline = time.monotonic() + 60
    while not moment() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert time.monotonic() < deadline
    os.killpg(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def test_traffic_replays_offline(build_here: Any, wiki: Any, http: HttpSettings, tmp_path: Path) -> None:
    build_here("online")
    wiki.faults = ["503"] * 1000
    build_here("offline", http=dataclasses.replace(http, offline=True))
    assert contents(tmp_path / "offline") == contents(tmp_path / "online")


def test_a_service_that_is_down_stops_the_build_and_loses_nothing(build: Any, wiki: Any, tmp_path: Path) -> None:
    wiki.faults = ["", "", "503", "503", "503", "503"]
    with pytest.raises(UnavailableError, match="it goes on where it stopped"):
        build()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "build" / "places").iterdir()}
    assert build()["dataset"].rows
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_full_disk_is_said_and_survived(build: Any, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
        with pytest.raises(OSError, match="no room is left to write in .*/items"):
            build()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((tmp_path / "build" / "items").glob("*"))


def test_another_build_is_not_mixed_in(build: Any, dump: Path) -> None:
    build_settings = {"edition": dataclasses.replace(_small(), hops=2)}
    _stop_after_claim(build)
    with pytest.raises(ValueError, match="holds a build with another edition"):
        build(**build_settings)
    with pytest.raises(ValueError, match="holds a build with another tasks"):
        build(tasks=3)
    dump.write_bytes(dump.read_bytes() + b"\n")
    with pytest.raises(ValueError, match="holds a build with another source"):
        build()


def _small() -> Any:
    from hf_mlm.construction.mlm.build_config import Edition

    return Edition(max_entities=30, min_entities=5, sample_size=40, country_shares={"DE": 50, "FR": 20})


def _stop_after_claim(build: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hf_mlm.construction.mlm.build.run_stages", lambda *arguments: None)
        build()


def test_files_that_vanish_are_made_again(build: Any, tmp_path: Path) -> None:
    build()
    expected = contents(tmp_path / "build")
    (tmp_path / "build" / "places" / "00001.parquet").unlink()
    (tmp_path / "build" / "summaries" / "00000.parquet").write_bytes(b"cut")
    build()
    assert contents(tmp_path / "build") == expected
