import io
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hf_mlm.data.unpack import archive_stem, unpack


Files = dict[str, bytes]
WHOLE = {"MLM/train.h5": b"x" * 3000, "MLM/images_1/Q1_0.jpg": b"y", "readme.txt": b""}


def write_zip(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("MLM/", b"")
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files: Files) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


WRITERS = [pytest.param(write_zip, "a.zip", id="zip"), pytest.param(write_tar, "a.tar.gz", id="tar")]


@pytest.mark.parametrize(("write", "name"), WRITERS)
def test_everything_is_there_afterwards(write: Any, name: str, tmp_path: Path) -> None:
    unpack(write(tmp_path / name, WHOLE), tmp_path / "out")
    found = {p.relative_to(tmp_path / "out").as_posix(): p.read_bytes() for p in (tmp_path / "out").rglob("*.*")}
    assert found == WHOLE
    with pytest.raises(FileExistsError, match="out is there already"):
        unpack(tmp_path / name, tmp_path / "out")


EVIL = ["../evil.txt", "a/../../evil.txt", "/evil.txt", "..\\evil.txt", "c:\\evil.txt", "C:evil.txt", "\\\\host\\evil"]


@pytest.mark.parametrize(("write", "name"), WRITERS)
@pytest.mark.parametrize("evil", EVIL)
def test_nothing_is_written_outside(evil: str, write: Any, name: str, tmp_path: Path) -> None:
    write(tmp_path / name, {"good.txt": b"1", evil: b"2"})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match="would be written outside its folder"):
        unpack(tmp_path / name, tmp_path / "out")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_are_refused(kind: bytes, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = kind, "/etc"
        archive.addfile(info)
    with pytest.raises(ValueError, match="'link', a link or device; only plain files"):
        unpack(tmp_path / "a.tar", tmp_path / "out")


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc")
    with pytest.raises(ValueError, match="the link 'link'; only plain files"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize(("write", "name"), WRITERS)
def test_bombs_are_refused_before_they_fill_the_disk(write: Any, name: str, tmp_path: Path) -> None:
    write(tmp_path / name, {f"{number}.txt": bytes(4_000_000) for number in range(20)})
    with pytest.raises(ValueError, match="looks like a decompression bomb"):
        unpack(tmp_path / name, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("write", "name"), WRITERS)
def test_too_many_files_are_refused(write: Any, name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds more than 2 files"):
        unpack(write(tmp_path / name, WHOLE), tmp_path / "out", max_files=2)


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "1")
        archive.writestr("./a.txt", "2")
    with pytest.raises(ValueError, match="holds './a.txt' twice"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize(("write", "name"), WRITERS)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_truncated_archives_are_refused(share: float, write: Any, name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, WHOLE | {"noise.bin": bytes(range(256)) * 40})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ValueError, match="is damaged or no archive"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_where_another_has_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is damaged or no archive"):
        unpack(write_tar(tmp_path / "a.tar.gz", {"a": b"1", "a/b": b"2"}), tmp_path / "out")


def test_other_content_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_text("<html>not found</html>")
    with pytest.raises(ValueError, match="is damaged or no archive"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize("name", ["MLM_v1.0.zip", "MLM_v1.0.tar", "MLM_v1.0.TAR.GZ", "MLM_v1.0.tgz", "MLM_v1.0"])
def test_stems(name: str) -> None:
    assert archive_stem(name) == "MLM_v1.0"
