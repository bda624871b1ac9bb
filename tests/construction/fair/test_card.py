"""The card: YAML that `datasets` reads, and every fact of the description."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from hf_mlm.construction.fair.card import built_card
from hf_mlm.construction.fair.description import Description
from hf_mlm.construction.fair.tables import tables_in


def test_card(tmp_path: Path) -> None:
    for name, rows in {"credits/credits": 2, "en_de/test": 300, "en_de/train": 900}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"id": ["x"] * rows}), tmp_path / f"{name}-00000-of-00001.parquet")
    described = Description(
        "mine",
        "My rows",
        "Some rows.",
        ["en", "de"],
        {"cc-by-4.0": "https://example.org"},
        "@misc{mine}",
        "https://example.org",
        "1.0.0",
        tasks=["token-classification"],
        tags=["tests"],
        sections={"Limits": "Few."},
    )
    text = str(built_card(described, tables_in(tmp_path)))
    head = yaml.safe_load(text.split("---\n")[1])
    assert (
        head["license"] == ["cc-by-4.0"] and head["language"] == ["en", "de"] and head["tags"] == ["hf-mlm", "tests"]
    )
    assert head["pretty_name"] == "My rows" and head["size_categories"] == ["1K<n<10K"]
    assert head["configs"][1] == {
        "config_name": "en_de",
        "data_files": [{"split": "train", "path": "en_de/train-*"}, {"split": "test", "path": "en_de/test-*"}],
    }
    assert 'load_dataset("this/folder", "en_de")' in text  # the one to train on, not the first
    order = [line for line in text.splitlines() if line.startswith("## ")]
    assert order == ["## Configs", "## Limits", "## Files", "## Citation"] and "| `en_de` | train | 900 |" in text
