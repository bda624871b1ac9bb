"""Polite requests: what is recorded, repeated, given up and refused."""

import dataclasses
import gzip
import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.construction.http import (
    MOST_IN_A_ROW,
    GivenUpError,
    HttpSettings,
    PoliteClient,
    Request,
    Response,
    ResponseCache,
    TooLargeError,
    UnavailableError,
    _retry_after,
)


def get(client: PoliteClient, url: str, **options: Any) -> Response:
    return client.ask(Request("GET", url, **options))


@given(st.binary(max_size=300), st.sampled_from([200, 404, 500]))
def test_any_response_comes_back(tmp_path_factory: pytest.TempPathFactory, content: bytes, status: int) -> None:
    cache, key = ResponseCache(tmp_path_factory.mktemp("cache")), Request("GET", "u").key
    cache.record(key, Response(status, content))
    assert cache.find(key) == Response(status, content) and cache.find(key[1:]) is None


def test_the_order_of_parameters_does_not_matter() -> None:
    assert Request("GET", "u", {"a": "1", "b": "2"}).key == Request("GET", "u", {"b": "2", "a": "1"}).key
    assert len({Request(*asked).key for asked in [("GET", "u"), ("POST", "u"), ("GET", "v")]}) == 3


def test_a_damaged_record_counts_as_none(tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path)
    assert cache.find("ab") is None and not list(tmp_path.iterdir())
    cache.record("ab", Response(200, b"whole"))
    cache._execute("UPDATE responses SET content = substr(content, 1, 20)")
    assert cache.find("ab") is None
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "responses.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(OSError, match="responses.sqlite, found 'file is not a database'"):
        ResponseCache(tmp_path / "other").find("ab")


