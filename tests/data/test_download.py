"""Downloading, against a stand-in for Zenodo on this machine that can misbehave."""

import hashlib
import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hf_mlm.data import zenodo
from hf_mlm.data.download import download
from hf_mlm.data.formats.layout import find_layout


class Record:
    """A stand-in for the record: its files, and what goes wrong with them."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.checksums: dict[str, str] = {}
        self.cuts: list[int] = []  # break the next answers off after so many bytes
        self.ranges = True
        self.status = 200
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


def handler(record: Record) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            record.requests.append((self.path, wanted))
            if self.path.endswith("/api/records/3885753"):
                return self.answer(record.status, record.listing())
            content = record.files.get(self.path.removeprefix("/files/"))
            if content is None:
                return self.answer(404, b"")
            if wanted and record.ranges:
                start, stop = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted).groups()  # type: ignore[union-attr]
                return self.answer(206, content[int(start) : int(stop) + 1 if stop else None])
            return self.answer(200, content)

        def answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            cut = record.cuts.pop(0) if record.cuts and "/files/" in self.path else len(content)
            self.wfile.write(content[:cut])

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Iterator[Record]:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(zenodo, "PAUSE", 0)
    served = Record()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(served))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_MLM_ZENODO_API", f"{served.url}/api")
    yield served
    server.shutdown()
    server.server_close()


LARGE = ["MLM_irle/train.h5", *(f"MLM_irle/{number}" for number in range(200))]  # 900 kB


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, (name * 500)[:4500])
    return buffer.getvalue()


def test_each_config_gets_its_archive(record: Record, tmp_path: Path) -> None:
    record.files = {
        "metadata.txt": b"about",
        "MLM_v1.zip": zipped("MLM_v1/MLM_1/MLM_1.json"),
        "MLM_v1_sample.zip": zipped("MLM_v1_sample/MLM_1/MLM_1.json"),
        "MLM_irle.zip": zipped("MLM_irle/train.h5"),
        "MLM_irle_gr.zip": zipped("MLM_irle_gr/train.h5"),
    }
    for config, name in {"mlm": "MLM_v1", "irle": "MLM_irle", "irle-gr": "MLM_irle_gr"}.items():
        folder = download(config, tmp_path / config)
        assert sorted(path.name for path in folder.iterdir()) == [name, f"zenodo-{config}.json"]
        assert find_layout(folder, config).files[0].read_text().startswith(name)
    assert [name for name, _ in record.fetched()] == ["MLM_v1.zip", "MLM_irle.zip", "MLM_irle_gr.zip"]


def test_names_that_say_nothing_are_looked_into(record: Record, tmp_path: Path) -> None:
    record.files = {
        "part1.zip": zipped("a/MLM_irle/val.h5"),
        "part2.zip": zipped(*(f"irle-gr/{n}.h5" for n in range(50))),
    }
    folder = download("irle-gr", tmp_path / "out")
    assert len(list((folder / "part2" / "irle-gr").iterdir())) == 50
    assert {name for name, wanted in record.fetched() if wanted is None} == {"part2.zip"}  # of part1, the directory


def test_plain_feature_files_are_taken_too(record: Record, tmp_path: Path) -> None:
    record.files = {"MLM_irle_train.h5": b"1", "MLM_irle_val.h5": b"2", "MLM_irle_gr_train.h5": b"3"}
    folder = download("irle", tmp_path)
    assert list(find_layout(folder, "irle").splits) == ["train", "validation"]


def test_what_is_here_is_not_fetched_again_nor_asked_for(record: Record, tmp_path: Path) -> None:
    record.files = {"MLM_irle.zip": zipped("MLM_irle/train.h5")}
    download("irle", tmp_path)
    count = len(record.requests)
    assert download("irle", tmp_path) == tmp_path
    assert len(record.requests) == count


def test_a_broken_connection_is_resumed(record: Record, tmp_path: Path) -> None:
    record.files, record.cuts = {"MLM_irle.zip": zipped(*LARGE)}, [200_000, 100_000]
    assert find_layout(download("irle", tmp_path), "irle").splits
    starts = [None, f"bytes={3 * 65536}-", f"bytes={4 * 65536}-"]  # whole blocks of what came
    assert record.fetched() == [("MLM_irle.zip", start) for start in starts]


def test_a_server_that_knows_no_ranges_starts_over(record: Record, tmp_path: Path) -> None:
    record.files, record.cuts, record.ranges = {"MLM_irle.zip": zipped(*LARGE)}, [100_000], False
    assert find_layout(download("irle", tmp_path), "irle").splits


def test_a_later_run_resumes_too(record: Record, tmp_path: Path) -> None:
    record.files, record.cuts = {"MLM_irle.zip": zipped(*LARGE)}, [66_000] * zenodo.ATTEMPTS
    with pytest.raises(OSError, match=r"MLM_irle.zip broke off.*or download the files by hand.*data_dir="):
        download("irle", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["MLM_irle.zip.part"]
    download("irle", tmp_path)
    assert record.fetched()[-1] == ("MLM_irle.zip", f"bytes={65536 * zenodo.ATTEMPTS}-")


def test_a_wrong_checksum_deletes_the_copy(record: Record, tmp_path: Path) -> None:
    record.files = {"MLM_irle.zip": zipped("MLM_irle/train.h5")}
    record.checksums = {"MLM_irle.zip": "md5:" + "0" * 32}
    with pytest.raises(ValueError, match="MLM_irle.zip had another md5 sum than the record says and is deleted"):
        download("irle", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_evil_archive_leaves_nothing_outside(record: Record, tmp_path: Path) -> None:
    record.files = {"MLM_irle.zip": zipped("../../evil.txt")}
    with pytest.raises(ValueError, match="would be written outside its folder"):
        download("irle", tmp_path / "a" / "b")
    assert not list(tmp_path.rglob("evil.txt"))


LISTINGS = {
    "sums of another kind": {"key": "MLM_irle.zip", "size": 1, "checksum": "sha1:" + "0" * 32, "links": {"self": "x"}},
    "a path for a name": {"key": "../MLM_irle.zip", "size": 1, "checksum": "md5:" + "0" * 32, "links": {"self": "x"}},
    "no link": {"key": "MLM_irle.zip", "size": 1, "checksum": "md5:" + "0" * 32},
}


@pytest.mark.parametrize("case", LISTINGS)
def test_listings_that_cannot_be_trusted(case: str, record: Record, tmp_path: Path) -> None:
    record.listing = lambda: json.dumps({"files": [LISTINGS[case]]}).encode()  # type: ignore[method-assign]
    with pytest.raises(OSError, match="gave no list of files .*; try again later, or download the files by hand"):
        download("irle", tmp_path)


@pytest.mark.parametrize("status", [404, 503])
def test_the_record_does_not_answer(status: int, record: Record, tmp_path: Path) -> None:
    record.status = status
    with pytest.raises(OSError, match=rf"gave no list of files \(status {status}\); .*zenodo.org/records/3885753"):
        download("irle", tmp_path)


def test_no_connection(record: Record, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"gave no list of files \(no connection\)") as caught:
        download("irle", tmp_path, api="http://127.0.0.1:9/api")
    assert "HTTPConnectionPool" not in str(caught.value)


def test_a_record_without_such_files(record: Record, tmp_path: Path) -> None:
    record.files = {"metadata.txt": b"about", "MLM_irle_gr.zip": zipped("MLM_irle_gr/train.h5")}
    with pytest.raises(OSError, match=r"recognised as that of 'irle' \(of metadata.txt, MLM_irle_gr.zip\)"):
        download("irle", tmp_path)


def test_no_room(record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record.files = {"MLM_irle.zip": zipped("MLM_irle/train.h5")}
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10}))
    with pytest.raises(OSError, match="has 0.0 GB free and .* needed"):
        download("irle", tmp_path)
    assert record.fetched() == []


def test_offline_means_no_connection_at_all(record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(
        OSError, match=r'HF_HUB_OFFLINE is set; unset it, or .*load_dataset\("mlm", "irle", data_dir="…"\)'
    ):
        download("irle", tmp_path / "out")
    assert record.requests == []
    assert not (tmp_path / "out").exists()


def test_the_demo_is_not_downloaded(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to download for 'demo'; choose one of mlm, irle, irle-gr"):
        download("demo", tmp_path)


def test_load_dataset_downloads_by_itself_once(
    record: Record, tmp_path: Path, make_entities: Any, write_final: Any
) -> None:
    import hf_mlm  # noqa: F401

    datasets = pytest.importorskip("datasets")
    path = write_final(tmp_path / "train.h5", make_entities(range(5)))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.write(path, "MLM_irle_gr/train.h5")
    record.files = {"MLM_irle_gr.zip": buffer.getvalue()}
    for options in ({}, {"download_mode": "reuse_cache_if_exists"}, {"download_mode": "force_redownload"}):
        dataset = datasets.load_dataset("mlm", "irle-gr", cache_dir=str(tmp_path / "cache"), **options)
        assert dataset["train"]["entity_id"][:] == [f"Q{number}" for number in range(5)]
    assert len(record.fetched()) == 1
