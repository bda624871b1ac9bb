"""The authors' counts, from a file of their shape and from the real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from hf_mlm.reporting.construction_paper import published_counts


def test_their_layout(tmp_path: Path) -> None:
    (tmp_path / "mlm").mkdir()
    assert published_counts(tmp_path) is None
    parts = ["Total data: 7", "FR: 4\nUS: 3", "EU: 4\nNA: 3", "EU: 4\nOther: 3"]
    (tmp_path / "mlm" / "MLM_v1_coord_stats.txt").write_text("\n----------\n".join(parts))
    lines = "==>Num of data points: {0}\n==>Num of summaries: {1}\n==>Num of images: {2}\n==>Size: 9.8G"
    stats = [f"MLM {version} stats:\n{lines.format(*numbers)}" for version, numbers in _VERSIONS.items()]
    (tmp_path / "mlm" / "mlm_stats.txt").write_text("\n\n".join(stats))
    counts = published_counts(tmp_path)
    assert counts is not None and counts.countries == {"FR": 4, "US": 3}
    assert counts.totals == {"data points": 7, "summaries": 14, "images": 12}


_VERSIONS = {"v2 dataset": (8, 9, 10), "v1 dataset": (7, 14, 12), "v1 sample dataset": (1, 2, 3)}


@pytest.mark.real
def test_their_files(shared_data: Path) -> None:
    counts = published_counts(shared_data)
    assert counts is not None and counts.totals == {"data points": 236_496, "summaries": 497_899, "images": 412_422}
    assert counts.countries["FR"] == 38_793 and "EU" not in counts.countries and "NA" in counts.countries  # Namibia
    assert 0 <= 236_496 - sum(counts.countries.values()) < 100
