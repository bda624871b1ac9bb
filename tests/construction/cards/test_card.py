"""Licences counted over several files."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from datasets import Features, Value

from hf_mlm.construction.cards.card import UNSTATED, Description, built_card, images_by_licence, stage_table, tables_in
from hf_mlm.construction.manifest import Ledger, OutputFile, StageManifest


def test_most_first_then_by_name(tmp_path: Path) -> None:
    for name, licences in {"a": ["CC0", None, "CC BY"], "b": ["CC BY", "AGPL", "CC0"]}.items():
        pq.write_table(pa.table({"licence": pa.array(licences, pa.string())}), tmp_path / f"{name}.parquet")
    counts = images_by_licence(sorted(tmp_path.iterdir()))
    assert list(counts.items()) == [("CC BY", 2), ("CC0", 2), ("AGPL", 1), (UNSTATED, 1)]
    assert images_by_licence([]) == {}


def test_rows_and_reasons() -> None:
    ledger = Ledger()
    ledger.dropped.update({"no image": 1200, "no article": 1})
    ledger.noted["several coordinates"] = 2
    files = [OutputFile(f"{number}.parquet", 1, 1500, "ab") for number in range(2)]
    lines = stage_table({"places": StageManifest.of_task("places", files, ledger)}).splitlines()
    assert lines[0] == "| stage | rows | left out | noticed |"
    assert lines[2:] == ["| `places` | 3,000 | 1 no article; 1,200 no image | 2 several coordinates |"]


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
