"""A stand-in for Wikipedia's and Commons' APIs on the loopback that can misbehave in every way that they do."""

from __future__ import annotations

import io
import json
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from PIL import Image


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve a handler on the loopback; gives the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Wikimedia:
    """What the stand-in knows and how it behaves.

    Attributes:
        faults: what goes wrong with the next requests, in order: a status such as ``"429"``, ``"maxlag"``, ``"cut"``,
            ``"half"`` (valid HTTP, half the JSON), ``"garbled"`` (no gzip, but said to be), ``"slow"``.
        retry_after: what is said with a status and with ``"maxlag"``.
        extracts_at_once: how many introductions come before a continuation.
        texts: title -> introduction, where it is not made up.
        redirects: title -> title or title#section.
        missing: titles without a page.
        images: file name -> bytes, where it is no ordinary photograph.
        infos: file name -> what imageinfo says differently.
        pace: seconds that every answer takes.
    """

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.extracts_at_once = 7
        self.texts: dict[str, str] = {}
        self.redirects: dict[str, str] = {}
        self.missing: set[str] = set()
        self.images: dict[str, bytes] = {}
        self.infos: dict[str, dict[str, Any]] = {}
        self.pace = 0.0
        self.retry_after = "0"
        self.agents: set[str] = set()
        self.requests: Counter[str] = Counter()
        self.busy = self.most_busy = 0
        self.lock = threading.Lock()
        self.url = ""

    @property
    def wikipedia(self) -> str:
        return self.url + "/{language}/w/api.php"

    @property
    def commons(self) -> str:
        return self.url + "/commons/w/api.php"

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """A handler that answers as told here."""
        return type("Handler", (_Handler,), {"wiki": self})

    def enter(self, path: str, agent: str) -> str:
        """Note a request; gives what shall go wrong with it."""
        with self.lock:
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
            self.agents.add(agent)
            self.requests[path] += 1
            return self.faults.pop(0) if self.faults else ""

    def answer(self, address: str) -> tuple[int, bytes]:
        split = urlsplit(address)
        if split.path.startswith("/thumb/"):
            name = unquote(split.path.removeprefix("/thumb/"))
            content = self.images.get(name, photograph(name))
            return (404, b"no such file") if content == b"404" else (200, content)
        if len(address) > 8192:
            return 414, b"too long an address"
        asked = {name: values[0] for name, values in parse_qs(split.query).items()}
        assert asked["maxlag"] and asked["formatversion"] == "2"
        titles = asked["titles"].split("|")
        if "commons" in split.path:
            assert len(titles) <= 50
            return 200, json.dumps({"query": {"pages": [self.file(title) for title in titles]}}).encode()
        assert len(titles) <= 20
        return 200, json.dumps(self.introductions(titles, int(asked.get("excontinue", 0)))).encode()

    def introductions(self, titles: list[str], start: int) -> dict[str, Any]:
        moved = {title: self.redirects[title].partition("#") for title in titles if title in self.redirects}
        redirects = [
            {"from": source, "to": to} | ({"tofragment": section} if section else {})
            for source, (to, _, section) in moved.items()
        ]
        final = [moved[title][0] if title in moved else title for title in titles]
        stop = start + self.extracts_at_once
        pages = []
        for number, title in enumerate(final):
            page: dict[str, Any] = {"title": title}
            if title in self.missing:
                page["missing"] = True
            elif start <= number < stop:
                page["extract"] = self.texts.get(title, f"{title} is a settlement.")
            if start == 0 and title not in self.missing:
                page["revisions"] = [{"revid": 1 + zlib.crc32(title.encode()) % 10**6}]
            pages.append(page)
        more = {"continue": {"excontinue": str(stop), "continue": "||"}} if stop < len(final) else {}
        return {"query": {"pages": pages, "redirects": redirects}} | more

    def file(self, title: str) -> dict[str, Any]:
        name = title.removeprefix("File:")
        if name in self.missing:
            return {"title": title, "missing": True}
        credit = {"Artist": "<a href='x'>Jo &amp; Co</a>", "LicenseShortName": "CC BY-SA 4.0", "Categories": "Places"}
        info = {
            "thumburl": f"{self.url}/thumb/{quote(name)}",
            "url": f"{self.url}/original/{quote(name)}",
            "mime": "image/jpeg",
            "sha1": "0" * 40,
            "descriptionurl": f"{self.url}/wiki/{quote(title)}",
            "extmetadata": {key: {"value": value} for key, value in credit.items()},
        }
        return {"title": title, "imageinfo": [info | self.infos.get(name, {})]}


def photograph(name: str) -> bytes:
    """A small JPEG that is another for each name."""
    number = zlib.crc32(name.encode())
    written = io.BytesIO()
    Image.new("RGB", (12, 9), (number % 256, number // 256 % 256, 99)).save(written, "JPEG")
    return written.getvalue()


def gigantic_png() -> bytes:
    """A PNG of 100 megapixels in a few kilobytes."""
    written = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(written, "PNG")
    return written.getvalue()


class _Handler(BaseHTTPRequestHandler):
    wiki: Wikimedia
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        fault = self.wiki.enter(self.path, self.headers["User-Agent"])
        try:
            time.sleep(self.wiki.pace)
            self.reply(fault)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with self.wiki.lock:
                self.wiki.busy -= 1

    def reply(self, fault: str) -> None:
        later = {"Retry-After": self.wiki.retry_after}
        if fault.isdigit():
            self.send(int(fault), b"not now", later)
        elif fault == "maxlag":
            self.send(200, b'{"error":{"code":"maxlag","info":"Waiting"}}', later)
        elif fault == "garbled":
            self.send(200, b"no gzip", {"Content-Encoding": "gzip"})
        else:
            time.sleep(1.0 if fault == "slow" else 0)
            status, body = self.wiki.answer(self.path)
            self.send(status, body[: len(body) // 2] if fault == "half" else body, {}, cut=fault == "cut")

    def send(self, status: int, body: bytes, headers: dict[str, str], cut: bool = False) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = cut
