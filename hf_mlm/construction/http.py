"""Recorded HTTP traffic: every final answer is kept under a hash of its request, and replays without a network."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path

import requests

import hf_mlm
from hf_mlm.files import replacing


@dataclass(frozen=True)
class Answer:
    """What a server said.

    Attributes:
        status: HTTP status.
        content: the body.
    """

    status: int
    content: bytes

    @property
    def sha256(self) -> str:
        """Of the body."""
        return hashlib.sha256(self.content).hexdigest()


class Traffic:
    """A folder of recorded answers; several processes may write into it.

    Args:
        folder: made when something is recorded.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, key: str) -> Answer | None:
        """The answer recorded under a key; None if there is none, or only a damaged one, which is then asked anew."""
        try:
            head, _, content = gzip.decompress(self._path(key).read_bytes()).partition(b"\n")
            return Answer(int(json.loads(head)["status"]), content)
        except (OSError, EOFError, ValueError, KeyError, TypeError):
            return None

    def record(self, key: str, answer: Answer) -> None:
        """Keep an answer; nobody sees it half-written."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        head = json.dumps({"status": answer.status}).encode()
        with replacing(path) as unfinished:
            unfinished.write_bytes(gzip.compress(head + b"\n" + answer.content, compresslevel=1, mtime=0))

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.gz"


def request_key(method: str, url: str, parameters: Mapping[str, str]) -> str:
    """Name of a request: the SHA-256 of its method, address and parameters in the order of their names."""
    text = json.dumps([method, url, sorted(parameters.items())], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


RETRIED = frozenset({408, 425, 429, *range(500, 600)})
_CONTACT = re.compile(r"(https?://\S+\.\S+|[^@\s]+@[^@\s]+\.[^@\s]+)")
_BLOCK = 1 << 16
_TOO_LARGE = 0  # no status of HTTP: what is recorded of a body that was refused
_LONGEST_WAIT = 86_400.0  # seconds; who is sent away for longer stops
_BROKEN = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


class UnavailableError(OSError):
    """A service that did not answer, however often it was asked."""


class TooLargeError(ValueError):
    """An answer that is larger than the one who asked is ready to take."""


@dataclass(frozen=True)
class HttpSettings:
    """How to ask; none of this changes what is asked.

    Attributes:
        contact: e-mail address or web page of whoever runs the construction; the services require one.
        traffic: folder in which every final answer is recorded and looked up before asking.
        offline: ask nobody; what was not recorded is an error.
        attempts: how often a request is sent before it counts as failed.
        pause: seconds before the second attempt; the bound doubles each time, and the pause is random below it.
        longest_pause: seconds, the most that the bound grows to; a ``Retry-After`` is obeyed whatever it says.
        timeout: seconds to connect, and between two blocks of an answer (the query service gives up after 60).
    """

    contact: str
    traffic: Path
    offline: bool = False
    attempts: int = 8
    pause: float = 1.0
    longest_pause: float = 300.0
    timeout: tuple[float, float] = (10.0, 90.0)

    def __post_init__(self) -> None:
        if not _CONTACT.fullmatch(self.contact):
            raise ValueError(
                f"contact={self.contact!r}: the Wikimedia services want to know whom they can write to; give an "
                "e-mail address or the address of a web page."
            )

    @property
    def user_agent(self) -> str:
        """``<client>/<version> (<contact>) <library>/<version>``, as Wikimedia's policy asks for."""
        return f"hf-mlm/{hf_mlm.__version__} ({self.contact}) python-requests/{requests.__version__}"


