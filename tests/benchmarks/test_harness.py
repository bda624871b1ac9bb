"""Pairs of timings against a clock that is known, and medians against the binomial distribution."""

from __future__ import annotations

import importlib.util
import inspect
import json
import random
import re
import statistics
from xml.etree import ElementTree

import pytest

from hf_mlm.benchmarks import harness
from hf_mlm.benchmarks.harness import BENCHMARKS, Benchmark, Report, median, peak_memory, shares_of
from hf_mlm.benchmarks.tables import draw, markdown, to_json


FACTS = {"date": "2026-01-02", "machine": "a clock", "versions": {"python": "3"}}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time that passes only when a function says so."""
    now = [0.0]
    monkeypatch.setattr(harness.time, "perf_counter", lambda: now[0])
    return now


def test_the_ratio_is_per_item_and_the_target_stands_beside_it(clock: list[float]) -> None:
    def take(seconds: float) -> int:
        clock[0] += seconds
        return 1

    report, order = Report(repeats=3), []
    report.compare(
        "words",
        lambda: (order.append("ours"), take(0.5))[1],
        lambda: (order.append("peer"), take(2.0))[1],
        peer_name="slow",
        equal=lambda ours, theirs: ours == theirs,
        items=10,
        peer_items=2,
        target="≥ 9×",
    )
    assert order == ["ours", "peer"] * 4  # in turn, the first pair untimed
    assert report.rows[0].ratio == (20, 20, 20)  # (2 s / 2) / (0.5 s / 10)
    printed = markdown("T", FACTS, report)
    assert re.search(
        r"\| \*\*20×\*\* \| 20 – 20 \| words \| 500 ms for 10 \| \S+( MB)? \| slow \| 2 s for 2 \|", printed
    )
    assert printed.count("≥ 9×") == 1


def test_unequal_results_are_not_timed() -> None:
    with pytest.raises(ValueError, match="ours: our result differs from that of theirs"):
        Report().compare("ours", lambda: 1, lambda: 2, peer_name="theirs", equal=lambda a, b: a == b)


def test_long_calls_are_repeated_less_but_never_less_than_asked_or_thrice(clock: list[float]) -> None:
    def rows(repeats: int, seconds: float) -> int:
        calls = []
        Report(repeats).measure("rows", lambda: (calls.append(1), clock.__setitem__(0, clock[0] + seconds)))
        return len(calls) - 1  # one goes before

    assert rows(15, 0.1) == 15
    assert rows(15, 1.0) == harness.BUDGET
    assert rows(15, 100.0) == 3
    assert rows(2, 100.0) == 2


def test_growth_is_told_from_the_smallest_size(clock: list[float]) -> None:
    def make(size: int):
        return lambda: clock.__setitem__(0, clock[0] + size**2)

    report = Report(repeats=2)
    report.grow("rows", make, [10, 20, 40])
    assert [row.ratio.value for row in report.rows] == [1, 4, 16]
    assert "| **16×** | 16 – 16 | rows = 40 | 4× the size |" in markdown("T", FACTS, report)
    figures = json.loads(to_json("T", FACTS, report))
    assert figures["date"] == "2026-01-02" and figures["rows"][2]["ratio"] == [16, 16, 16]


def test_intervals_hold_the_true_median_nineteen_times_in_twenty() -> None:
    drawn = random.Random(0)
    for size in (6, 9, 25):
        intervals = [median([drawn.gauss(0, 1) for _ in range(size)]) for _ in range(2000)]
        held = statistics.mean(found.low <= 0 <= found.high for found in intervals)
        assert 0.94 < held < 0.995


@pytest.mark.parametrize("name", BENCHMARKS)
def test_paths_offer_a_run_and_something_to_profile(name: str) -> None:
    for module in BENCHMARKS[name].needs.values():
        pytest.importorskip(module)
    path = BENCHMARKS[name]
    assert list(inspect.signature(path.function("run")).parameters) == ["report", "sizes"]
    assert not inspect.signature(path.function("hot") or path.function("profile")).parameters


def test_a_missing_peer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs the package peer-crf, .*: pip install 'hf-mlm\[bench\]'\.$"):
        Benchmark("crf", "layers", "", "", (), {"peer-crf": "peercrf"}).function("run")


@pytest.mark.parametrize(("name", "size"), [("entities", 40), ("nt-xent", 3), ("ranks", 60)])
def test_small_runs_compare_grow_and_name_the_floor(name: str, size: int) -> None:
    report = Report(repeats=1)
    BENCHMARKS[name].run(report, [size])
    assert {row.kind for row in report.rows} >= {"peer", "growth"} | ({"floor"} if name != "ranks" else set())
    assert all(row.ratio.value > 0 for row in report.rows if row.kind != "alone")


def test_the_profile_of_the_import_names_its_modules() -> None:
    shares = BENCHMARKS["import"].profile()
    assert "hf_mlm" in [name for name, _, _ in shares]
    assert shares[0][1] >= shares[-1][1] >= 0


def test_a_profile_draws_the_longest_function_first() -> None:
    def busy() -> int:
        return sum(number**2 for number in range(3000))

    shares = shares_of(busy, calls=3)
    names = [name for name, _, _ in shares[:2]]
    assert any("genexpr" in name for name in names)
    texts = [text.text for text in ElementTree.fromstring(draw("busy & co", shares)).iter() if text.text]
    assert texts[0].startswith("busy & co: ") and any("genexpr" in text for text in texts)


def test_memory_that_a_call_takes_is_told() -> None:
    size = 64 * 2**20
    result, megabytes = peak_memory(lambda: len(bytearray(b"x") * size))
    assert result == size
    if megabytes is not None:  # Linux alone tells
        assert 60 < megabytes < 100


def test_a_gallery_is_searched_as_by_faiss() -> None:
    pytest.importorskip("faiss")
    report = Report(repeats=1)
    BENCHMARKS["gallery"].run(report, [1500])
    assert [row.kind for row in report.rows] == ["peer"] and len(report.notes) == 2


@pytest.mark.heavy
def test_both_pipelines_answer_every_sentence() -> None:
    pytest.importorskip("faker")
    report = Report(repeats=1)
    BENCHMARKS["tagging"].run(report, [40])
    assert [row.kind for row in report.rows] == ["peer", "floor"]
