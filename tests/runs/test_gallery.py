"""Galleries on disk: a changed bit is noticed, and what 72c1906 wrote opens."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset

from hf_mlm.files import locked
from hf_mlm.runs.gallery import EMBEDS, ENTITIES, read_gallery, write_gallery


SAVED = Path(__file__).parent.parent / "saved" / "72c1906"


def write(folder: Path, indexed: bool = False, dtype: torch.dtype = torch.float16) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    embeds = {kind: torch.nn.functional.normalize(torch.randn(40, 8)).to(dtype) for kind in ("image", "text")}
    entities = Dataset.from_dict({"entity_id": [f"Q{number}" for number in range(40)]})
    if indexed:
        pytest.importorskip("faiss")
        entities.add_faiss_index_from_external_arrays(embeds["image"].float().numpy(), "image")
    write_gallery(folder, embeds, entities, "someone")
    return embeds


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_gallery_comes_back(dtype: torch.dtype, tmp_path: Path) -> None:
    written = write(tmp_path, dtype=dtype)
    embeds, entities, fingerprint = read_gallery(tmp_path)
    assert all(torch.equal(embeds[kind], values) for kind, values in written.items())
    assert (entities["entity_id"][:], fingerprint) == ([f"Q{number}" for number in range(40)], "someone")
    assert sorted(os.listdir(tmp_path)) == [EMBEDS, ENTITIES]


@pytest.mark.parametrize("name", [EMBEDS, ENTITIES, "image.faiss"])
def test_a_changed_bit_is_noticed(name: str, tmp_path: Path) -> None:
    write(tmp_path, indexed=name.endswith("faiss"))
    path, generator = tmp_path / name, random.Random(1)
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little") if name == EMBEDS else 0  # the header has JSON's own checks
    for number in range(40):
        changed = bytearray(content)
        changed[generator.randrange(start, len(content))] ^= 1 << generator.randrange(8)
        path.write_bytes(changed)
        os.utime(path, ns=(number, number))
        with pytest.raises(ValueError, match=r"the gallery in .* is damaged .*: encode it again"):
            read_gallery(tmp_path)


def test_any_change_of_the_header_gives_a_sentence_or_the_same(tmp_path: Path) -> None:
    written = write(tmp_path)
    path, generator = tmp_path / EMBEDS, random.Random(2)
    content = path.read_bytes()
    for _ in range(300):
        changed = bytearray(content)
        changed[generator.randrange(8 + int.from_bytes(content[:8], "little"))] = generator.randrange(256)
        path.write_bytes(changed)
        try:
            embeds, _, _ = read_gallery(tmp_path)
        except ValueError as error:
            assert "is damaged" in str(error)
        else:
            assert all(torch.equal(embeds[kind], values) for kind, values in written.items())


def test_two_writers_are_refused(tmp_path: Path) -> None:
    with locked(tmp_path, "save"), pytest.raises(BlockingIOError, match="save the gallery alone in"):
        write(tmp_path)


def test_a_gallery_from_before_checksums_opens() -> None:
    folder: Any = SAVED / "gallery_faiss"
    if not folder.is_dir():
        pytest.skip("no saved gallery")
    pytest.importorskip("faiss")
    embeds, entities, _ = read_gallery(folder)
    assert len(entities) == len(next(iter(embeds.values()))) and entities.list_indexes()
