"""Builds of MLM from a dump and an endpoint, killed, replayed, refused; and the command."""

from __future__ import annotations

import bz2
import dataclasses
import gzip
import html
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import graph
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from hf_mlm.construction.http import HttpSettings, UnavailableError
from hf_mlm.construction.mlm.build import BuildConfig, DumpSource, load_build_config
from hf_mlm.construction.mlm.revisions import compare_builds
from hf_mlm.construction.report import write_report
from hf_mlm.files import locked, sha256_of
from hf_mlm.geo.partition import GeoCellPartition


def test_mlm_itself_and_ten_languages(tmp_path: Path) -> None:
    assert load_build_config() == BuildConfig() and BuildConfig().languages == ("en", "de", "fr")
    path = tmp_path / "ten.yaml"
    path.write_text("languages: [en, de, fr, it, es, pl, ro, nl, hu, pt]\nhops: 2\n")
    config = load_build_config(path, hops=1)
    assert len(config.languages) == 10 and config.hops == 1
    assert BuildConfig(**config.to_json()) == config


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"base_types": ["P31"]}, "Wikidata items such as"),
        ({"languages": ["en", "en"]}, "none twice"),
        ({"hops": -1}, "at least 0"),
        ({"thumbnail_width": 256}, "Wikimedia serves, 20, 40.*thumbnail_width=256"),
        ({"rule": "mine"}, "'paper', 'authors', found rule='mine'"),
        ({"colour": "red"}, "found 'colour'"),
    ],
)
def test_what_makes_no_sense(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        load_build_config(None, **wrong)


def test_files_that_are_no_editions(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="found no file .*missing.yaml"):
        load_build_config(tmp_path / "missing.yaml")
    (tmp_path / "list.yaml").write_text("- en\n")
    with pytest.raises(ValueError, match="Expected a mapping .*list.yaml"):
        load_build_config(tmp_path / "list.yaml")


def rows_of(folder: Path) -> list[dict[str, Any]]:
    rows = [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    return sorted(rows, key=lambda row: int(row["id"][1:]))


def test_both_sources_give_the_same_entities(build_here: Any, endpoint: Any, tmp_path: Path) -> None:
    from_dump, from_endpoint = build_here("dump", until="names"), build_here("endpoint", endpoint, "names")
    for stage in ("classes", "entities", "names"):
        assert rows_of(tmp_path / "dump" / stage) == rows_of(tmp_path / "endpoint" / stage), stage
    ids = {row["id"] for row in rows_of(tmp_path / "dump" / "entities")}
    unusual = {name for name, item in graph.awkward().items() if item.id in ids}
    assert unusual == {
        "preferred coordinates",
        "several coordinates",
        "a leaf three steps down",
        "underscores and accents",
        "no label",
    }
    assert len(ids) == 36 + len(unusual)
    reasons = {"off the earth": 1, "no article": 1, "no image": 3}
    assert {reason: from_dump["entities"].dropped[reason] for reason in reasons} == reasons
    assert from_endpoint["entities"].dropped == reasons | {"no coordinates": 1}
    assert "wdt:P279" in from_endpoint["classes"].facts["queries"]["subclasses"]


CASTLES = BuildConfig(base_types=(graph.CASTLE,), languages=("en", "de"), country_shares={})


def test_castles_of_both_sources_are_the_same(build_here: Any, endpoint: Any, tmp_path: Path) -> None:
    config = dataclasses.replace(CASTLES, languages=("en", "de", "no", "mul"))
    build_here("dump", until="names", config=config)
    build_here("endpoint", endpoint, "names", config=config)
    for stage in ("classes", "entities", "names"):
        assert rows_of(tmp_path / "dump" / stage) == rows_of(tmp_path / "endpoint" / stage), stage
    rows, items = {row["id"]: row for row in rows_of(tmp_path / "dump" / "entities")}, graph.castles()
    labels = {name: rows[item.id]["labels"] for name, item in items.items() if item.id in rows}
    assert labels["a label in all languages"] == dict.fromkeys(("en", "de", "no", "mul"), "Schloss A")
    assert labels["labels and one in all languages"] == {"en": "B Castle"} | dict.fromkeys(
        ("de", "no", "mul"), "Schloss B"
    )
    assert labels["aliases in all languages"]["en"] == "Abe" and labels["Norwegian"]["no"] == "Borg"
    assert rows["Q2014"]["sitelinks"] == {"en": "Castle", "de": None, "no": "Borg", "mul": None}
    assert rows["Q2013"]["images"] == ["თა ß.jpg"] and "Q2012" not in rows and len(rows) == 13
    assert {"id": graph.PALACE, "label": "palace", "country_code": None} in rows_of(tmp_path / "dump" / "names")


def test_countries_are_chosen_by_rules_that_are_recorded(build_here: Any, tmp_path: Path) -> None:
    build_here("dump", until="selection", config=CASTLES)
    rows = {row["id"]: row for row in rows_of(tmp_path / "dump" / "selection")}
    found = {
        name: (rows[item.id]["country"], rows[item.id]["country_rule"])
        for name, item in graph.castles().items()
        if item.id in rows
    }
    expected = {"not ended": "DE", "all ended": None, "not disputed": "FR", "latest start": "FR"}
    expected |= {"several": None, "no code": None, "none stated": None}
    assert {name: found[name] for name in expected} == {name: (code, name) for name, code in expected.items()}
    assert {found[name] for name in found if name not in expected} == {("DE", "only one")}


def test_truth_in_detail(build_here: Any, tmp_path: Path) -> None:
    build_here("dump", until="names")
    places = {row["id"]: row for row in rows_of(tmp_path / "dump" / "entities")}
    assert (places["Q905"]["latitude"], places["Q905"]["classes"]) == (50.5, [graph.TOWN])
    assert (places["Q906"]["latitude"], places["Q906"]["longitude"]) == (50.0, 7.0)
    assert places["Q912"]["images"] == ["Été à Köln & Bonn?.jpg"]
    names = {row["id"]: row for row in rows_of(tmp_path / "dump" / "names")}
    assert names[graph.GERMANY] == {"id": graph.GERMANY, "label": "Germany", "country_code": "DE"}
    classes = {row["id"]: row["hops"] for row in rows_of(tmp_path / "dump" / "classes")}
    assert classes == {graph.SETTLEMENT: 0, graph.CITY: 1, graph.TOWN: 1, graph.SPA_TOWN: 2, graph.HOT_SPA: 3}


def test_the_date_is_in_the_name_of_a_dump(dump: Path) -> None:
    assert DumpSource.of([dump]).date == "20260105"
    assert DumpSource.of([dump], "2026-02-02").date == "2026-02-02"
    with pytest.raises(FileNotFoundError, match="found no .*other.json"):
        DumpSource.of([dump.with_name("other.json")])


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
    (tmp_path / "traffic" / "responses.sqlite").unlink()
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
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "build" / "entities").iterdir()}
    assert build()["dataset"].rows
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_full_disk_is_said_and_survived(build: Any, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
        with pytest.raises(OSError, match="no room is left to write in .*/build"):
            build()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((tmp_path / "build" / "items").glob("*"))


def test_another_build_is_not_mixed_in(build: Any, dump: Path) -> None:
    build_settings = {"config": dataclasses.replace(_small(), hops=2)}
    _begin(build)
    with pytest.raises(ValueError, match="the same build config, found another"):
        build(**build_settings)
    with pytest.raises(ValueError, match="the same tasks, found another"):
        build(tasks=3)
    dump.write_bytes(dump.read_bytes() + b"\n")
    with pytest.raises(ValueError, match="the same source, found another"):
        build()


def _small() -> Any:
    from hf_mlm.construction.mlm.build import BuildConfig

    return BuildConfig(max_entities=30, min_entities=5, sample_size=40, country_shares={"DE": 50, "FR": 20})


def _begin(build: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hf_mlm.construction.executors.run_stages", lambda *arguments: None)
        build()


def test_files_that_vanish_are_made_again(build: Any, tmp_path: Path) -> None:
    build()
    expected = contents(tmp_path / "build")
    (tmp_path / "build" / "entities" / "00001.parquet").unlink()
    (tmp_path / "build" / "summaries" / "00000.parquet").write_bytes(b"cut")
    build()
    assert contents(tmp_path / "build") == expected


@pytest.mark.heavy
def test_the_command_ends_with_card_and_report(wiki: Any, dump: Path, tmp_path: Path) -> None:
    config = tmp_path / "small.yaml"
    config.write_text("{max_entities: 30, min_entities: 5, sample_size: 40, country_shares: {DE: 50}}")
    target = tmp_path / "build"
    words = ["--contact", "me@example.org", "--dump", str(dump), "--tasks", "2", "--edition", str(config)]
    words += ["--wikipedia", wiki.wikipedia, "--commons", wiki.commons]
    done = _run(["build", "mlm", str(target), *words])
    assert done.returncode == 0, done.stderr
    assert "no article" in done.stdout and "load_dataset(" in done.stdout and "report.html" in done.stdout
    assert "Processing done" not in done.stderr and "2/2" in done.stderr
    assert "Processing done" in (target / "logs" / "build.log").read_text()
    assert {"README.md", "croissant.json", "provenance.json"} <= {path.name for path in (target / "dataset").iterdir()}
    page = (target / "report.html").read_text()
    ElementTree.fromstring(page.partition("\n")[2])
    text = html.unescape(re.sub(r"<[^>]*>", " ", page))
    assert "41 settlements with" in text and "Stage entities" in text and "CC BY-SA 4.0" in text


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    """In a process of its own, whose standard error is nobody else's."""
    environment = {name: value for name, value in os.environ.items() if name != "HF_MLM_SHARED_DATA"}
    command = [sys.executable, "-c", "import sys; from hf_mlm.cli import main; main(sys.argv[1:])", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_a_build_without_entities_ends_at_once(build: Any, wiki: Any, tmp_path: Path) -> None:
    config = dataclasses.replace(_small(), base_types=("Q999999999",))
    for _ in range(2):  # running again does not go on
        with pytest.raises(ValueError, match="entities after the stage 'entities', found none: .* dropped because of"):
            build(config=config)
    assert not wiki.requests and not (tmp_path / "build" / "summaries").exists()
    wiki.missing = {title for n in range(1000, 1036) for title in (f"Place {n}", f"Ort {n}", f"Lieu {n}")}
    wiki.missing |= {f"{name} {n}" for n in range(900, 920) for name in ("Place", "Ort", "Lieu")} | {"Ohne Namen"}
    with pytest.raises(ValueError, match="stage 'summaries', found none: 41 dropped because of 'no summary'"):
        build("silent")


def test_a_changed_file_of_the_same_size_is_made_again(build: Any, tmp_path: Path) -> None:
    build()
    expected = contents(tmp_path / "build")
    path = tmp_path / "build" / "summaries" / "00000.parquet"
    path.write_bytes(path.read_bytes()[:-9] + b"x" * 9)
    build()
    assert contents(tmp_path / "build") == expected


def test_a_folder_has_one_writer(build: Any, tmp_path: Path) -> None:
    with locked(tmp_path / "build", "build"), pytest.raises(BlockingIOError, match="another process that writes"):
        build()


def test_images_that_did_not_come_are_asked_for_again(build: Any, wiki: Any, tmp_path: Path) -> None:
    build("whole")
    (tmp_path / "traffic" / "responses.sqlite").unlink()
    wiki.images = {"Place 1004.jpg": b"<html>Wikimedia Error</html>", "Place 1005.jpg": b""}
    assert build()["images"].dropped["image: given up, damaged"] == 2
    failures = (tmp_path / "build" / "failures.tsv").read_text().splitlines()
    assert [line.partition("/thumb/")[2] for line in failures] == [f"Place%20{n}.jpg\tdamaged" for n in (1004, 1005)]
    wiki.images, before = {}, dict(wiki.requests)
    assert build()["images"].dropped["image: given up, damaged"] == 2 and dict(wiki.requests) == before
    build(ask_again=True)
    assert contents(tmp_path / "build") == contents(tmp_path / "whole")
    assert (tmp_path / "build" / "failures.tsv").read_text() == ""


def test_castles_are_called_castles(build: Any, tmp_path: Path) -> None:
    build(config=CASTLES)
    dataset = tmp_path / "build" / "dataset"
    card, croissant = (dataset / "README.md").read_text(), json.loads((dataset / "croissant.json").read_text())
    assert "13 castles with summaries" in card and croissant["name"] == "mlm-castles"
    page = write_report(tmp_path / "build").read_text()
    assert "An MLM of castles" in page and "settlement" not in page.partition("<body")[2].partition("Figures")[0]
    rows = {row["entity_id"]: row for row in rows_of_table(dataset / "entity_sources")}
    assert rows["Q2009"]["countries"] == [graph.FRANCE, graph.GERMANY] and rows["Q2009"]["country_rule"] == "several"


def rows_of_table(folder: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_dumps_of_two_dates_are_refused(tmp_path: Path) -> None:
    paths = [tmp_path / f"wikidata-{date}-all.json" for date in ("20260105", "20260112")]
    for path in paths:
        path.write_text("[\n]\n")
    with pytest.raises(ValueError, match="the dates 20260105, 20260112"):
        DumpSource.of(paths)


@pytest.mark.heavy
def test_every_form_source_and_number_of_tasks_has_the_same_content(build: Any, endpoint: Any, tmp_path: Path) -> None:
    lines = graph.dump_text(graph.world()).splitlines(keepends=True)
    members = [b"".join(lines[start : start + 9]) for start in range(0, len(lines), 9)]
    forms = {"gz": b"".join(map(gzip.compress, members)), "bz2": bz2.compress(b"".join(lines))}
    sources = {}
    for form, content in forms.items():
        (tmp_path / f"wikidata-20260105-all.json.{form}").write_bytes(content)
        sources[form] = DumpSource.of([tmp_path / f"wikidata-20260105-all.json.{form}"])
    for name, source, tasks in [
        ("a", sources["gz"], 2),
        ("b", sources["gz"], 16),
        ("c", sources["bz2"], 3),
        ("d", endpoint, 2),
    ]:
        build(name, source, tasks=tasks)
    contents = [
        json.loads((tmp_path / name / "dataset" / "provenance.json").read_text())["content"] for name in "abcd"
    ]
    assert len(set(contents)) == 1
    assert compare_builds(tmp_path / "a" / "dataset", tmp_path / "d" / "dataset").kept == 41
