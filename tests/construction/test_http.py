"""Recorded answers come back as they were."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.construction.http import (
    Answer,
    HttpSettings,
    PoliteClient,
    TooLargeError,
    Traffic,
    UnavailableError,
    _retry_after,
    request_key,
)


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


@pytest.fixture
def client(http: HttpSettings) -> PoliteClient:
    return PoliteClient(http)


@pytest.mark.parametrize("contact", ["", "nobody", "me@", "http://"])
def test_a_contact_is_required(contact: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="whom they can write to"):
        HttpSettings(contact, tmp_path)


def test_who_asks_is_said(client: PoliteClient, wiki: Any) -> None:
    client.get(f"{wiki.url}/thumb/a.jpg")
    (agent,) = wiki.agents
    assert agent.startswith("hf-mlm/") and "(me@example.org) python-requests/" in agent


@pytest.mark.parametrize("fault", ["429", "503", "520", "cut", "garbled", "slow"])
def test_nothing_is_lost_when_a_request_fails(fault: str, client: PoliteClient, wiki: Any) -> None:
    wiki.faults = [fault, fault]
    answer = client.get(f"{wiki.url}/thumb/a.jpg")
    assert answer.content == wiki.answer("/thumb/a.jpg")[1]
    assert sum(wiki.requests.values()) == 3


def test_patience_ends_with_a_sentence_and_no_record(client: PoliteClient, wiki: Any) -> None:
    wiki.faults = ["503"] * 4
    with pytest.raises(UnavailableError, match="4 attempts .status 503.; run the same command again"):
        client.get(f"{wiki.url}/thumb/a.jpg")
    assert not list(client.settings.traffic.rglob("*.gz"))
    assert client.get(f"{wiki.url}/thumb/a.jpg").status == 200


def test_pauses_grow_and_retry_after_is_obeyed(http: HttpSettings, wiki: Any) -> None:
    pauses: list[float] = []
    client = PoliteClient(dataclasses.replace(http, pause=1.0, longest_pause=3.0), sleep=pauses.append)
    for name in map(str, range(30)):
        wiki.faults = ["cut"] * 3
        client.get(f"{wiki.url}/thumb/{name}.jpg")
    bounds = [max(pauses[position::3]) for position in range(3)]
    assert 0.5 < bounds[0] <= 1 < bounds[1] <= 2 < bounds[2] <= 3
    pauses.clear()
    wiki.faults = ["429"]  # which says Retry-After: 0
    client.get(f"{wiki.url}/thumb/throttled.jpg")
    assert pauses == [0.0]
    pauses.clear()
    wiki.faults, wiki.retry_after = ["429"], "3600"  # longer than any pause of ours
    client.get(f"{wiki.url}/thumb/throttled for an hour.jpg")
    assert pauses == [3600.0]


def test_who_is_sent_away_for_days_stops(client: PoliteClient, wiki: Any) -> None:
    wiki.faults, wiki.retry_after = ["429"], "180000"
    with pytest.raises(UnavailableError, match="left alone for 50 hours; run the same command again after that"):
        client.get(f"{wiki.url}/thumb/a.jpg")


@pytest.mark.parametrize(
    ("header", "low", "high"), [("7", 7, 7), (None, None, None), ("soon", None, None), ("-3", 0, 0)]
)
def test_retry_after(header: str | None, low: float | None, high: float | None) -> None:
    assert _retry_after(header) == low == high


def test_retry_after_as_a_date() -> None:
    assert _retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == _retry_after("Wed, 21 Oct 2015 07:28:00 -0000") == 0
    assert _retry_after("Wed, 21 Oct 2215 07:28:00 GMT") > 1e9


def test_a_missing_file_is_an_answer(client: PoliteClient, wiki: Any) -> None:
    wiki.images["gone.jpg"] = b"404"
    assert client.get(f"{wiki.url}/thumb/gone.jpg").status == 404
    assert sum(wiki.requests.values()) == 1


def test_too_large_an_answer_is_refused(client: PoliteClient, wiki: Any) -> None:
    wiki.images["large.jpg"] = bytes(200_000)
    with pytest.raises(TooLargeError, match="larger than 100,000 bytes"):
        client.get(f"{wiki.url}/thumb/large.jpg", most_bytes=100_000)
    replay = PoliteClient(dataclasses.replace(client.settings, offline=True))
    with pytest.raises(TooLargeError, match="was larger than is taken"):
        replay.get(f"{wiki.url}/thumb/large.jpg", most_bytes=100_000)
    assert sum(wiki.requests.values()) == 1


def test_what_was_asked_is_not_asked_again(http: HttpSettings, wiki: Any) -> None:
    ask: Callable[[PoliteClient], Answer] = lambda client: client.get(f"{wiki.url}/thumb/a.jpg")  # noqa: E731
    first = ask(PoliteClient(http))
    offline = PoliteClient(dataclasses.replace(http, offline=True))
    assert ask(PoliteClient(http)) == ask(offline) == first
    assert sum(wiki.requests.values()) == 1
    with pytest.raises(UnavailableError, match="was never asked"):
        offline.get(f"{wiki.url}/thumb/b.jpg")
