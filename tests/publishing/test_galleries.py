from __future__ import annotations

from pathlib import Path

import pytest
from transformers import pipeline

from hf_mlm import Gallery, IRLEForRetrievalAndGeo, IRLEProcessor
from hf_mlm.publishing.galleries import OWN_COLUMNS
from hf_mlm.publishing.models import push_model
from tests.hub.server import USER, Hub
from tests.pipelines.tiny import picture, rows, saved


NAME = f"{USER}/irle"
FILES = {"gallery/embeddings.safetensors", "gallery/entities.parquet"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model that retrieves, with its gallery."""
    folder = saved(tmp_path / "irle")
    save_gallery(folder)
    return folder


def save_gallery(folder: Path, **columns: list) -> None:
    entities = rows()
    for name, values in columns.items():
        entities = entities.add_column(name, values)
    model, processor = IRLEForRetrievalAndGeo.from_pretrained(folder), IRLEProcessor.from_pretrained(folder)
    Gallery.encode(model, entities, processor).save(folder / "gallery")


def test_a_gallery_goes_along_and_the_pipelines_find_it_by_name(hub: Hub, folder: Path) -> None:
    push_model(folder, NAME)
    assert set(hub.files(NAME)) >= FILES
    card = hub.files(NAME)["README.md"].decode()
    assert f'retrieve = pipeline("cross-modal-retrieval", model="{NAME}")' in card
    assert "embeddings of 8 entities, with `entity_id`, `label`, `latitude`, `longitude`, `country`" in card
    here, there = (pipeline("cross-modal-retrieval", model=name)(picture(2)) for name in (str(folder), NAME))
    assert here == there
    here, there = (pipeline("geo-estimation", model=name)("the river") for name in (str(folder), NAME))
    assert here == there


def test_columns_of_ones_own_go_only_where_that_is_said(hub: Hub, folder: Path) -> None:
    save_gallery(folder, note=["what Eve thinks"] * 8)
    with pytest.raises(ValueError, match=r"columns of your own \(note\), .* of its 8 entities: say --with_gallery"):
        push_model(folder, NAME)
    assert not hub.requests
    push_model(folder, NAME, gallery=False)
    assert not FILES & set(hub.files(NAME)) and b"retrieve =" not in hub.files(NAME)["README.md"]
    push_model(folder, NAME, gallery=True)
    assert b"what Eve thinks" in hub.files(NAME)["gallery/entities.parquet"]


def test_a_gallery_that_cannot_go(hub: Hub, folder: Path, tmp_path: Path) -> None:
    other = saved(tmp_path / "other", seed=1)
    with pytest.raises(FileNotFoundError, match="there is no gallery in"):
        push_model(other, NAME, gallery=True)
    (folder / "gallery").rename(other / "gallery")
    with pytest.raises(ValueError, match=r"gallery is of another model .* encode it again.*--without_gallery"):
        push_model(other, NAME)
    assert not hub.requests


def test_paths_in_a_gallery_are_found(hub: Hub, folder: Path) -> None:
    save_gallery(folder, source=[f"{folder}/photo.jpg"] * 8)
    with pytest.raises(ValueError, match=r"gallery/entities\.parquet holds the path .* Nothing was uploaded"):
        push_model(folder, NAME, gallery=True)
    assert not hub.requests


def test_plain_columns_of_the_datasets_are_the_packages_own() -> None:
    from datasets import Value

    from hf_mlm.data.formats.feature_table import FeatureSpec
    from hf_mlm.data.mlm import raw_features, vector_features

    for features in (raw_features(["479"]), vector_features(FeatureSpec(2, 2, 2, 1, True))):
        assert {name for name, kind in features.items() if isinstance(kind, Value)} <= OWN_COLUMNS
