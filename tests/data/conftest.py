"""Feature files of small made-up entities, as MLM's authors laid theirs out, and a stand-in for Zenodo."""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest


Entity = dict[str, Any]
COMPRESSION = {"compression": "gzip", "compression_opts": 9}


def _entity(rng: np.random.Generator, sizes: tuple[int, int], cells: int) -> Entity:
    image_size, text_size = sizes
    languages = [language for language in ("en", "de", "fr") if rng.random() < 0.7] or ["fr"]
    return {
        "images": rng.normal(size=(rng.integers(1, 4), image_size)).astype("f4"),
        "summaries": {language: rng.normal(size=text_size).astype("f4") for language in languages},
        "classes": rng.normal(size=(rng.integers(1, 3), text_size)).astype("f4"),
        "cell": int(rng.integers(cells)),
        "coordinates": rng.uniform((-90, -180), (90, 180)).astype("f4"),  # latitude, longitude
    }


@pytest.fixture
def make_entities() -> Callable[..., dict[int, Entity]]:
    """``make_entities(ids, sizes=(image, text), cells=…)``: entities by number."""

    def make(ids: Any, sizes: tuple[int, int] = (4, 3), cells: int = 5, seed: int = 0) -> dict[int, Entity]:
        rng = np.random.default_rng(seed)
        return {int(number): _entity(rng, sizes, cells) | {"cells": cells} for number in ids}

    return make


def _write(path: Path, ids: Any, arrays: dict[str, Any]) -> Path:
    h5py = pytest.importorskip("h5py")
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["ids"] = np.array(list(ids), dtype="i8")
        for name, array in arrays.items():
            file.create_dataset(name, data=array, **({} if np.ndim(array) == 0 else COMPRESSION))
    return path


def _onehot(entity: Entity) -> np.ndarray:
    vector = np.zeros(entity["cells"], "f4")
    vector[entity["cell"]] = 1
    return vector


@pytest.fixture
def write_final() -> Callable[..., Path]:
    """``write_final(path, entities)``: one file with all fields, summaries stacked; ``**edits`` replace datasets."""

    def write(path: Path, entities: dict[int, Entity], **edits: Any) -> Path:
        arrays: dict[str, Any] = {}
        for number, entity in entities.items():
            arrays[f"{number}_images"] = entity["images"]
            arrays[f"{number}_summaries"] = np.stack(list(entity["summaries"].values()))
            arrays[f"{number}_classes"] = entity["classes"]
            arrays[f"{number}_onehot"] = _onehot(entity)
            arrays[f"{number}_coordinates"] = entity["coordinates"]
        arrays = {name: array for name, array in (arrays | edits).items() if array is not None}
        return _write(path, arrays.pop("ids", entities), arrays)

    return write


@pytest.fixture
def write_pilot() -> Callable[..., Path]:
    """``write_pilot(path, entities)``: summaries by language, coordinates as longitude and latitude."""

    def write(path: Path, entities: dict[int, Entity]) -> Path:
        arrays: dict[str, Any] = {}
        for number, entity in entities.items():
            arrays[f"{number}_images"] = entity["images"]
            arrays |= {f"{number}_{language}wiki": vector for language, vector in entity["summaries"].items()}
            arrays[f"{number}_coords"] = entity["coordinates"][::-1]
        return _write(path, entities, arrays)

    return write


@pytest.fixture
def write_intermediate() -> Callable[..., Path]:
    """``write_intermediate(folder, entities)``: a file for each field, the classes with one axis too many."""

    def write(folder: Path, entities: dict[int, Entity]) -> Path:
        items = entities.items()
        fields = {
            "images/images.h5": {f"{n}_images": e["images"] for n, e in items},
            "summaries/summaries_bert.h5": {f"{n}_{la}": v for n, e in items for la, v in e["summaries"].items()},
            "classes/classes_bert.h5": {f"{n}_classes": e["classes"][None] for n, e in items},
            "coordinates/coordinates.h5": {f"{n}_onehot": _onehot(e) for n, e in items}
            | {f"{n}_coordinates": e["coordinates"] for n, e in items},
        }
        for name, arrays in fields.items():
            _write(folder / name, entities, arrays)
        return folder

    return write


class Record:
    """A stand-in for the record: its files, and what goes wrong with them."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.checksums: dict[str, str] = {}
        self.cuts: list[int] = []  # break the next answers off after so many bytes
        self.ranges = True
        self.status = 200
        self.answers: list[int | str] = []  # statuses, or Content-Ranges, of the next files
        self.redirect = ""
        self.requests: list[tuple[str, str | None]] = []
        self.url = ""

    def listing(self) -> bytes:
        entries = [
            {
                "key": name,
                "size": len(content),
                "checksum": self.checksums.get(name, "md5:" + hashlib.md5(content).hexdigest()),
                "links": {"self": f"{self.url}/files/{name}"},
            }
            for name, content in self.files.items()
        ]
        return json.dumps({"id": 3885753, "files": entries}).encode()

    def fetched(self) -> list[tuple[str, str | None]]:
        return [(path.rsplit("/", 1)[1], wanted) for path, wanted in self.requests if "/files/" in path]


class Handler(BaseHTTPRequestHandler):
    """Answers for the record of its class."""

    record: Record

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.record.requests.append((self.path, wanted))
        if self.path.endswith("/api/records/3885753"):
            return self.answer(self.record.status, self.record.listing())
        content = self.record.files.get(self.path.removeprefix("/files/"))
        if content is None:
            return self.answer(404, b"")
        if self.record.redirect or self.record.answers:
            return self.misbehave()
        if wanted and self.record.ranges:
            start, stop = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted).groups()  # type: ignore[union-attr]
            return self.answer(206, content[int(start) : int(stop) + 1 if stop else None])
        return self.answer(200, content)

    def misbehave(self) -> None:
        if self.record.redirect:
            return self.answer(302, b"", Location=self.record.redirect)
        answer = self.record.answers.pop(0)
        if isinstance(answer, int):
            return self.answer(answer, b"")
        return self.answer(206, b"x" * 10, **{"Content-Range": answer})

    def answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        cut = self.record.cuts.pop(0) if self.record.cuts and "/files/" in self.path else len(content)
        self.wfile.write(content[:cut])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Iterator[Record]:
    """The stand-in, serving on this machine; HF_HUB_OFFLINE is not set."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("hf_mlm.data.zenodo.PAUSE", 0)
    served = Record()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("RecordHandler", (Handler,), {"record": served}))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_MLM_ZENODO_API", f"{served.url}/api")
    yield served
    server.shutdown()
    server.server_close()
