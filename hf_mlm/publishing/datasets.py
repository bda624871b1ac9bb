"""Push a dataset: Parquet with embedded images, one folder a config, and a card whose YAML opens them."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
from datasets import load_dataset_builder
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, DatasetCard, HfApi
from huggingface_hub.errors import EntryNotFoundError
from huggingface_hub.hf_api import RepoFile

from hf_mlm.files import full_disk_in_words, sha256_of
from hf_mlm.pipelines.gallery import Gallery
from hf_mlm.runs.gallery import FOLDER
from hf_mlm.publishing.dataset_card import config_folder, dataset_card
from hf_mlm.publishing.hub import check_repo_id, hub_errors_in_words, open_repository
from hf_mlm.publishing.model_card import LIBRARY
from hf_mlm.registry import DATASETS
from hf_mlm.runs.open_model import open_model


SHARD_SIZE = "500MB"
_PREPARED = re.compile(r"\w+-(?P<split>\w+?)(?P<shard>-\d{5}-of-\d{5})?\.parquet")


@dataclass(frozen=True)
class PreparedConfig:
    """One config as Parquet.

    Args:
        name: of the config.
        info: ``datasets.DatasetInfo``: features, splits, sizes.
        files: on this machine, by their path in the repository.
    """

    name: str
    info: Any
    files: Mapping[str, Path]

    def hashes(self) -> dict[str, str]:
        """SHA-256 of each file, by its path in the repository."""
        return {path: sha256_of(file) for path, file in self.files.items()}


def push_dataset(
    dataset: str,
    config: str,
    repo_id: str,
    private: bool = False,
    rights_cleared: bool = False,
    folder: str | Path | None = None,
    max_shard_size: str = SHARD_SIZE,
    **options: Any,
) -> str:
    """Upload a config as Parquet; the same call again goes on where a broken connection stopped it.

    Other configs in the repository stay, files of this one are replaced.

    Args:
        dataset: ``"mlm"`` or ``"mmnerd"``.
        config: such as ``"irle-gr"``.
        repo_id: ``"namespace/name"``, made if it is not there.
        private: whether only its namespace may read it.
        rights_cleared: says that you may publish what is known to have no licence.
        folder: where the Parquet files are written, and stay; a cache that is emptied after the upload when omitted.
        max_shard_size: of a file, before compression.
        **options: ``data_dir`` and further settings of the dataset.

    Returns:
        Its address.

    Raises:
        FileNotFoundError: if ``data_dir`` is not there, or does not hold the dataset.
        PermissionError: if there is no token, or its user may not write there.
        ConnectionError: if the connection breaks.
        ValueError: if a name does not do, the data is malformed, or the dataset may not be made public.
    """
    check_repo_id(repo_id)
    refuse_unlicensed(dataset, config, private or rights_cleared)
    api = HfApi(library_name=LIBRARY)
    with prepared(dataset, config, folder, max_shard_size, **options) as ready, hub_errors_in_words(repo_id):
        open_repository(api, repo_id, "dataset", private)
        _upload(api, repo_id, dataset, ready)
    return f"{api.endpoint}/datasets/{repo_id}"


def refuse_unlicensed(dataset: str, config: str, allowed: bool) -> None:
    """Refuse to make MMNERD public by accident.

    Raises:
        ValueError: with the reason, unless ``allowed``; demo configs may always be pushed.
    """
    if dataset == "mmnerd" and config != "demo" and not allowed:
        raise ValueError(
            "MMNERD states no licence and holds posts of Twitter's users, which may not be passed on as texts: push "
            "it to a repository of your own with --private, or, if its authors have allowed you to publish it, with "
            "--rights_cleared."
        )


def prepare(
    dataset: str, config: str, target: str | Path, max_shard_size: str = SHARD_SIZE, **options: Any
) -> PreparedConfig:
    """Write a config as Parquet with embedded images; what is complete is not written again.

    Args:
        dataset: ``"mlm"`` or ``"mmnerd"``.
        config: of the dataset.
        target: folder to write.
        max_shard_size: of a file, before compression.
        **options: ``data_dir`` and further settings of the dataset.

    Raises:
        FileNotFoundError: if ``data_dir`` is not there, or does not hold the dataset.
        ValueError: if the dataset or the config is unknown, or the data is malformed.
        OSError: if the disk is full.
    """
    return _write(_builder(dataset, config, **options), Path(target), max_shard_size)


@contextmanager
def prepared(
    dataset: str, config: str, folder: str | Path | None, max_shard_size: str, **options: Any
) -> Iterator[PreparedConfig]:
    """Write a config as `prepare` does, in a cache that outlives an error and goes when all went well.

    Args:
        dataset: ``"mlm"`` or ``"mmnerd"``.
        config: of the dataset.
        folder: instead of the cache; it stays.
        max_shard_size: of a file, before compression.
        **options: ``data_dir`` and further settings of the dataset.
    """
    builder = _builder(dataset, config, **options)
    name = f"{dataset}-{builder.config_id}-{builder.hash[:16]}"
    target = Path(folder or Path(datasets.config.HF_DATASETS_CACHE, "hf_mlm_push", name)).expanduser()
    yield _write(builder, target, max_shard_size)
    if folder is None:
        shutil.rmtree(target)


def repository_path(config: str, name: str) -> str:
    """Where a prepared file goes.

    Args:
        config: of the dataset.
        name: that ``datasets`` gave it.

    Example:
        >>> repository_path("irle", "mlm-train-00001-of-00004.parquet"), repository_path("irle", "mlm-test.parquet")
        ('irle/train-00001-of-00004.parquet', 'irle/test-00000-of-00001.parquet')
    """
    match = _PREPARED.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is no Parquet file that `datasets` has prepared.")
    return f"{config_folder(config)}/{match['split']}{match['shard'] or '-00000-of-00001'}.parquet"


def _builder(dataset: str, config: str, **options: Any) -> Any:
    if dataset not in DATASETS:
        raise ValueError(f"there is no dataset {dataset!r} to push; choose one of {', '.join(DATASETS)}.")
    builder = load_dataset_builder(dataset, config, **{name: value for name, value in options.items() if value})
    if config not in builder.builder_configs and builder.config.name not in builder.builder_configs:
        raise ValueError(f"{dataset} has no config {config!r}; choose one of {', '.join(builder.builder_configs)}.")
    return builder


def _write(builder: Any, target: Path, max_shard_size: str) -> PreparedConfig:
    with full_disk_in_words(target.parent, "and run the same command again"):
        builder.download_and_prepare(str(target), file_format="parquet", max_shard_size=max_shard_size)
    config = builder.config.name
    files = {repository_path(config, path.name): path for path in sorted(target.glob("*.parquet"))}
    return PreparedConfig(config, builder.info, files)


def _upload(api: HfApi, repo_id: str, dataset: str, ready: PreparedConfig) -> None:
    """One commit: the config's files, its former ones deleted, and the card."""
    there = {
        file.path: file
        for file in api.list_repo_tree(repo_id, recursive=True, repo_type="dataset")
        if isinstance(file, RepoFile) and file.path.endswith(".parquet")
    }
    stale = [path for path in there if path.startswith(f"{config_folder(ready.name)}/") and path not in ready.files]
    kept = {path: file.lfs.sha256 for path, file in there.items() if file.lfs and path not in stale}
    card = dataset_card(dataset, repo_id, {ready.name: ready.info}, kept | ready.hashes(), _card_there(repo_id))
    api.create_commit(
        repo_id,
        [
            *(CommitOperationAdd(path, file) for path, file in ready.files.items()),
            *(CommitOperationDelete(path) for path in stale),
            CommitOperationAdd("README.md", str(card).encode()),
        ],
        commit_message=f"Push the config {ready.name}",
        repo_type="dataset",
    )


