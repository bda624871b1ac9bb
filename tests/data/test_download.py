"""Downloading, against a stand-in for Zenodo on this machine that can misbehave."""

import io
import stat
import struct
import tarfile
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hf_mlm.data.download import MAX_EMPTY, archive_stem, download, unpack
from hf_mlm.data.mlm.layout import find_layout
from hf_mlm.data.zenodo import ATTEMPTS


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, (name * 100)[:1000])
    return buffer.getvalue()


def test_each_config_gets_its_archive(record: Any, tmp_path: Path) -> None:
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


def test_names_that_say_nothing_are_looked_into(record: Any, tmp_path: Path) -> None:
    record.files = {
        "part1.zip": zipped("a/MLM_irle/val.h5"),
        "part2.zip": zipped(*(f"irle-gr/{n}.h5" for n in range(50))),
    }
    folder = download("irle-gr", tmp_path / "out")
    assert len(list((folder / "part2" / "irle-gr").iterdir())) == 50
    assert {name for name, wanted in record.fetched() if wanted is None} == {"part2.zip"}  # of part1, the directory


def test_plain_feature_files_are_taken_too(record: Any, tmp_path: Path) -> None:
    record.files = {"MLM_irle_train.h5": b"1", "MLM_irle_val.h5": b"2", "MLM_irle_gr_train.h5": b"3"}
    folder = download("irle", tmp_path)
    assert list(find_layout(folder, "irle").splits) == ["train", "validation"]


def test_what_is_here_is_not_fetched_again_nor_asked_for(record: Any, tmp_path: Path) -> None:
    record.files = {"MLM_irle.zip": zipped("MLM_irle/train.h5")}
    download("irle", tmp_path)
    count = len(record.requests)
    assert download("irle", tmp_path) == tmp_path
    assert len(record.requests) == count


def test_two_downloads_at_once_are_one(record: Any, tmp_path: Path) -> None:
    names = [f"MLM_irle/{number}" for number in range(300)]
    record.files = {"MLM_irle.zip": zipped(*names)}
    found: list[int] = []

    def bring() -> None:
        found.append(len(list((download("irle", tmp_path) / "MLM_irle" / "MLM_irle").iterdir())))

    threads = [threading.Thread(target=bring) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [300] * 4 and len(record.fetched()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["MLM_irle", "zenodo-irle.json"]


def test_an_evil_archive_leaves_nothing_outside(record: Any, tmp_path: Path) -> None:
    record.files = {"MLM_irle.zip": zipped("../../evil.txt")}
    with pytest.raises(ValueError, match="would be written outside its folder"):
        download("irle", tmp_path / "a" / "b")
    assert not list(tmp_path.rglob("evil.txt"))


def test_a_later_run_goes_on(record: Any, tmp_path: Path) -> None:
    names = [f"MLM_irle/{number}" for number in range(400)]
    record.files, record.cuts = {"MLM_irle.zip": zipped(*names)}, [66_000] * ATTEMPTS
    with pytest.raises(OSError, match=r"MLM_irle.zip broke off .*; try again later, or .* by hand .*data_dir="):
        download("irle", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["MLM_irle.zip.part"]
    assert len(list((download("irle", tmp_path) / "MLM_irle" / "MLM_irle").iterdir())) == 400
    assert record.fetched()[-1] == ("MLM_irle.zip", f"bytes={65536 * ATTEMPTS}-")


def test_no_connection(record: Any, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"no list of files \(no connection\); try again later, or download the files"):
        download("irle", tmp_path, api="http://127.0.0.1:9/api")


def test_a_record_without_such_files(record: Any, tmp_path: Path) -> None:
    record.files = {"metadata.txt": b"about", "MLM_irle_gr.zip": zipped("MLM_irle_gr/train.h5")}
    with pytest.raises(OSError, match=r"recognised as that of 'irle' \(of metadata.txt, MLM_irle_gr.zip\)"):
        download("irle", tmp_path)


def test_no_room(record: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record.files = {"MLM_irle.zip": zipped("MLM_irle/train.h5")}
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10}))
    with pytest.raises(OSError, match=r"Expected [\d,]+ bytes of room in .*, found 10 bytes"):
        download("irle", tmp_path)
    assert record.fetched() == []


def test_offline_means_no_connection_at_all(record: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    record: Any, tmp_path: Path, make_entities: Any, write_final: Any
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


@pytest.mark.parametrize(
    "kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE]
)
def test_endless_names_in_a_tar_are_refused_unread(kind: bytes, tmp_path: Path) -> None:
    """The header claims a name of 4 GB, of which not a byte follows."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = kind, 2**32
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT))
    with pytest.raises(ValueError, match=r"a\.tar is damaged .*4,294,967,296 bytes"):
        unpack(tmp_path / "a.tar", tmp_path / "out")


@pytest.mark.parametrize("kind", [tarfile.DIRTYPE, tarfile.REGTYPE])
def test_folders_and_empty_files_without_number_are_refused(kind: bytes, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for number in range(MAX_EMPTY + 1):
            info = tarfile.TarInfo(f"x{number}")
            info.type = kind
            archive.addfile(info)
    with pytest.raises(ValueError, match="more than 10,000 files"):
        unpack(tmp_path / "a.tar", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_zip_of_too_many_members_is_refused_by_its_end_record(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 3, 3, 100, 0, 0))
    with pytest.raises(ValueError, match="holds more than 2 files"):
        unpack(tmp_path / "a.zip", tmp_path / "out", max_files=2)


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