def test_responses_of_the_first_format_are_found(tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab" / "abc.gz").write_bytes(gzip.compress(json.dumps({"status": 404}).encode() + b"\nno\nsuch page"))
    assert ResponseCache(tmp_path).find("abc") == Response(404, b"no\nsuch page")


def record_many(folder: Path, first: int) -> None:
    cache = ResponseCache(folder)
    for number in range(first, first + 40):
        cache.record(str(number), Response(200, str(number).encode()))


def test_several_processes_record_into_one_file(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=record_many, args=(tmp_path, first)) for first in (0, 40, 80)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    cache = ResponseCache(tmp_path)
    assert all(cache.find(str(number)) == Response(200, str(number).encode()) for number in range(120))
    assert [path.name for path in tmp_path.iterdir()] == ["responses.sqlite"]


@pytest.fixture
def client(http: HttpSettings) -> PoliteClient:
    return PoliteClient(http)


@pytest.mark.parametrize("contact", ["", "nobody", "me@", "http://"])
def test_a_contact_is_required(contact: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"contact='{contact}'"):
        HttpSettings(contact, tmp_path)


def test_the_user_agent_names_the_contact(client: PoliteClient, wiki: Any) -> None:
    get(client, f"{wiki.url}/thumb/a.jpg")
    (agent,) = wiki.agents
    assert agent.startswith("hf-mlm/") and "(me@example.org) python-requests/" in agent


@pytest.mark.parametrize("fault", ["429", "503", "520", "cut", "garbled", "slow"])
def test_nothing_is_lost_when_a_request_fails(fault: str, client: PoliteClient, wiki: Any) -> None:
    wiki.faults = [fault, fault]
    assert get(client, f"{wiki.url}/thumb/a.jpg").content == wiki.answer("/thumb/a.jpg")[1]
    assert sum(wiki.requests.values()) == 3


def test_the_last_failure_raises_and_is_not_recorded(client: PoliteClient, wiki: Any) -> None:
    wiki.faults = ["503"] * 4
    with pytest.raises(UnavailableError, match="4 attempts .status 503.; run the same command again"):
        get(client, f"{wiki.url}/thumb/a.jpg")
    assert get(client, f"{wiki.url}/thumb/a.jpg").status == 200 and sum(wiki.requests.values()) == 5


def test_pauses_grow_and_retry_after_is_obeyed(http: HttpSettings, wiki: Any) -> None:
    pauses: list[float] = []
    client = PoliteClient(dataclasses.replace(http, pause=1.0, longest_pause=3.0), sleep=pauses.append)
    for name in map(str, range(30)):
        wiki.faults = ["cut"] * 3
        get(client, f"{wiki.url}/thumb/{name}.jpg")
    bounds = [max(pauses[position::3]) for position in range(3)]
    assert 0.5 < bounds[0] <= 1 < bounds[1] <= 2 < bounds[2] <= 3
    pauses.clear()
    wiki.faults = ["429"]  # which says Retry-After: 0
    get(client, f"{wiki.url}/thumb/throttled.jpg")
    assert pauses == [0.0]
    pauses.clear()
    wiki.faults, wiki.retry_after = ["429"], "3600"  # longer than any pause of ours
    get(client, f"{wiki.url}/thumb/throttled for an hour.jpg")
    assert pauses == [3600.0]


def test_a_service_that_asks_for_days_stops_the_build(client: PoliteClient, wiki: Any) -> None:
    wiki.faults, wiki.retry_after = ["429"], "180000"
    with pytest.raises(UnavailableError, match="left alone for 50 hours; run the same command again after that"):
        get(client, f"{wiki.url}/thumb/a.jpg")


@pytest.mark.parametrize(
    ("header", "low", "high"), [("7", 7, 7), (None, None, None), ("soon", None, None), ("-3", 0, 0)]
)
def test_retry_after(header: str | None, low: float | None, high: float | None) -> None:
    assert _retry_after(header) == low == high


def test_retry_after_as_a_date() -> None:
    assert _retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == _retry_after("Wed, 21 Oct 2015 07:28:00 -0000") == 0
    assert (_retry_after("Wed, 21 Oct 2215 07:28:00 GMT") or 0) > 1e9
    # the server's clock counts, not one of ours that is two hundred years behind
    assert _retry_after("Wed, 21 Oct 2215 07:28:00 GMT", "Wed, 21 Oct 2215 07:27:00 GMT") == 60


def test_a_missing_file_is_a_response(client: PoliteClient, wiki: Any) -> None:
    wiki.images["gone.jpg"] = b"404"
    assert get(client, f"{wiki.url}/thumb/gone.jpg", optional=True).status == 404
    assert sum(wiki.requests.values()) == 1


def test_too_large_a_response_is_refused(client: PoliteClient, wiki: Any) -> None:
    wiki.images["large.jpg"] = bytes(200_000)
    with pytest.raises(TooLargeError, match="larger than 100,000 bytes"):
        get(client, f"{wiki.url}/thumb/large.jpg", most_bytes=100_000)
    replay = PoliteClient(dataclasses.replace(client.settings, offline=True))
    with pytest.raises(TooLargeError, match="was larger than allowed"):
        get(replay, f"{wiki.url}/thumb/large.jpg", most_bytes=100_000)
    assert sum(wiki.requests.values()) == 1


def test_recorded_responses_replay_offline(http: HttpSettings, wiki: Any) -> None:
    first = get(PoliteClient(http), f"{wiki.url}/thumb/a.jpg")
    offline = PoliteClient(dataclasses.replace(http, offline=True))
    assert get(PoliteClient(http), f"{wiki.url}/thumb/a.jpg") == get(offline, f"{wiki.url}/thumb/a.jpg") == first
    assert sum(wiki.requests.values()) == 1
    with pytest.raises(UnavailableError, match="recorded response of .*b.jpg, found none"):
        get(offline, f"{wiki.url}/thumb/b.jpg")


def test_a_file_that_never_comes_is_given_up_when_others_come(http: HttpSettings, wiki: Any) -> None:
    client, url = PoliteClient(dataclasses.replace(http, give_up_after=2)), f"{wiki.url}/thumb/"
    wiki.faults = ["503", "429", "503"]  # a throttled request is no failure of the file
    with pytest.raises(GivenUpError, match="status 503"):
        get(client, f"{url}bad.jpg", optional=True)
    assert sum(wiki.requests.values()) == 3 and not client.cache.failures()
    assert get(client, f"{url}good.jpg", optional=True).status == 200
    assert client.cache.failures() == {f"{url}bad.jpg": "status 503"}
    offline = PoliteClient(dataclasses.replace(http, offline=True))
    with pytest.raises(GivenUpError, match="status 503"):
        get(offline, f"{url}bad.jpg", optional=True)
    client.cache.clear_failures()
    assert get(client, f"{url}bad.jpg", optional=True).status == 200 and not client.cache.failures()


def test_files_in_a_row_that_do_not_come_stop_the_build(http: HttpSettings, wiki: Any) -> None:
    client = PoliteClient(dataclasses.replace(http, give_up_after=1))
    wiki.faults = ["503"] * MOST_IN_A_ROW
    for number in range(MOST_IN_A_ROW - 1):
        with pytest.raises(GivenUpError):
            get(client, f"{wiki.url}/thumb/{number}.jpg", optional=True)
    with pytest.raises(UnavailableError, match=f"found {MOST_IN_A_ROW} in a row"):
        get(client, f"{wiki.url}/thumb/last.jpg", optional=True)
    assert not ResponseCache(http.cache).failures()
