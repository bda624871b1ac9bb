"""Recorded answers come back as they were."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.construction.traffic import Answer, Traffic, request_key


@given(st.binary(max_size=300), st.sampled_from([200, 404, 500]))
def test_any_answer_comes_back(tmp_path_factory: pytest.TempPathFactory, content: bytes, status: int) -> None:
    traffic, key = Traffic(tmp_path_factory.mktemp("traffic")), request_key("GET", "u", {})
    traffic.record(key, Answer(status, content))
    assert traffic.find(key) == Answer(status, content)


def test_the_order_of_parameters_says_nothing() -> None:
    assert request_key("GET", "u", {"a": "1", "b": "2"}) == request_key("GET", "u", {"b": "2", "a": "1"})
    different = {request_key(*asked) for asked in [("GET", "u", {}), ("POST", "u", {}), ("GET", "v", {})]}
    assert len(different) == 3


def test_a_damaged_record_counts_as_none(tmp_path: Path) -> None:
    traffic = Traffic(tmp_path)
    assert traffic.find("ab") is None
    traffic.record("ab", Answer(200, b"whole"))
    (path,) = tmp_path.rglob("*.gz")
    path.write_bytes(path.read_bytes()[:-9])
    assert traffic.find("ab") is None
