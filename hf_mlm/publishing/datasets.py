"""Dataset repositories: Parquet with embedded images, one folder a config, and a card whose YAML opens them."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import DatasetInfo, load_dataset_builder
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, DatasetCard, HfApi
from huggingface_hub.errors import EntryNotFoundError
from huggingface_hub.hf_api import RepoFile

from hf_mlm.data.shards import BadRowError
from hf_mlm.files import full_disk_in_words, sha256_of
from hf_mlm.publishing.cards import LIBRARY, OWN
from hf_mlm.publishing.dataset_card import config_folder, dataset_card, dataset_licence
from hf_mlm.publishing.hub import hub_error_messages, open_repository, repository_name
from hf_mlm.publishing.privacy import refuse_private_words, without_metadata
from hf_mlm.registry import DATASETS
from hf_mlm.runs.provenance import data_origin, holds_images, languages_in


SHARD_SIZE = "500MB"
CARD = "README.md"
_PREPARED = re.compile(r"\w+-(?P<split>\w+?)(?P<shard>-\d{5}-of-\d{5})?\.parquet")


def push_dataset(
    dataset: str,
    config: str,
    repo_id: str | None = None,
    private: bool = False,
    rights_cleared: bool = False,
    folder: str | Path | None = None,
    max_shard_size: str = SHARD_SIZE,
    *,
    licence: str | None = None,
    keep_exif: bool = False,
    dry_run: str | Path | None = None,
    **options: Any,
) -> str:
    """Upload a config as Parquet; the same call again goes on where a broken connection stopped it.

    Other configs in the repository stay, files of this one are replaced.

    Args:
        dataset: ``"mlm"`` or ``"mmnerd"``.
        config: such as ``"irle-gr"``.
        repo_id: ``"namespace/name"``, made if it is not there; may be omitted in a dry run.
        private: whether only its namespace may read it.
        rights_cleared: says that you may publish what is known to have no licence.
        folder: where the Parquet files are written, and stay; a cache that is emptied after the upload when omitted.
        max_shard_size: of a file, before compression.
        licence: of the rows, by the Hub's or SPDX's name for it; needed for files of your own.
        keep_exif: whether images keep what their cameras wrote into them, place and serial number included.
        dry_run: folder to write the repository to, instead of any upload; other configs in it stay.
        **options: ``data_dir`` and further settings of the dataset.

    Returns:
        Its address, or the folder of the dry run.

    Raises:
        FileNotFoundError: if ``data_dir`` is not there, or does not hold the dataset.
        PermissionError: if there is no token, or its user may not write there.
        ConnectionError: if the connection breaks.
        ValueError: if a name or licence does not do, the data is malformed, or the dataset may not be made public.
    """
    repo_id = repository_name(repo_id, dataset, required=dry_run is None)
    builder = _builder(dataset, config, keep_exif, **options)
    origin = data_origin(dataset, config, builder.info)
    refuse_unlicensed(origin, private or rights_cleared or dry_run is not None)
    card = {"origin": origin, "licence": dataset_licence(origin, licence)}
    if dry_run is not None:
        with full_disk_in_words(Path(dry_run), "and run the same command again"):
            return str(_write_repository(Path(dry_run), builder, max_shard_size, repo_id, dataset, card))
    api = HfApi(library_name=LIBRARY)
    with _prepared(builder, folder, max_shard_size) as ready, hub_error_messages(repo_id):
        open_repository(api, repo_id, "dataset", private)
        _upload(api, repo_id, dataset, ready, card)
    return f"{api.endpoint}/datasets/{repo_id}"


def refuse_unlicensed(origin: str, allowed: bool) -> None:
    """Refuse to make MMNERD public by accident.

    Raises:
        ValueError: with the reason, unless ``allowed``; other rows may always be pushed.
    """
    if origin == "mmnerd" and not allowed:
        raise ValueError(
            "MMNERD states no licence and holds posts of Twitter's users, which may not be passed on as texts: push "
            "it to a repository of your own with --private, or, if its authors have allowed you to publish it, with "
            "--rights_cleared."
        )


@dataclass(frozen=True)
class PreparedConfig:
    """One config as Parquet.

    Args:
        name: of the config.
        info: features, splits, sizes.
        files: on this machine, by their path in the repository.
    """

    name: str
    info: DatasetInfo
    files: Mapping[str, Path]

    def hashes(self) -> dict[str, str]:
        """SHA-256 of each file, by its path in the repository."""
        return {path: sha256_of(file) for path, file in self.files.items()}


def prepare(
    dataset: str,
    config: str,
    target: str | Path,
    max_shard_size: str = SHARD_SIZE,
    keep_exif: bool = False,
    **options: Any,
) -> PreparedConfig:
    """Write a config as Parquet with embedded images; what is complete is not written again.

    Args:
        dataset: ``"mlm"`` or ``"mmnerd"``.
        config: of the dataset.
        target: folder to write.
        max_shard_size: of a file, before compression.
        keep_exif: as for `push_dataset`.
        **options: ``data_dir`` and further settings of the dataset.

    Raises:
        FileNotFoundError: if ``data_dir`` is not there, or does not hold the dataset.
        ValueError: if the dataset or the config is unknown, or the data is malformed.
        OSError: if the disk is full.
    """
    return _write(_builder(dataset, config, keep_exif, **options), Path(target), max_shard_size)


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


def _builder(dataset: str, config: str, keep_exif: bool, **options: Any) -> Any:
    """The builder of a config, whose tables hold nothing that is not for others."""
    if dataset not in DATASETS:
        raise ValueError(f"there is no dataset {dataset!r} to push; choose one of {', '.join(DATASETS)}.")
    builder = load_dataset_builder(dataset, config, **{name: value for name, value in options.items() if value})
    if config not in builder.builder_configs and builder.config.name not in builder.builder_configs:
        raise ValueError(f"{dataset} has no config {config!r}; choose one of {', '.join(builder.builder_configs)}.")
    generate, paths = builder._generate_tables, [options["data_dir"]] if options.get("data_dir") else []

    def public_tables(*args: Any, **kwargs: Any) -> Iterator[tuple[Any, pa.Table]]:
        for key, table in generate(*args, **kwargs):
            try:
                table = _embedded(table, builder.info.features, keep_exif)
                refuse_private_words(table, config, paths)
            except (ValueError, OSError) as error:
                raise BadRowError(str(error)) from error
            yield key, table

    builder._generate_tables = public_tables
    return builder


def _embedded(table: pa.Table, features: datasets.Features, keep_exif: bool) -> pa.Table:
    """The same rows with the bytes of their images, of pixels alone unless ``keep_exif``, and bare file names."""

    def embed(value: Any) -> Any:
        if isinstance(value, list):
            return [embed(each) for each in value]
        if not isinstance(value, dict) or not (value.get("bytes") or value.get("path")):
            return value
        name = os.path.basename(value.get("path") or "") or None
        content = value.get("bytes") or Path(value["path"]).read_bytes()
        return {
            **value,
            "bytes": content if keep_exif else without_metadata(content, name or "an image"),
            "path": name,
        }

    for place, name in enumerate(table.column_names):
        if holds_images(features[name]):
            field = table.schema.field(name)
            table = table.set_column(place, field, pa.array(map(embed, table[name].to_pylist()), field.type))
    return table


@contextmanager
def _prepared(builder: Any, folder: str | Path | None, max_shard_size: str) -> Iterator[PreparedConfig]:
    """Write a config in a folder that stays, or in a cache that outlives an error and goes when all went well."""
    name = f"{builder.dataset_name}-{builder.config_id}-{builder.hash[:16]}"
    target = Path(folder or Path(datasets.config.HF_DATASETS_CACHE, "hf_mlm_push", name)).expanduser()
    yield _write(builder, target, max_shard_size)
    if folder is None:
        shutil.rmtree(target)


def _write(builder: Any, target: Path, max_shard_size: str) -> PreparedConfig:
    with full_disk_in_words(target.parent, "and run the same command again"):
        builder.download_and_prepare(str(target), file_format="parquet", max_shard_size=max_shard_size)
    config = builder.config.name
    files = {repository_path(config, path.name): path for path in sorted(target.glob("*.parquet"))}
    return PreparedConfig(config, builder.info, files)


def _write_repository(
    output: Path, builder: Any, max_shard_size: str, repo_id: str, dataset: str, card: Mapping[str, Any]
) -> Path:
    """Write a config and the card into a folder that ``load_dataset(folder, config)`` reads."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".unfinished-") as scratch:
        ready = _write(builder, Path(scratch, "parquet"), max_shard_size)
        languages = _own_languages(ready, card)
        targets = {output / name: file for name, file in ready.files.items()}
        for target, file in targets.items():
            target.parent.mkdir(exist_ok=True)
            os.replace(file, target)
    for stale in set((output / config_folder(ready.name)).glob("*.parquet")) - targets.keys():
        stale.unlink()
    there = {path.relative_to(output).as_posix(): sha256_of(path) for path in output.glob("*/*.parquet")}
    before = DatasetCard.load(output / CARD) if (output / CARD).is_file() else None
    infos = {ready.name: ready.info}
    dataset_card(dataset, repo_id, infos, there, languages=languages, before=before, **card).save(output / CARD)
    return output


