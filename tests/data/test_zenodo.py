"""Files of the record, from a stand-in that can misbehave (see conftest)."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hf_mlm.data import zenodo
from hf_mlm.data.zenodo import RemoteFile, UnavailableError, fetch, list_files, member_names


LARGE = np.random.default_rng(0).bytes(300_000)
BLOCK = 65_536


@pytest.fixture
def large(record: Any) -> RemoteFile:
    record.files = {"MLM_irle.zip": LARGE}
    (file,) = list_files(zenodo.api_url())
    return file


def test_what_the_record_lists(large: RemoteFile, record: Any) -> None:
    assert (large.name, large.size, large.url) == ("MLM_irle.zip", 300_000, f"{record.url}/files/MLM_irle.zip")


def test_a_whole_file(large: RemoteFile, tmp_path: Path) -> None:
    fetch(large, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == LARGE


def test_a_broken_connection_is_resumed(large: RemoteFile, record: Any, tmp_path: Path) -> None:
    record.cuts = [200_000, 70_000]
    fetch(large, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == LARGE
    starts = [None, f"bytes={3 * BLOCK}-", f"bytes={4 * BLOCK}-"]  # whole blocks of what came
    assert [start for _, start in record.fetched()] == starts


def test_a_server_that_knows_no_ranges_starts_over(large: RemoteFile, record: Any, tmp_path: Path) -> None:
    record.cuts, record.ranges = [100_000], False
    fetch(large, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == LARGE


def test_patience_ends(large: RemoteFile, record: Any, tmp_path: Path) -> None:
    record.cuts = [10] * 100
    with pytest.raises(UnavailableError, match="MLM_irle.zip broke off"):
        fetch(large, tmp_path / "a.zip")
    assert len(record.fetched()) == zenodo.ATTEMPTS


@pytest.mark.parametrize("left", [b"x" * 400_000, b"x" * 300_000, b"x" * 100])
def test_a_remainder_of_something_else_is_found_out(left: bytes, large: RemoteFile, tmp_path: Path) -> None:
    (tmp_path / "a.zip.part").write_bytes(left)
    for _ in range(2):  # too long a remainder is dropped at once, another when its sum turns out wrong
        try:
            fetch(large, tmp_path / "a.zip")
            break
        except ValueError as error:
            assert "had another md5 sum than the record says and is deleted" in str(error)
    assert (tmp_path / "a.zip").read_bytes() == LARGE


def test_a_server_that_never_stops_is_cut_off(large: RemoteFile, record: Any, tmp_path: Path) -> None:
    record.files = {"MLM_irle.zip": LARGE * 20}
    with pytest.raises(ValueError, match="another md5 sum"):
        fetch(large, tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_gone(large: RemoteFile, record: Any, tmp_path: Path) -> None:
    record.files = {}
    with pytest.raises(UnavailableError, match="MLM_irle.zip answered 404"):
        fetch(large, tmp_path / "a.zip")


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_busy_server_is_asked_again(status: int, large: RemoteFile, record: Any, tmp_path: Path) -> None:
    record.answers = [status, status]
    fetch(large, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == LARGE
    record.answers = [status] * 100
    with pytest.raises(UnavailableError, match=f"broke off .status {status}"):
        fetch(large, tmp_path / "b.zip")


@pytest.mark.parametrize("answer", [416, "bytes 7-99/300000"])
def test_a_remainder_that_the_server_refuses_is_dropped(
    answer: Any, large: RemoteFile, record: Any, tmp_path: Path
) -> None:
    (tmp_path / "a.zip.part").write_bytes(LARGE[:1000])
    record.answers = [answer]
    fetch(large, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == LARGE
    assert [start for _, start in record.fetched()] == ["bytes=1000-", None]


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/files/MLM_irle.zip"])
def test_redirects_elsewhere_and_in_circles_are_told(
    address: str, large: RemoteFile, record: Any, tmp_path: Path
) -> None:
    record.redirect = address
    with pytest.raises(UnavailableError, match="MLM_irle.zip cannot be fetched"):
        fetch(large, tmp_path / "a.zip")


def test_names_in_a_remote_archive_cost_its_directory_only(record: Any) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/noise.bin", LARGE)
        archive.writestr("a/b.txt", "b")
    record.files = {"a.zip": buffer.getvalue(), "b.zip": LARGE}
    first, second = list_files(zenodo.api_url())
    assert member_names(first) == ["a/noise.bin", "a/b.txt"]
    spans = [wanted.removeprefix("bytes=").split("-") for _, wanted in record.fetched()]
    assert sum(int(stop) - int(start) + 1 for start, stop in spans) < 200_000
    assert member_names(second) == []
    record.ranges = False
    assert member_names(first) == []


MD5 = "md5:" + "0" * 32
LISTINGS = {
    "sums of another kind": {"key": "a.zip", "size": 1, "checksum": "sha1:" + "0" * 32, "links": {"self": "x"}},
    "a path for a name": {"key": "../a.zip", "size": 1, "checksum": MD5, "links": {"self": "x"}},
    "a hidden name": {"key": ".bashrc", "size": 1, "checksum": MD5, "links": {"self": "x"}},
    "a size in words": {"key": "a.zip", "size": "large", "checksum": MD5, "links": {"self": "x"}},
    "no link": {"key": "a.zip", "size": 1, "checksum": MD5},
}


@pytest.mark.parametrize("case", LISTINGS)
def test_listings_that_cannot_be_trusted(case: str, record: Any) -> None:
    record.listing = lambda: json.dumps({"files": [LISTINGS[case]]}).encode()
    with pytest.raises(UnavailableError, match="records/3885753 gave no list of files"):
        list_files(zenodo.api_url())


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"{}", b'{"files": 3}', b'{"files": ["a.zip"]}'])
def test_answers_that_are_no_listing(answer: bytes, record: Any) -> None:
    record.listing = lambda: answer
    with pytest.raises(UnavailableError, match="gave no list of files"):
        list_files(zenodo.api_url())


@pytest.mark.parametrize("status", [404, 503])
def test_the_record_does_not_answer(status: int, record: Any) -> None:
    record.status = status
    with pytest.raises(UnavailableError, match=rf"gave no list of files \(status {status}\)"):
        list_files(zenodo.api_url())


def test_no_connection_is_said_in_two_words() -> None:
    with pytest.raises(UnavailableError, match=r"gave no list of files \(no connection\)$"):
        list_files("http://127.0.0.1:9/api")


def test_zenodo_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_MLM_ZENODO_API", raising=False)
    assert zenodo.api_url() == "https://zenodo.org/api"
