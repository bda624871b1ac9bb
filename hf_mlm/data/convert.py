"""Convert the authors' HDF5 features to Parquet, once: shard by shard, resumable, verified row by row."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
from huggingface_hub.utils import tqdm

from hf_mlm.data.mlm.layout import ROWS_PER_SHARD, FeatureShard, FeatureSource, Layout, find_layout, open_features
from hf_mlm.data.mlm.parquet import MANIFEST, Manifest, ParquetShard, ShardEntry
from hf_mlm.data.mlm.rows import check_dtype, row_hashes
from hf_mlm.files import checksum_of, full_disk_in_words, locked


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    config: str = "irle",
    dtype: str = "float32",
    rows_per_shard: int = ROWS_PER_SHARD,
    seed: int = 0,
) -> Path:
    """Write the features of a folder as Parquet with fixed-size lists, which `load_dataset` then reads as data_dir.

    A shard appears under its name when all its rows have been read back and have the hashes that they had on the way
    in; the manifest then names it with these hashes. So a conversion that was interrupted, be it by ``kill -9``, goes
    on with the next shard, and one that is repeated checks what is there and writes only what is missing or damaged.
    Memory holds a few hundred rows at a time.

    Args:
        source: folder of HDF5 files, final, pilot or intermediate.
        target: folder to write.
        config: ``"irle"`` or ``"irle-gr"``: which files to take where the source has both.
        dtype: ``"float32"`` or ``"float16"``, type of the vectors.
        rows_per_shard: the most rows in a file.
        seed: of the split, where the files are not divided (the intermediate ones).

    Returns:
        path of the manifest.

    Raises:
        FileNotFoundError: if the source holds no features.
        ValueError: if ``config`` or ``dtype`` is another, the source is malformed, ``target`` holds a conversion of
            something else, or a value is too large for float16.
        OSError: if the disk is full; nothing half-written is left, finished shards are.
    """
    check_dtype(dtype)
    folder = Path(target).expanduser().absolute()
    layout = _hdf5_layout(source, config, folder)
    plan = open_features(layout, dtype, seed, rows_per_shard)
    return write_shards(plan, f"{layout.stamp()}|seed {seed}", folder, dtype)


def write_shards(plan: FeatureSource, source: str, folder: Path, dtype: str = "float32") -> Path:
    """Write feature rows shard by shard, each verified; what an earlier run has finished is checked and kept.

    Args:
        plan: the rows.
        source: what the rows are made of; another source, another folder.
        folder: to write, absolute.
        dtype: of the vectors.

    Returns:
        path of the manifest.

    Raises:
        ValueError: if ``folder`` holds rows of something else, or a value is too large for float16.
        OSError: if the disk is full; nothing half-written is left, finished shards are.
    """
    remedy = "and run the same command again: finished shards are kept"
    with locked(folder, "convert"), full_disk_in_words(folder, remedy):
        manifest = _open_manifest(folder / MANIFEST, source, plan, dtype)
        with tqdm(total=sum(map(sum, manifest.planned.values())), desc=f"Writing {folder}", unit=" rows") as bar:
            for split, shards in plan.splits.items():
                for number, shard in enumerate(shards):
                    _convert_shard(shard, split, number, folder, manifest)
                    bar.update(manifest.planned[split][number])
        if not (folder / MANIFEST).exists():  # there was no shard to write
            manifest.save(folder / MANIFEST)
    return folder / MANIFEST


def _hdf5_layout(source: str | os.PathLike[str], config: str, target: Path) -> Layout:
    if config not in ("irle", "irle-gr"):
        raise ValueError(f"only the features of irle and irle-gr can be converted, not {config!r}.")
    layout = find_layout(source, config)
    if layout.folder == target:
        raise ValueError(f"{target} cannot be both source and target; give another folder to write.")
    if not (layout.splits or layout.whole):
        kind = "a conversion already" if layout.parquet else "raw files, not features"
        raise FileNotFoundError(f"{layout.folder} holds {kind}; HDF5 features are what can be converted.")
    return layout


def _open_manifest(path: Path, source: str, plan: FeatureSource, dtype: str) -> Manifest:
    """The manifest of this conversion: the one that an earlier run left, if it was for the same.

    A new one is first saved with its first shard, so that files that cannot be converted leave nothing behind.
    """
    planned = {split: [len(shard) for shard in shards] for split, shards in plan.splits.items()}
    manifest = Manifest(source, dtype, plan.spec, planned, {split: [] for split in planned})
    if path.exists():
        earlier = Manifest.load(path)
        if replace(earlier, shards={}) != replace(manifest, shards={}):
            raise ValueError(
                f"{path.parent} holds a conversion of other files or with other settings; give an empty folder."
            )
        return earlier
    return manifest


def _convert_shard(shard: FeatureShard, split: str, number: int, folder: Path, manifest: Manifest) -> None:
    entries = manifest.shards[split]
    name = f"{split}-{number:05d}-of-{len(manifest.planned[split]):05d}.parquet"
    if number < len(entries) and _is_intact(entries[number], folder, manifest):
        return
    temporary = folder / f"{name}.tmp"
    try:
        rows = _write(shard, temporary, manifest)
        if _read_hashes(temporary, manifest) != rows:
            raise OSError(f"{temporary} did not read back as it was written; see to the disk and start again.")
        entries[number : number + 1] = [ShardEntry(name, temporary.stat().st_size, rows, checksum_of(temporary))]
        os.replace(temporary, folder / name)
    finally:
        temporary.unlink(missing_ok=True)
    manifest.save(folder / MANIFEST)


def _write(shard: FeatureShard, path: Path, manifest: Manifest) -> list[str]:
    """Write the rows, and return their hashes."""
    schema = manifest.spec.features(manifest.dtype).arrow_schema  # tells `datasets` of ClassLabel and List
    hashes: list[str] = []
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=False) as writer:
        for table in shard.tables():
            hashes += row_hashes(table)
            writer.write_table(table.cast(schema))
    return hashes


def _is_intact(entry: ShardEntry, folder: Path, manifest: Manifest) -> bool:
    path = folder / entry.name
    if not path.is_file() or path.stat().st_size != entry.bytes:
        return False
    try:
        return _read_hashes(path, manifest) == entry.rows
    except ValueError:
        return False


def _read_hashes(path: Path, manifest: Manifest) -> list[str]:
    shard = ParquetShard(path, manifest.spec, manifest.dtype)
    return [value for table in shard.tables() for value in row_hashes(table)]
