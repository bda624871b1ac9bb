"""Every path of the catalogue imports, offers what the command calls, and says in a sentence what it lacks."""

from __future__ import annotations

import importlib.util
import inspect
from xml.etree import ElementTree

import pytest

from hf_mlm.benchmarks.catalog import BENCHMARKS, Benchmark
from hf_mlm.benchmarks.harness import Report
from hf_mlm.benchmarks.profiles import draw, shares_of


@pytest.mark.parametrize("name", BENCHMARKS)
def test_paths_offer_a_run_and_something_to_profile(name: str) -> None:
    for _, module in BENCHMARKS[name].needs:
        pytest.importorskip(module)
    loaded = BENCHMARKS[name].load()
    assert list(inspect.signature(loaded.run).parameters) == ["report", "sizes"]
    assert not inspect.signature(loaded.hot if hasattr(loaded, "hot") else loaded.profile).parameters


def test_a_missing_peer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs the package peer-crf, .*: pip install 'hf-mlm\[bench\]'\.$"):
        Benchmark("crf", "", "", (), (("peer-crf", "peercrf"),)).load()


@pytest.mark.parametrize(("name", "size"), [("entities", 40), ("nt-xent", 3), ("ranks", 60)])
def test_small_runs_compare_grow_and_name_the_floor(name: str, size: int) -> None:
    report = Report(repeats=1)
    BENCHMARKS[name].load().run(report, [size])
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