@dataclass
class PoliteClient:
    """Sends one request at a time and comes back with a final answer, or not at all.

    Attributes:
        settings: how to ask.
        sleep: waits; replaced in tests.
    """

    settings: HttpSettings
    sleep: Callable[[float], None] = time.sleep
    traffic: Traffic = field(init=False)

    def __post_init__(self) -> None:
        self.traffic = Traffic(self.settings.traffic)

    def get(
        self,
        url: str,
        parameters: Mapping[str, str] | None = None,
        is_final: Callable[[Answer], bool] = lambda answer: True,
        most_bytes: int | None = None,
    ) -> Answer:
        """Get an answer, recorded or new.

        Args:
            url: address.
            parameters: of the query.
            is_final: whether an answer whose status is not one of `RETRIED` is one, or says in its body that the
                service is overloaded; it may raise, and then nothing is recorded.
            most_bytes: refuse longer bodies.

        Returns:
            an answer whose status is not one of `RETRIED`; 404 is a final answer, too.

        Raises:
            UnavailableError: if every attempt failed, the service wants to be left alone for more than a day, or
                ``offline`` is set and nothing was recorded.
            TooLargeError: if the body is longer than ``most_bytes``; what came of it is thrown away.
        """
        return self._ask("GET", url, parameters or {}, is_final, most_bytes, RETRIED)

    def post(
        self,
        url: str,
        form: Mapping[str, str],
        is_final: Callable[[Answer], bool] = lambda answer: True,
        retried: frozenset[int] = RETRIED,
    ) -> Answer:
        """Post a form (a query that is too long for an address); otherwise as `get`.

        Args:
            url: address.
            form: its fields.
            is_final: as in `get`.
            retried: statuses that are no answer.
        """
        return self._ask("POST", url, form, is_final, None, retried)

    def _ask(
        self,
        method: str,
        url: str,
        parameters: Mapping[str, str],
        is_final: Callable[[Answer], bool],
        most_bytes: int | None,
        retried: frozenset[int],
    ) -> Answer:
        key = request_key(method, url, parameters)
        recorded = self.traffic.find(key)
        if recorded is not None and recorded.status == _TOO_LARGE:
            raise TooLargeError(f"{url} was larger than is taken when it was asked for.")
        if recorded is not None:
            return recorded
        if self.settings.offline:
            raise UnavailableError(
                f"{url} was never asked for {_brief(parameters)}, and offline is set; run once without, with the same "
                "settings."
            )
        try:
            answer = self._persist(method, url, parameters, is_final, most_bytes, retried)
        except TooLargeError:
            self.traffic.record(key, Answer(_TOO_LARGE, b""))
            raise
        self.traffic.record(key, answer)
        return answer

    def _persist(
        self,
        method: str,
        url: str,
        parameters: Mapping[str, str],
        is_final: Callable[[Answer], bool],
        most_bytes: int | None,
        retried: frozenset[int],
    ) -> Answer:
        reason = ""
        for attempt in range(self.settings.attempts):
            wait: float | None = None
            try:
                answer, wait = self._send(method, url, parameters, most_bytes)
                if answer.status not in retried and is_final(answer):
                    return answer
                reason = f"status {answer.status}" if answer.status != 200 else "it is overloaded"
            except _BROKEN as error:
                reason = "no answer in time" if isinstance(error, requests.Timeout) else "the connection broke"
            if wait is not None and wait > _LONGEST_WAIT:
                raise UnavailableError(
                    f"{url} wants to be left alone for {wait / 3600:,.0f} hours; run the same command again after "
                    "that, it goes on where it stopped."
                )
            if attempt + 1 < self.settings.attempts:
                self.sleep(self._pause(attempt) if wait is None else wait)
        raise UnavailableError(
            f"{url} gave no answer to {_brief(parameters)} in {self.settings.attempts} attempts ({reason}); run the "
            "same command again later, it goes on where it stopped."
        )

    def _send(
        self, method: str, url: str, parameters: Mapping[str, str], most_bytes: int | None
    ) -> tuple[Answer, float | None]:
        """The answer, and how many seconds the server wants us to wait."""
        query, form = (dict(parameters), None) if method == "GET" else (None, dict(parameters))
        with self._session.request(
            method, url, params=query, data=form, timeout=self.settings.timeout, stream=True
        ) as response:
            body = bytearray()
            for block in response.iter_content(_BLOCK):
                body += block
                if most_bytes is not None and len(body) > most_bytes:
                    raise TooLargeError(f"{url} is larger than {most_bytes:,} bytes.")
            return Answer(response.status_code, bytes(body)), _retry_after(response.headers.get("Retry-After"))

    def _pause(self, attempt: int) -> float:
        """Exponential back-off with full jitter, seconds."""
        return random.uniform(0, min(self.settings.longest_pause, self.settings.pause * 2**attempt))

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        session.headers.update({"User-Agent": self.settings.user_agent, "Accept-Encoding": "gzip"})
        session.headers["Accept"] = "application/json, application/sparql-results+json, image/*;q=0.9"
        return session


def _retry_after(header: str | None) -> float | None:
    """Seconds that the header asks for: a number, or a date."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:  # "-0000": the sender does not tell its own zone, the time is UTC
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())


def _brief(parameters: Mapping[str, str]) -> str:
    text = " ".join(" ".join(f"{name}={value}" for name, value in parameters.items()).split())
    return repr(text if len(text) < 120 else f"{text[:117]}…")
