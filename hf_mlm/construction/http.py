"""Polite HTTP: one request at a time, repeated until a final response, which is recorded and replays offline."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import random
import re
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import requests

import hf_mlm


@dataclass(frozen=True)
class Response:
    """Response of a server.

    Attributes:
        status: HTTP status.
        content: the body.
    """

    status: int
    content: bytes


_TABLES = """
CREATE TABLE IF NOT EXISTS responses (key TEXT PRIMARY KEY, status INTEGER, content BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (key TEXT PRIMARY KEY, url TEXT, reason TEXT) WITHOUT ROWID;
"""


class ResponseCache:
    """Recorded responses, and files that were given up, in one SQLite file that several processes may use.

    Args:
        folder: of the file; made when something is recorded. Responses that were recorded in ``.gz`` files, one each,
            are found as well.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "responses.sqlite"

    def find(self, key: str) -> Response | None:
        """Find a response; None if there is none, or only a damaged one, which is then asked for again."""
        row = self._first("SELECT status, content FROM responses WHERE key = ?", key)
        try:
            if row is not None:
                return Response(row[0], gzip.decompress(row[1]))
            head, _, content = gzip.decompress((self.folder / key[:2] / f"{key}.gz").read_bytes()).partition(b"\n")
            return Response(int(json.loads(head)["status"]), content)
        except (OSError, EOFError, ValueError, KeyError, TypeError):
            return None

    def record(self, key: str, response: Response) -> None:
        """Keep a response; it is there as a whole or not at all."""
        content = gzip.compress(response.content, compresslevel=1, mtime=0)
        self._execute("INSERT OR REPLACE INTO responses VALUES (?, ?, ?)", key, response.status, content)

    def failure(self, key: str) -> str | None:
        """The reason for which a file was given up; None if it was not."""
        row = self._first("SELECT reason FROM failures WHERE key = ?", key)
        return None if row is None else str(row[0])

    def record_failure(self, key: str, url: str, reason: str) -> None:
        """Keep that a file was given up."""
        self._execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?)", key, url, reason)

    def failures(self) -> dict[str, str]:
        """Address and reason of every file that was given up, in the order of the addresses."""
        found = self._execute("SELECT url, reason FROM failures ORDER BY url") if self.path.is_file() else ()
        return dict(found)

    def clear_failures(self) -> None:
        """Let the files that were given up be asked for again."""
        if self.path.is_file():
            self._execute("DELETE FROM failures")

    def _first(self, query: str, key: str) -> Any:
        return self._execute(query, key).fetchone() if self.path.is_file() else None

    def _execute(self, query: str, *values: object) -> sqlite3.Cursor:
        try:
            return self._database.execute(query, values)
        except sqlite3.DatabaseError as error:
            if "full" in str(error):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path)) from error
            raise OSError(
                f"Expected recorded responses in {self.path}, found {str(error)!r}; move the file away and run again."
            ) from error

    @cached_property
    def _database(self) -> sqlite3.Connection:
        self.folder.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self.path, timeout=120, isolation_level=None)
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(_TABLES)
        return database


RETRIED = frozenset({408, 425, 429, *range(500, 600)})
_CONTACT = re.compile(r"(https?://\S+\.\S+|[^@\s]+@[^@\s]+\.[^@\s]+)")
_BLOCK = 1 << 16
_TOO_LARGE = 0  # no status of HTTP: recorded of a body that was refused
_THROTTLED = 429
_LONGEST_WAIT = 86_400.0  # seconds; a service that asks for more stops the build
_BROKEN = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
MOST_IN_A_ROW = 10  # files that are given up one after the other before the service counts as down


class UnavailableError(OSError):
    """No response from a service, or none that says anything, in all attempts."""


class TooLargeError(ValueError):
    """A response that is larger than allowed."""


class GivenUpError(ValueError):
    """A file that did not come in ``give_up_after`` attempts, while others did; the message is the reason."""


