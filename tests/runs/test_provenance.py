from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import torch
from datasets import Dataset, Features, Image, List, Value

from hf_mlm.runs.provenance import fingerprint, holds_images, write_provenance


VECTORS = [[[1.0, number]] * (number % 3) if number % 5 else None for number in range(2500)]
ROWS = {
    "vectors": VECTORS,
    "texts": [{"en": "a" * (number % 4), "de": None} for number in range(2500)],
    "id": [f"Q{number}" for number in range(2500)],
    "score": [number / 7 for number in range(2500)],
}


def test_the_same_rows_have_the_same_fingerprint_however_they_lie_in_memory(tmp_path: Path) -> None:
    rows = Dataset.from_dict(ROWS)
    rows.save_to_disk(tmp_path, num_shards=3)
    doubled = Dataset.from_dict({name: values * 2 for name, values in ROWS.items()})
    assert fingerprint(Dataset.load_from_disk(tmp_path)) == fingerprint(rows)
    assert fingerprint(doubled.select(range(2500))) == fingerprint(rows)


def test_another_value_or_order_has_another_fingerprint() -> None:
    prints = {
        fingerprint(Dataset.from_dict(ROWS)),
        fingerprint(Dataset.from_dict({**ROWS, "score": [*ROWS["score"][:-1], 0.5]})),
        fingerprint(Dataset.from_dict({name: values[::-1] for name, values in ROWS.items()})),
        fingerprint(Dataset.from_dict({"id": ROWS["id"]})),
    }
    assert len(prints) == 4


def test_images_are_left_out_wherever_they_are() -> None:
    assert holds_images(List(Image())) and holds_images({"views": List({"front": Image()})})
    assert not holds_images(List(Value("string")))
    features = Features({"id": Value("string"), "images": List(Image())})
    rows = Dataset.from_dict({"id": ["a"], "images": [["/somewhere/a.png"]]}, features=features)
    assert fingerprint(rows) == fingerprint(rows.remove_columns("images"))


def test_what_is_written(tmp_path: Path) -> None:
    arguments = SimpleNamespace(output_dir=str(tmp_path), world_size=2)
    trainer = SimpleNamespace(args=arguments, model=torch.nn.Linear(3, 2))
    rows = Dataset.from_dict(ROWS)
    write_provenance(trainer, {"train": rows}, "mlm", "irle")  # type: ignore[arg-type]
    found = json.loads((tmp_path / "provenance.json").read_text())
    assert found["parameters"] == 3 * 2 + 2
    assert found["dataset"]["splits"] == {"train": {"rows": 2500, "sha256": fingerprint(rows)}}
    assert found["hardware"]["processes"] == 2 and found["hardware"]["cores"] >= 1
    assert found["versions"]["torch"].startswith("2")
    assert str(tmp_path) not in (tmp_path / "provenance.json").read_text()
