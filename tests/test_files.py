"""Files: an old one or a new one, never half, and nothing else in the folder."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hf_mlm.files import check_room, full_disk_in_words, locked, replacing, replacing_folder, sha256_of, write_text


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


def test_libraries_that_write_to_a_full_disk_are_understood(tmp_path: Path) -> None:
    message = f"no room is left to write in {tmp_path}"
    with pytest.raises(OSError, match=message), full_disk_in_words(tmp_path, ""):
        raise RuntimeError("I/O error: No space left on device (os error 28)")  # as safetensors raises it
    if Path("/dev/full").exists():  # a device that is always full
        torch = pytest.importorskip("torch")
        (tmp_path / "weights").symlink_to("/dev/full")
        with pytest.raises(OSError, match=message), full_disk_in_words(tmp_path, ""):
            torch.save({"a": torch.zeros(10_000)}, tmp_path / "weights")


def test_a_folder_that_is_closed_becomes_a_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(PermissionError, match=f"Expected to write in {tmp_path}, found a folder"),
        full_disk_in_words(tmp_path, ""),
    ):
        raise PermissionError(errno.EROFS, "no", str(tmp_path / "a"))


def test_other_errors_are_left_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(PermissionError, match="no"), full_disk_in_words(tmp_path, ""):
        raise PermissionError(errno.EACCES, "no", "/elsewhere/a")
    with pytest.raises(KeyError), full_disk_in_words(tmp_path, ""):
        raise KeyError("a")


def test_room_is_looked_for_first(tmp_path: Path) -> None:
    check_room(tmp_path, 1)
    with pytest.raises(OSError, match=r"Expected 1,000,000,000\.0 GB of room in .*, found .* free .* first"):
        check_room(tmp_path, 10**18)


HOLD = """
import sys, time
from hf_mlm.files import locked
with locked(sys.argv[1], "train"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_held_folder_has_one_writer(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError, match=f"train alone in {tmp_path}"), locked(tmp_path, "train"):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with locked(tmp_path, "train"):  # the lock of a killed process is gone
        assert os.listdir(tmp_path) == [".lock"]
    assert os.listdir(tmp_path) == []


def test_a_second_lock_of_one_process_is_refused(tmp_path: Path) -> None:
    with locked(tmp_path / "new", "build"), pytest.raises(BlockingIOError), locked(tmp_path / "new", "build"):
        pass


def test_what_killed_writers_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".a.json.0123abcd.part").write_text("half")
    (tmp_path / ".images.0123abcd.part" / "content").mkdir(parents=True)
    with locked(tmp_path, "train"):
        assert os.listdir(tmp_path) == [".lock"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / ".images.0123abcd.part" / "content").mkdir(parents=True)
    (tmp_path / ".images2.0123abcd.part" / "content").mkdir(parents=True)
    with pytest.raises(KeyboardInterrupt), replacing_folder(tmp_path / "images") as unfinished:  # noqa: PT012
        (unfinished / "a").write_text("half of")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == [".images2.0123abcd.part"]
    with replacing_folder(tmp_path / "images") as unfinished:
        (unfinished / "a").write_text("all")
        with replacing_folder(tmp_path / "other"):
            assert unfinished.exists() and not (tmp_path / "images").exists()
    assert content(tmp_path / "images") == {"a": b"all"}


def test_a_living_writer_keeps_its_unfinished_folder(tmp_path: Path) -> None:
    with replacing_folder(tmp_path / "images") as first:
        (first / "a").write_text("first")
        with pytest.raises(OSError, match="not empty"), replacing_folder(tmp_path / "images") as second:  # noqa: PT012
            (second / "a").write_text("second")
            os.mkdir(tmp_path / "images")
            (tmp_path / "images" / "b").write_text("other")
        (tmp_path / "images" / "b").unlink()
    assert content(tmp_path / "images") == {"a": b"first"}
