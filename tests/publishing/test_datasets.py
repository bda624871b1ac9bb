from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from datasets import load_dataset
from transformers import pipeline

import hf_mlm  # noqa: F401, registers the datasets
from hf_mlm import Gallery, IRLEForRetrievalAndGeo, IRLEProcessor
from hf_mlm.publishing.datasets import prepare, push_dataset, repository_path
from hf_mlm.publishing.models import OWN_COLUMNS, push_model
from tests.hub.server import READER, USER, Hub, Repository
from tests.pipelines.tiny import picture, rows, saved


def card_data(hub: Hub, repo_id: str) -> dict:
    return yaml.safe_load(hub.files(repo_id, "datasets")["README.md"].decode().split("---")[1])


def test_raw_rows_carry_their_images_and_no_path(hub: Hub, raw_folder: Path) -> None:
    options = {"data_dir": str(raw_folder), "min_entities": 1, "max_entities": 30}
    push_dataset("mlm", "irle", "tester/mlm", licence="cc-by-4.0", **options)
    files = hub.files("tester/mlm", "datasets")
    here = load_dataset("mlm", "irle", **options)
    assert set(files) == {"README.md", *(f"irle/{split}-00000-of-00001.parquet" for split in here)}
    for split, expected in here.items():
        sent = pq.read_table(io.BytesIO(files[f"irle/{split}-00000-of-00001.parquet"]))
        assert sent["entity_id"].to_pylist() == expected["entity_id"][:]
        for images in sent["images"].to_pylist():
            assert all(image["bytes"].startswith(b"\x89PNG") and "/" not in image["path"] for image in images)
    assert not any(str(raw_folder).encode() in content for content in hub.received())


def test_configs_are_added_to_a_repository_and_replaced_in_it(
    hub: Hub, write_final: Callable[..., Path], make_entities: Callable[..., dict], tmp_path: Path
) -> None:
    for name, size in (("irle", 300), ("irle-gr", 4), ("again", 5)):
        write_final(tmp_path / name / "train.h5", make_entities(range(size)))
    push_dataset("mlm", "irle", "tester/mlm", data_dir=str(tmp_path / "irle"), max_shard_size="10KB")
    shards = [path for path in hub.files("tester/mlm", "datasets") if path.startswith("irle/")]
    push_dataset("mlm", "irle-gr", "tester/mlm", data_dir=str(tmp_path / "irle-gr"))
    assert [config["config_name"] for config in card_data(hub, "tester/mlm")["configs"]] == ["irle", "irle-gr"]
    push_dataset("mlm", "irle", "tester/mlm", data_dir=str(tmp_path / "again"))
    found = sorted(hub.files("tester/mlm", "datasets"))
    assert found == ["README.md", "irle-gr/train-00000-of-00001.parquet", "irle/train-00000-of-00001.parquet"]
    infos = card_data(hub, "tester/mlm")["dataset_info"]
    rows = {info["config_name"]: info["splits"][0]["num_examples"] for info in infos}
    assert rows == {"irle": 5, "irle-gr": 4}
    assert len(shards) > 1
    body = hub.files("tester/mlm", "datasets")["README.md"].decode()
    assert body.count("| `irle") == 2 * 2  # rows of two splits, hashes of two files


def test_a_broken_upload_goes_on_and_prepares_nothing_twice(
    hub: Hub, raw_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.cut_after = 1000
    with pytest.raises(ConnectionError, match=r"broke while pushing to tester/raw .* run the same command again"):
        push_dataset("mlm", "mlm", "tester/raw", licence="cc-by-4.0", data_dir=str(raw_folder))
    assert list(hub.files("tester/raw", "datasets")) == []
    hub.cut_after = None
    monkeypatch.setattr("hf_mlm.data.mlm.builder.MLM._generate_tables", None)
    push_dataset("mlm", "mlm", "tester/raw", licence="cc-by-4.0", data_dir=str(raw_folder))
    assert len(hub.files("tester/raw", "datasets")) == 4


CONLL = "IMGID:1\nParis\tB-LOC\nrocks\tO\n\n"


@pytest.fixture
def mmnerd_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "train_valid_test_en"
    folder.mkdir()
    for split in ("train", "valid", "test"):
        (folder / f"{split}_conll_format.txt").write_text(CONLL)
    return tmp_path


def test_mmnerd_is_not_made_public_by_accident(hub: Hub, mmnerd_folder: Path) -> None:
    with pytest.raises(ValueError, match=r"MMNERD states no licence .*--private.*--rights_cleared"):
        push_dataset("mmnerd", "en", "tester/mmnerd", data_dir=str(mmnerd_folder))
    assert not hub.requests
    hub.repositories["datasets", "tester/public"] = Repository()
    with pytest.raises(ValueError, match="is there already and public, and --private asks for a private one"):
        push_dataset("mmnerd", "en", "tester/public", private=True, data_dir=str(mmnerd_folder))
    assert not hub.files("tester/public", "datasets")
    push_dataset("mmnerd", "en", "tester/mmnerd", private=True, data_dir=str(mmnerd_folder))
    assert hub.repositories["datasets", "tester/mmnerd"].private
    assert card_data(hub, "tester/mmnerd")["license"] == "unknown"
    push_dataset("mmnerd", "en", "tester/cleared", rights_cleared=True, data_dir=str(mmnerd_folder))
    assert not hub.repositories["datasets", "tester/cleared"].private


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("mlm", "irle", "mlm"), ValueError, "'mlm' has no namespace: write 'NAME/mlm'"),
        (("mlm", "irle", "tester/a b"), ValueError, "cannot be the name of a repository"),
        (
            ("cifar", "irle", "tester/mlm"),
            ValueError,
            "there is no dataset 'cifar' to push; choose one of mlm, mmnerd",
        ),
        (("mlm", "nope", "tester/mlm"), ValueError, "nope"),
    ],
)
def test_mistakes(hub: Hub, arguments: tuple[str, str, str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        push_dataset(*arguments)
    assert not hub.requests


def test_no_rights(hub: Hub, raw_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", READER)
    with pytest.raises(PermissionError, match="no right to write to tester/raw"):
        push_dataset("mlm", "mlm", "tester/raw", licence="cc-by-4.0", data_dir=str(raw_folder))


def test_what_is_prepared_is_kept_in_a_folder_of_yours(mmnerd_folder: Path) -> None:
    ready = prepare("mmnerd", "en", mmnerd_folder / "parquet", data_dir=str(mmnerd_folder))
    assert {path.parent for path in ready.files.values()} == {mmnerd_folder / "parquet"}
    assert set(ready.files) == {f"en/{split}-00000-of-00001.parquet" for split in ("train", "validation", "test")}
    assert set(ready.hashes()) == set(ready.files)


def test_foreign_files_have_no_place() -> None:
    with pytest.raises(ValueError, match=r"'train\.csv' is no Parquet file"):
        repository_path("irle", "train.csv")


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

    from hf_mlm.data.mlm.rows import FeatureSpec, raw_features

    for features in (raw_features(["479"]), FeatureSpec(2, 2, 2, 1, True).features()):
        assert {name for name, kind in features.items() if isinstance(kind, Value)} <= OWN_COLUMNS
