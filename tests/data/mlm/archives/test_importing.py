import json
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
from datasets import load_dataset

import hf_mlm  # noqa: F401  (registers the builder)
from hf_mlm.data.mlm.archives.importing import import_archive


def test_an_import_opens_as_the_archive_itself(make_archive: Callable[..., Path], tmp_path: Path) -> None:
    source = make_archive()
    record = import_archive(source, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "archive.json").read_text()) == record
    assert (record["source"], record["located"], sum(record["rows"].values())) == ("archive", 2, 3)
    assert record["faults"] == {"no coordinates": 1, "no image": 1, "no text": 1}
    direct, imported = (load_dataset("mlm", "archive", data_dir=str(path)) for path in (source, tmp_path / "out"))
    source.rename(tmp_path / "moved")  # images are in the import
    for split, rows in imported.items():
        assert rows.features == direct[split].features
        for row, same in zip(rows, direct[split].remove_columns("images"), strict=True):
            assert [image.size for image in row.pop("images")] in ([(48, 32)], [])
            assert row == same


def test_rows_that_datasets_wrote_are_read_too(make_archive: Callable[..., Path], tmp_path: Path) -> None:
    dataset = load_dataset("mlm", "archive", data_dir=str(make_archive()))
    (tmp_path / "rows").mkdir()
    for split, rows in dataset.items():
        rows.to_parquet(tmp_path / "rows" / f"{split}-00000-of-00001.parquet")
    again = load_dataset("mlm", "archive", data_dir=str(tmp_path / "rows"))
    assert {split: rows["entity_id"][:] for split, rows in again.items()} == {
        split: rows["entity_id"][:] for split, rows in dataset.items()
    }
    with pytest.raises(FileNotFoundError, match="nothing that the config 'mlm' reads"):
        load_dataset("mlm", "mlm", data_dir=str(tmp_path / "rows"))


def test_what_is_there_is_not_overwritten(make_archive: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(FileExistsError, match="out is there already and holds files"):
        import_archive(make_archive(), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_failed_import_leaves_nothing(
    make_archive: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no")

    monkeypatch.setattr("hf_mlm.data.mlm.archives.importing.write_text", fail)
    with pytest.raises(ValueError, match="no"):
        import_archive(make_archive(), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_files_and_groups_are_bounded(
    make_archive: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hf_mlm.data.mlm.archives.importing.ROWS_PER_GROUP", 2)
    monkeypatch.setattr("hf_mlm.data.mlm.archives.importing.BYTES_PER_FILE", 1)
    records = [{"id": str(number), "text": "x"} for number in range(40)]
    import_archive(make_archive(records), tmp_path / "out")
    files = sorted((tmp_path / "out" / "archive").glob("train-*.parquet"))
    assert len(files) > 5
    assert sum(map(len, load_dataset("mlm", "archive", data_dir=str(tmp_path / "out")).values())) == 40


@pytest.mark.heavy
def test_a_hundred_thousand_records_need_little_memory(tmp_path: Path) -> None:
    with (tmp_path / "a.csv").open("w") as table:
        table.write("id,text,lat,lon\n")
        for number in range(100_000):
            table.write(f"P{number},{'word ' * 60},{number % 170 - 85}.5,{number % 350 - 175}.25\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    import_archive(tmp_path / "a.csv", tmp_path / "out")
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 400  # MB; the table has 33
