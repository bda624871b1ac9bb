"""Files: an old one or a new one, never half, and nothing else in the folder."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hf_mlm.files import check_room, full_disk_in_words, replacing, sha256_of, write_text


def content(folder: Path) -> dict[str, bytes]:
    """All that a folder holds, hidden files too."""
    return {name: Path(folder, name).read_bytes() for name in os.listdir(folder)}


def test_a_file_is_replaced_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    with replacing(str(target)) as unfinished:
        unfinished.write_bytes(b"new")
        assert unfinished.parent == tmp_path and target.read_bytes() == b"old"
    assert content(tmp_path) == {"a.bin": b"new"}


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("old", [{}, {"a.txt": b"old"}])
def test_a_failure_in_the_middle_changes_nothing(
    tmp_path: Path, old: dict[str, bytes], interruption: type[BaseException]
) -> None:
    for name, before in old.items():
        (tmp_path / name).write_bytes(before)
    with pytest.raises(interruption), replacing(tmp_path / "a.txt") as unfinished:  # noqa: PT012
        unfinished.write_text("half of")
        raise interruption
    assert content(tmp_path) == old


def test_a_text_that_cannot_be_encoded_changes_nothing(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "a.txt", "new \ud800")
    assert content(tmp_path) == {"a.txt": b"old"}


def test_a_rename_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(source: Path, target: Path) -> None:
        assert source.read_text() == "text" and target == tmp_path / "a.txt"
        raise OSError("no room")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="no room"):
        write_text(tmp_path / "a.txt", "text")
    assert content(tmp_path) == {}


def test_folders_are_made_for_a_text_only(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "er" / "a.txt", "Köln\n")
    assert content(tmp_path / "new" / "er") == {"a.txt": b"K\xc3\xb6ln\n"}
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "none" / "a.txt") as unfinished:
        unfinished.write_text("text")
    assert os.listdir(tmp_path) == ["new"]


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="is a folder; name a file to write"):
        write_text(tmp_path, "text")
    assert content(tmp_path) == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser writes everywhere")
def test_a_folder_that_cannot_be_written_to_keeps_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError):
            write_text(tmp_path / "a.txt", "new")
    finally:
        tmp_path.chmod(0o700)
    assert content(tmp_path) == {"a.txt": b"old"}


def test_a_file_where_a_folder_should_be_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(OSError, match="a"):
        write_text(tmp_path / "a" / "b.txt", "new")
    assert content(tmp_path) == {"a": b"old"}


def test_threads_do_not_write_into_each_other(tmp_path: Path) -> None:
    texts, together = [letter * 5000 for letter in "abcd"], threading.Barrier(4)

    def write(text: str) -> None:
        with replacing(tmp_path / "a.txt") as unfinished, unfinished.open("w") as file:
            file.write(text[:2500])
            together.wait(10)
            file.write(text[2500:])

    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(content(tmp_path)) == ["a.txt"] and (tmp_path / "a.txt").read_text() in texts


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_hashes_are_those_of_coreutils(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(range(256)) * (size // 256) + bytes(size % 256))
    command = subprocess.run(["sha256sum", str(path)], capture_output=True, text=True, check=True)
    assert sha256_of(path) == command.stdout.split()[0]


def test_nothing_else_is_imported() -> None:
    program = "import sys; before = set(sys.modules); import hf_mlm.files; print(*(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "datasets", "numpy", "pyarrow"} & set(loaded)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_becomes_a_sentence(code: int, tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match=rf"no room is left to write in {tmp_path} \(.+\); free some, and start again\."),
        full_disk_in_words(tmp_path, "and start again"),
    ):
        raise OSError(code, "Detail: [errno]")


def test_other_errors_are_left_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), full_disk_in_words(tmp_path, ""):
        raise PermissionError(errno.EACCES, "no")


def test_room_is_looked_for_first(tmp_path: Path) -> None:
    check_room(tmp_path, 1)
    with pytest.raises(OSError, match="GB free and 1000000000.0 GB are needed"):
        check_room(tmp_path, 10**18)
