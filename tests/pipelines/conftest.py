from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hf_mlm import Gallery, IRLEForRetrievalAndGeo, IRLEProcessor
from tests.pipelines.tiny import encoded, picture, rows, saved


@pytest.fixture(scope="package")
def irle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that retrieves and locates, with a gallery of its own."""
    folder = saved(tmp_path_factory.mktemp("models") / "irle")
    model = IRLEForRetrievalAndGeo.from_pretrained(folder)
    Gallery.encode(model, rows(), IRLEProcessor.from_pretrained(folder), batch_size=3).save(folder / "gallery")
    return folder


@pytest.fixture(scope="package")
def address() -> Iterator[str]:
    """A server of one image at /picture.png, and of nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802
            found = self.path == "/picture.png"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(encoded(picture()) if found else b"not found")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
