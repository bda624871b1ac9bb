"""A Hub in memory on loopback: as much of its HTTP interface as pushing, listing, downloading and loading call."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


WRITER, READER = "hf_" + "w" * 34, "hf_" + "r" * 34
USER = "tester"
LFS_SUFFIXES = (".safetensors", ".parquet", ".png")


@dataclass
class Repository:
    """Files by path, at each commit."""

    private: bool = False
    commits: list[dict[str, bytes]] = field(default_factory=lambda: [{}])

    def sha(self, number: int = -1) -> str:
        at = number % len(self.commits)
        return hashlib.sha1(f"commit {at} of {id(self)}".encode()).hexdigest()

    def at(self, revision: str) -> dict[str, bytes] | None:
        if revision in ("main", "HEAD"):
            return self.commits[-1]
        known = {self.sha(number): files for number, files in enumerate(self.commits)}
        return known.get(revision)


@dataclass
class Hub:
    """Repositories by kind and name, and what goes wrong.

    ``cut_after`` breaks every upload of a large file off after so many bytes; ``status`` answers everything with it.
    """

    url: str = ""
    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)  # by SHA-256
    requests: list[str] = field(default_factory=list)
    cut_after: int | None = None
    status: int | None = None

    def files(self, repo_id: str, kind: str = "models") -> dict[str, bytes]:
        return self.repositories[kind, repo_id].commits[-1]

    def received(self) -> list[bytes]:
        """Everything that was ever uploaded."""
        commits = [files for repository in self.repositories.values() for files in repository.commits]
        return [content for files in commits for content in files.values()] + list(self.large.values())

    def uploads(self) -> int:
        return sum(request.startswith("PUT ") for request in self.requests)


class Answer(Exception):  # noqa: N818, it is how a handler ends
    """Status, JSON or bytes, and headers."""

    def __init__(self, status: int, body: Any = b"", **headers: str):
        self.status, self.headers = status, headers
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


def error(status: int, message: str, code: str = "") -> Answer:
    named = {"X_Error_Code": code} if code else {}
    return Answer(status, {"error": message}, X_Error_Message=message, **named)


ROUTES: list[tuple[str, re.Pattern[str], str]] = [
    (method, re.compile(pattern), name)
    for method, pattern, name in (
        ("GET", r"/api/whoami-v2", "whoami"),
        ("POST", r"/api/repos/create", "create"),
        ("POST", r"/api/validate-yaml", "validate"),
        ("POST", r"/api/(\w+)/([^/]+/[^/]+)/preupload/([^/]+)", "preupload"),
        ("POST", r"/api/(\w+)/([^/]+/[^/]+)/commit/([^/]+)", "commit"),
        ("POST", r"/api/(\w+)/([^/]+/[^/]+)/paths-info/([^/]+)", "paths_info"),
        ("GET", r"/api/(\w+)/([^/]+/[^/]+)/tree/([^/]+)/?(.*)", "tree"),
        ("GET", r"/api/(\w+)/([^/]+/[^/]+)/revision/([^/]+)", "info"),
        ("GET", r"/api/(models|datasets)/([^/]+/[^/]+)", "info"),
        ("POST", r"/(datasets/)?([^/]+/[^/]+)\.git/info/lfs/objects/batch", "batch"),
        ("PUT", r"/lfs/(\w+)", "put"),
        ("GET", r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", "resolve"),
    )
]


class Handler(BaseHTTPRequestHandler):
    """One request; each route is a method that raises its `Answer`."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def handle_any(self) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        parts = urlsplit(self.path)
        self.query = parse_qs(parts.query)
        self.length = int(self.headers.get("Content-Length") or 0)
        try:
            self.route("GET" if self.command == "HEAD" else self.command, unquote(parts.path))
        except Answer as answer:
            self.send(answer)

    do_GET = do_HEAD = do_POST = do_PUT = handle_any

    def route(self, method: str, path: str) -> None:
        if self.hub.status is not None:
            self.rfile.read(self.length)
            raise error(self.hub.status, "out of order")
        for wanted, pattern, name in ROUTES:
            match = pattern.fullmatch(path)
            if match is not None and wanted == method:
                getattr(self, name)(*match.groups())
        raise error(404, f"no such page {path}")  # the dataset viewer's among them

    def send(self, answer: Answer) -> None:
        body = answer.body
        status, headers = answer.status, answer.headers
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if wanted and status == 200:
            start, stop = int(wanted[1]), min(int(wanted[2] or len(body)), len(body) - 1)
            status, headers = 206, headers | {"Content_Range": f"bytes {start}-{stop}/{len(body)}"}
            body = body[start : stop + 1]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self) -> Any:
        return json.loads(self.rfile.read(self.length))

    def token(self) -> str:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def need_token(self) -> None:
        if self.token() not in (WRITER, READER):
            self.rfile.read(self.length)
            raise error(401, "Invalid username or password.")

    def need_rights(self, namespace: str) -> None:
        self.need_token()
        if self.token() != WRITER or namespace != USER:
            self.rfile.read(self.length)
            raise error(403, f"You don't have the rights to write under the namespace {namespace}.")

    def repository(self, kind: str, repo_id: str) -> Repository:
        found = self.hub.repositories.get((kind, repo_id))
        if found is None or (found.private and self.token() not in (WRITER, READER)):
            raise error(401 if not self.token() else 404, "Repository not found", "RepoNotFound")
        return found

    def files_at(self, kind: str, repo_id: str, revision: str) -> dict[str, bytes]:
        files = self.repository(kind, repo_id).at(revision)
        if files is None:
            raise error(404, "Invalid rev id", "RevisionNotFound")
        return files

    def whoami(self) -> None:
        self.need_token()
        raise Answer(200, {"type": "user", "name": USER, "orgs": [], "auth": {"accessToken": {"role": "write"}}})

    def create(self) -> None:
        length = self.length
        body = json.loads(self.rfile.read(length))
        self.length = 0
        self.need_rights(body["organization"] or USER)
        name, kind = f"{body['organization'] or USER}/{body['name']}", body.get("type", "model") + "s"
        answer = {"url": f"{self.hub.url}/{'datasets/' * (kind == 'datasets')}{name}", "name": name, "id": name}
        if (kind, name) in self.hub.repositories:
            raise Answer(409, {**answer, "error": "You already created this repo"})
        self.hub.repositories[kind, name] = Repository(body.get("visibility") == "private")
        raise Answer(200, answer)

    def validate(self) -> None:
        self.json()
        raise Answer(200, {"errors": [], "warnings": []})

    def preupload(self, kind: str, repo_id: str, revision: str) -> None:
        self.need_rights(repo_id.split("/")[0])
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(LFS_SUFFIXES) else "regular",
                "shouldIgnore": False,
            }
            for file in self.json()["files"]
        ]
        raise Answer(200, {"files": modes})

    def batch(self, prefix: str | None, repo_id: str) -> None:
        self.need_rights(repo_id.split("/")[0])
        objects = [
            wanted
            if wanted["oid"] in self.hub.large
            else {**wanted, "actions": {"upload": {"href": f"{self.hub.url}/lfs/{wanted['oid']}"}}}
            for wanted in self.json()["objects"]
        ]
        raise Answer(200, {"transfer": "basic", "objects": objects})

    def put(self, oid: str) -> None:
        if self.hub.cut_after is not None and self.length > self.hub.cut_after:
            self.rfile.read(self.hub.cut_after)
            self.close_connection = True
            self.connection.close()
            return
        content = self.rfile.read(self.length)
        if hashlib.sha256(content).hexdigest() != oid:
            raise error(400, "the content is not what its hash says")
        self.hub.large[oid] = content
        raise Answer(200)

    def commit(self, kind: str, repo_id: str, revision: str) -> None:
        self.need_rights(repo_id.split("/")[0])
        repository = self.repository(kind, repo_id)
        files = dict(repository.commits[-1])
        for line in self.rfile.read(self.length).splitlines():
            operation = json.loads(line)
            self.apply(files, operation["key"], operation["value"])
        repository.commits.append(files)
        url = f"{self.hub.url}/{repo_id}/commit/{repository.sha()}"
        raise Answer(200, {"commitUrl": url, "commitOid": repository.sha(), "hookOutput": ""})

    def apply(self, files: dict[str, bytes], key: str, value: dict[str, Any]) -> None:
        if key == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif key == "lfsFile":
            files[value["path"]] = self.hub.large[value["oid"]]
        elif key == "deletedFile":
            del files[value["path"]]

    def info(self, kind: str, repo_id: str, revision: str = "main") -> None:
        repository = self.repository(kind, repo_id)
        files = self.files_at(kind, repo_id, revision)
        number = next((n for n, known in enumerate(repository.commits) if known is files), -1)
        raise Answer(
            200,
            {
                "_id": "0",
                "id": repo_id,
                "modelId": repo_id,
                "private": repository.private,
                "gated": False,
                "disabled": False,
                "sha": repository.sha(number),
                "tags": [],
                "downloads": 0,
                "likes": 0,
                "lastModified": "2026-01-01T00:00:00.000Z",
                "createdAt": "2026-01-01T00:00:00.000Z",
                "siblings": [{"rfilename": path} for path in files],
            },
        )

    def entry(self, path: str, content: bytes) -> dict[str, Any]:
        entry = {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
        if path.endswith(LFS_SUFFIXES):
            oid = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 130}
        return entry

    def entries(self, files: dict[str, bytes], below: str, recursive: bool) -> Iterator[dict[str, Any]]:
        folders = set()
        for path, content in files.items():
            if not path.startswith(below):
                continue
            parents = path[len(below) :].split("/")[:-1]
            folders |= {below + "/".join(parents[: depth + 1]) for depth in range(len(parents))}
            if recursive or not parents:
                yield self.entry(path, content)
        for folder in sorted(folders):
            if recursive or "/" not in folder[len(below) :]:
                yield {
                    "type": "directory",
                    "path": folder,
                    "size": 0,
                    "oid": hashlib.sha1(folder.encode()).hexdigest(),
                }

    def tree(self, kind: str, repo_id: str, revision: str, folder: str) -> None:
        files = self.files_at(kind, repo_id, revision)
        below = f"{folder}/" if folder else ""
        listed = list(self.entries(files, below, self.query.get("recursive", [""])[0].lower() in ("true", "1")))
        if below and not listed:
            raise error(404, f"{folder} does not exist", "EntryNotFound")
        raise Answer(200, listed)

    def paths_info(self, kind: str, repo_id: str, revision: str) -> None:
        content_type = self.headers.get("Content-Type") or ""
        body = self.rfile.read(self.length)
        asked = json.loads(body)["paths"] if "json" in content_type else parse_qs(body.decode())["paths"]
        files = self.files_at(kind, repo_id, revision)
        found = [self.entry(path, files[path]) for path in asked if path in files]
        below = [f for f in self.entries(files, "", True) if f["type"] == "directory" and f["path"] in asked]
        raise Answer(200, found + below)

    def resolve(self, prefix: str | None, repo_id: str, revision: str, path: str) -> None:
        kind = "datasets" if prefix else "models"
        files = self.files_at(kind, repo_id, revision)
        if path not in files:
            raise error(404, "Entry not found", "EntryNotFound")
        content = files[path]
        digest = hashlib.sha256(content).hexdigest()
        commit = self.repository(kind, repo_id).sha() if revision in ("main", "HEAD") else revision
        raise Answer(
            200,
            content,
            ETag=f'"{digest}"',
            X_Repo_Commit=commit,
            Accept_Ranges="bytes",
            Content_Type="application/octet-stream",
        )

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serve() -> Iterator[Hub]:
    """Run a Hub on a free port of this machine."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
