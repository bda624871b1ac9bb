"""Tables of a folder: configs by name, splits in the usual order, files by number."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Features, Value

from hf_mlm.construction.fair.tables import tables_in


def test_tables(tmp_path: Path) -> None:
    names = ["b/test-00000-of-00001", "b/extra-00000-of-00001", "b/train-00001-of-00002", "b/train-00000-of-00002"]
    names += ["a/a-00000-of-00001", "b/notes", "b/train-1-of-2"]
    for rows, name in enumerate(names, 1):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"id": ["x"] * rows}), tmp_path / f"{name}.parquet")
    first, second = tables_in(tmp_path)
    assert (first.name, list(first.splits)) == ("a", ["a"])
    assert (second.name, list(second.splits)) == ("b", ["train", "test", "extra"])
    assert [file.name for file in second.files][:2] == [f"b/train-0000{n}-of-00002.parquet" for n in range(2)]
    assert second.rows("train") == 3 + 4 and second.features == Features({"id": Value("string")})
    info = second.info()
    assert info.splits["test"].num_examples == 1
    assert info.dataset_size == sum(path.stat().st_size for path in (tmp_path / "b").glob("*-0000*.parquet"))
    with pytest.raises(FileNotFoundError, match="holds no Parquet file such as"):
        tables_in(tmp_path / "a")