def _card_there(repo_id: str) -> DatasetCard | None:
    try:
        return DatasetCard.load(repo_id, repo_type="dataset")
    except EntryNotFoundError:
        return None


# Ids, labels, coordinates and cells, as the rows of mlm have them.
OWN_COLUMNS = frozenset(
    {
        "entity_id",
        "label",
        "latitude",
        "longitude",
        "country",
        "geo_cell",
        "cell_latitude",
        "cell_longitude",
        "row",
    }
)


def stage_gallery(folder: Path, target: Path, wanted: bool | None = None) -> Gallery | None:
    """Copy the gallery of a model's folder to what is about to be uploaded.

    Args:
        folder: with the model, and perhaps its gallery in ``gallery``.
        target: folder to write to.
        wanted: True to copy all of its columns, False to leave it; by default it is copied if it has no other columns
            than those of ``mlm``, `OWN_COLUMNS`.

    Returns:
        The gallery, or None if there is none to upload.

    Raises:
        FileNotFoundError: if it is wanted and not there.
        ValueError: if it has other columns and nothing was said of it, it is damaged, or another model's.
    """
    source = folder / FOLDER
    if wanted is False or (wanted is None and not source.is_dir()):
        return None
    gallery = Gallery.load(source)
    _refuse_unasked(gallery, wanted)
    try:
        gallery.check_model(open_model(folder, "irle")[0])
    except ValueError as error:
        raise ValueError(f"{error} Or push the model alone, with --without_gallery.") from error
    gallery.save(target / FOLDER)
    return gallery


def _refuse_unasked(gallery: Gallery, wanted: bool | None) -> None:
    others = [name for name in gallery.entities.column_names if name not in OWN_COLUMNS]
    if others and not wanted:
        raise ValueError(
            f"the gallery beside the model has columns of your own ({', '.join(others)}), which everyone could read "
            f"of its {len(gallery):,} entities: say --with_gallery to upload them, or --without_gallery to push the "
            "model alone. Nothing was uploaded."
        )


CARD = "README.md"


def write_repository(dataset: str, configs: Sequence[str], output: str | Path, **options: Any) -> None:
    """Write configs as Parquet with a card that ``load_dataset(output, config)`` reads.

    Args:
        dataset: ``"mlm"`` or ``"mmnerd"``.
        configs: of the dataset.
        output: folder to write; what it holds of other configs stays.
        **options: ``data_dir`` and further settings of the dataset.

    Raises:
        FileNotFoundError: if ``data_dir`` is not there, or does not hold the dataset.
        ValueError: if the dataset or a config is unknown, or the data is malformed.
    """
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    for config in configs:
        with tempfile.TemporaryDirectory(dir=output, prefix=".unfinished-") as scratch:
            ready = prepare(dataset, config, Path(scratch, "parquet"), **options)
            _replace(ready, output)
        there = {path.relative_to(output).as_posix(): sha256_of(path) for path in output.glob("*/*.parquet")}
        before = DatasetCard.load(output / CARD) if (output / CARD).is_file() else None
        dataset_card(dataset, f"NAME/{dataset}", {ready.name: ready.info}, there, before).save(output / CARD)


def _replace(ready: PreparedConfig, output: Path) -> None:
    """Put a config's files in their places, and remove those that it had before."""
    targets = {output / name: file for name, file in ready.files.items()}
    for target, file in targets.items():
        target.parent.mkdir(exist_ok=True)
        os.replace(file, target)
    for folder in {target.parent for target in targets}:
        for stale in set(folder.glob("*.parquet")) - targets.keys():
            stale.unlink()
