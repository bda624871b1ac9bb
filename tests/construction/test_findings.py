"""What the report reads from a folder: counts of its Parquet files, in the folder of a build."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hf_mlm.construction.findings import Losses, Texts, find_in_build  # noqa: E402
from hf_mlm.construction.manifest import Ledger, OutputFile, StageManifest  # noqa: E402


pytest.importorskip("datatrove")


TABLES = {
    "mlm/train": {
        "country": ["DE", None, "DE"],
        "summaries": [{"en": "ab", "de": None}, {"en": "ö", "de": "c"}] + [None],
    },
    "irle/train": {"geo_cell": [0, 1, 1]},
    "image_licences/image_licences": {"licence": ["CC0", None]},
}


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    files = []
    for name, columns in TABLES.items():
        path = tmp_path / f"{name}-00000-of-00001.parquet"
        path.parent.mkdir()
        pq.write_table(pa.table(columns), path)
        files.append(OutputFile.of(path, len(next(iter(columns.values()))), tmp_path))
    StageManifest.of_task("dataset", files, Ledger()).save(tmp_path / "manifest.json")
    dropped = {"no summary": 2, "image: of 0 bytes": 3, "image beyond the limit": 4}
    stages = {
        "places": {"dropped": dropped, "files": [{"rows": 3}, {"rows": 4}]},
        "selection": {"dropped": {}, "files": [], "facts": {"irle: cells": ["47a1", "89c1"]}},
    }
    (tmp_path / "provenance.json").write_text(json.dumps({"build": {"code": "x"}, "stages": stages}))
    return tmp_path


def test_findings(dataset: Path) -> None:
    found = find_in_build(dataset)
    assert found.sizes == {"mlm": 3, "irle": 3, "irle-gr": 0} and found.countries == {"DE": 2, "": 1}
    assert found.languages == {"en": Texts(2, 3), "de": Texts(1, 1)} and (found.summaries, found.images) == (3, 2)
    assert found.licences == {"CC0": 1, "not stated": 1}
    assert found.partitions["irle"].counts.tolist() == [1, 2] and list(found.partitions) == ["irle"]
    assert list(found.losses) == [
        Losses("places", "rows", 7, {"no summary": 2}),
        Losses("places", "images", 2, {"of 0 bytes": 3, "beyond the limit": 4}),
    ]


def test_a_folder_without_a_build(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no provenance.json; finish the build by running it again"):
        find_in_build(tmp_path)
