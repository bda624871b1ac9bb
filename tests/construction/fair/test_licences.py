"""Licences counted over several files."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hf_mlm.construction.fair.licences import UNSTATED, images_by_licence


def test_most_first_then_by_name(tmp_path: Path) -> None:
    for name, licences in {"a": ["CC0", None, "CC BY"], "b": ["CC BY", "AGPL", "CC0"]}.items():
        pq.write_table(pa.table({"licence": pa.array(licences, pa.string())}), tmp_path / f"{name}.parquet")
    counts = images_by_licence(sorted(tmp_path.iterdir()))
    assert list(counts.items()) == [("CC BY", 2), ("CC0", 2), ("AGPL", 1), (UNSTATED, 1)]
    assert images_by_licence([]) == {}