def _upload(api: HfApi, repo_id: str, dataset: str, ready: PreparedConfig, card: Mapping[str, Any]) -> None:
    """One commit: the config's files, its former ones deleted, and the card."""
    there = {
        file.path: file
        for file in api.list_repo_tree(repo_id, recursive=True, repo_type="dataset")
        if isinstance(file, RepoFile) and file.path.endswith(".parquet")
    }
    stale = [path for path in there if path.startswith(f"{config_folder(ready.name)}/") and path not in ready.files]
    kept = {path: file.lfs.sha256 for path, file in there.items() if file.lfs and path not in stale}
    text = dataset_card(
        dataset,
        repo_id,
        {ready.name: ready.info},
        kept | ready.hashes(),
        languages=_own_languages(ready, card),
        before=_card_there(repo_id),
        **card,
    )
    api.create_commit(
        repo_id,
        [
            *(CommitOperationAdd(path, file) for path, file in ready.files.items()),
            *(CommitOperationDelete(path) for path in stale),
            CommitOperationAdd(CARD, str(text).encode()),
        ],
        commit_message=f"Push the config {ready.name}",
        repo_type="dataset",
    )


def _own_languages(ready: PreparedConfig, card: Mapping[str, Any]) -> list[str]:
    """Languages of one's own rows; those of the papers' files follow from the config."""
    if card["origin"] != OWN:
        return []
    return languages_in(batch for file in ready.files.values() for batch in pq.ParquetFile(file).iter_batches())


def _card_there(repo_id: str) -> DatasetCard | None:
    try:
        return DatasetCard.load(repo_id, repo_type="dataset")
    except EntryNotFoundError:
        return None
