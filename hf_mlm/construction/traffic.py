"""Recorded HTTP traffic: every final answer is kept under a hash of its request, and replays without a network."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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