@dataclass(frozen=True)
class HttpSettings:
    """Manners of requests; nothing here changes the requests themselves.

    Attributes:
        contact: e-mail address or web page of whoever runs the construction; the services require one.
        cache: folder of recorded responses, looked up before a service is asked.
        offline: ask nobody; a request without a recorded response is an error.
        attempts: number of times that a request is sent before the build stops.
        give_up_after: number of times that a single file is sent for before the build goes on without it.
        pause: seconds before the second attempt; the bound doubles each time, and the pause is random below it.
        longest_pause: seconds, the most that the bound grows to; a ``Retry-After`` is obeyed in any case.
        timeout: seconds to connect, and between two blocks of a response (the query service gives up after 60).

    Raises:
        ValueError: if the contact is none, or there is no attempt.
    """

    contact: str
    cache: Path
    offline: bool = False
    attempts: int = 8
    give_up_after: int = 4
    pause: float = 1.0
    longest_pause: float = 300.0
    timeout: tuple[float, float] = (10.0, 90.0)

    def __post_init__(self) -> None:
        if not _CONTACT.fullmatch(self.contact):
            raise ValueError(
                "Expected an e-mail address or a web page, because the Wikimedia services want to know whom they can "
                f"write to, found contact={self.contact!r}."
            )
        if min(self.attempts, self.give_up_after) < 1:
            raise ValueError(f"Expected at least 1 attempt, found give_up_after={self.give_up_after}.")

    @property
    def user_agent(self) -> str:
        """``<client>/<version> (<contact>) <library>/<version>``, as Wikimedia's policy asks for."""
        return f"hf-mlm/{hf_mlm.__version__} ({self.contact}) python-requests/{requests.__version__}"


def _always(response: Response) -> bool:
    return True


