from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from hf_mlm import Gallery
from hf_mlm.pipelines import gallery_files
from tests.pipelines.test_gallery import random_gallery


def test_a_gallery_comes_back_and_stays_in_its_file(tmp_path: Path) -> None:
    gallery = random_gallery(rows=20_000, size=16)
    gallery.save(tmp_path / "new" / "gallery")
    assert sorted(file.name for file in (tmp_path / "new" / "gallery").iterdir()) == [
        "embeddings.safetensors",
        "entities.parquet",
    ]
    loaded = Gallery.load(str(tmp_path / "new" / "gallery"))
    assert loaded.fingerprint == "someone" and len(loaded) == 20_000 and loaded.embedding_size == 16
    assert loaded.entities[:] == gallery.entities[:]
    for name, values in gallery.embeds.items():
        assert torch.equal(loaded.embeds[name], values)
    maps = Path("/proc/self/maps")
    if maps.is_file():
        assert str(tmp_path / "new" / "gallery" / "embeddings.safetensors") in maps.read_text()


def test_an_interrupted_save_leaves_the_older_gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random_gallery(seed=1).save(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gallery_files, "save_file", full)
    with pytest.raises(OSError, match="no room is left to write in .*and save the gallery again"):
        random_gallery(seed=2).save(tmp_path)
    assert torch.equal(Gallery.load(tmp_path).embeds["text"], random_gallery(seed=1).embeds["text"])
    assert len(list(tmp_path.iterdir())) == 2


def test_missing_damaged_and_mixed_files_get_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no gallery in .*: make one with Gallery\.encode"):
        Gallery.load(tmp_path)
    random_gallery(rows=3).save(tmp_path)
    random_gallery(rows=4).save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "entities.parquet", tmp_path)
    with pytest.raises(ValueError, match="do not belong together: encode the gallery again"):
        Gallery.load(tmp_path)
    for name in ("entities.parquet", "embeddings.safetensors"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:100])
        with pytest.raises(ValueError, match=r"the gallery in .* is damaged \(.*\): encode it again"):
            Gallery.load(tmp_path)
