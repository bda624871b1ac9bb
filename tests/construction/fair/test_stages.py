"""The table of stages on a card."""

from hf_mlm.construction.fair.stages import stage_table
from hf_mlm.construction.manifest import Ledger, OutputFile, StageManifest


def test_rows_and_reasons() -> None:
    ledger = Ledger()
    ledger.dropped.update({"no image": 1200, "no article": 1})
    ledger.noted["several coordinates"] = 2
    files = [OutputFile(f"{number}.parquet", 1, 1500, "ab") for number in range(2)]
    lines = stage_table({"places": StageManifest.of_task("places", files, ledger)}).splitlines()
    assert lines[0] == "| stage | rows | left out | noticed |"
    assert lines[2:] == ["| `places` | 3,000 | 1 no article; 1,200 no image | 2 several coordinates |"]