@dataclass(frozen=True)
class Request:
    """A request and the test of its response.

    Attributes:
        method: ``"GET"`` or ``"POST"``.
        url: address.
        parameters: of the query, or fields of the form.
        is_final: false for a response that says that the service is overloaded, or is damaged; it may raise, and then
            nothing is recorded.
        retried: statuses that are no final response; others, such as 404, are.
        most_bytes: longer bodies are refused.
        optional: a single file, without which the build can go on.
        kept: false if the response is kept elsewhere, and not recorded.
    """

    method: str
    url: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    is_final: Callable[[Response], bool] = _always
    retried: frozenset[int] = RETRIED
    most_bytes: int | None = None
    optional: bool = False
    kept: bool = True

    @property
    def key(self) -> str:
        """SHA-256 of method, address and parameters in the order of their names."""
        text = json.dumps([self.method, self.url, sorted(self.parameters.items())], ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def __str__(self) -> str:
        text = " ".join(" ".join(f"{name}={value}" for name, value in self.parameters.items()).split())
        return f"{self.url} {text if len(text) < 120 else f'{text[:117]}…'}".rstrip()


@dataclass
class PoliteClient:
    """A client that sends one request at a time and returns a final response, or raises.

    Attributes:
        settings: manners.
        sleep: waits for seconds; replaced in tests.
    """

    settings: HttpSettings
    sleep: Callable[[float], None] = time.sleep
    cache: ResponseCache = field(init=False)
    _failed: list[tuple[str, str, str]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.cache = ResponseCache(self.settings.cache)

    def ask(self, request: Request) -> Response:
        """Give the response to a request, recorded or new.

        Raises:
            UnavailableError: if every attempt failed, the service asks for more than a day of silence, or ``offline``
                is set and nothing was recorded.
            TooLargeError: if the body is longer than allowed; what came of it is thrown away.
            GivenUpError: if an optional file did not come, now or earlier.
        """
        recorded, reason = self.cache.find(request.key), self.cache.failure(request.key) if request.optional else None
        if recorded is not None and recorded.status == _TOO_LARGE:
            raise TooLargeError(f"{request.url} was larger than allowed when it was asked for.")
        if recorded is not None:
            return recorded
        if reason is not None:
            raise GivenUpError(reason)
        if self.settings.offline:
            raise UnavailableError(
                f"Expected a recorded response of {request}, found none, and offline is set; run once without, with "
                "the same settings."
            )
        try:
            response = self._persist(request)
        except TooLargeError:
            self.cache.record(request.key, Response(_TOO_LARGE, b""))
            raise
        if request.kept:
            self.cache.record(request.key, response)
        self.record_failures()
        return response

    def record_failures(self) -> None:
        """Keep the files that were given up: the service is well, as others came, or nothing else is wanted of it."""
        for failure in self._failed:
            self.cache.record_failure(*failure)
        self._failed.clear()

    def _persist(self, request: Request) -> Response:
        attempts = self.settings.give_up_after if request.optional else self.settings.attempts
        reason, sent, throttled = "", 0, 0
        while sent < attempts and throttled < self.settings.attempts:
            response, wait, reason = self._attempt(request)
            if response is not None:
                return response
            if wait is not None and wait > _LONGEST_WAIT:
                raise UnavailableError(
                    f"Expected a response of {request.url}, found that it wants to be left alone for "
                    f"{wait / 3600:,.0f} hours; run the same command again after that, it goes on where it stopped."
                )
            is_throttled = reason == f"status {_THROTTLED}"
            sent, throttled = sent + (not is_throttled), throttled + is_throttled
            if sent < attempts and throttled < self.settings.attempts:
                self.sleep(self._pause(sent + throttled) if wait is None else wait)
        if request.optional and sent == attempts:
            self._give_up(request, reason)
        raise UnavailableError(
            f"Expected a response of {request}, found none in {sent + throttled} attempts ({reason}); run the same "
            "command again later, it goes on where it stopped."
        )

    def _attempt(self, request: Request) -> tuple[Response | None, float | None, str]:
        """A final response or None, the seconds that the service asks for, and the reason for another attempt."""
        try:
            response, wait = self._send(request)
        except _BROKEN as error:
            return None, None, "no response in time" if isinstance(error, requests.Timeout) else "the connection broke"
        if response.status not in request.retried and request.is_final(response):
            return response, wait, ""
        damaged = "damaged" if request.optional else "overloaded"
        return None, wait, damaged if response.status == 200 else f"status {response.status}"

    def _give_up(self, request: Request, reason: str) -> None:
        self._failed.append((request.key, request.url, reason))
        if len(self._failed) == MOST_IN_A_ROW:
            raise UnavailableError(
                f"Expected files of a service, found {MOST_IN_A_ROW} in a row that did not come, the last of them "
                f"{request.url} ({reason}); run the same command again later, it goes on where it stopped."
            )
        raise GivenUpError(reason)

    def _send(self, request: Request) -> tuple[Response, float | None]:
        """The response, and the seconds that the server asks to wait."""
        query, form = (request.parameters, None) if request.method == "GET" else (None, request.parameters)
        with self._session.request(
            request.method, request.url, query, form, timeout=self.settings.timeout, stream=True
        ) as answer:
            body = bytearray()
            for block in answer.iter_content(_BLOCK):
                body += block
                if request.most_bytes is not None and len(body) > request.most_bytes:
                    raise TooLargeError(f"{request.url} is larger than {request.most_bytes:,} bytes.")
            wait = _retry_after(answer.headers.get("Retry-After"), answer.headers.get("Date"))
            return Response(answer.status_code, bytes(body)), wait

    def _pause(self, attempt: int) -> float:
        """Exponential back-off with full jitter, seconds."""
        return random.uniform(0, min(self.settings.longest_pause, self.settings.pause * 2 ** (attempt - 1)))

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        session.headers.update({"User-Agent": self.settings.user_agent, "Accept-Encoding": "gzip"})
        session.headers["Accept"] = "application/json, application/sparql-results+json, image/*;q=0.9"
        return session


def _retry_after(header: str | None, now: str | None = None) -> float | None:
    """Seconds that the header asks for, a number or a date; the server's own clock counts, if it tells it."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        moment = _moment(header)
    current = _moment(now or "") or datetime.now(UTC)
    return None if moment is None else max(0.0, (moment - current).total_seconds())


def _moment(date: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    # "-0000": the sender does not tell its own zone, the time is UTC
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
