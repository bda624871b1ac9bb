"""Galleries on disk: embeddings in safetensors, entities in Parquet, FAISS indexes beside them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from datasets import Dataset
from datasets.fingerprint import Hasher
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from hf_mlm.files import check_file, checksum_of, full_disk_in_words, locked, scratch_folder, sha256_of


FOLDER = "gallery"  # below a model's own
EMBEDS, ENTITIES = "embeddings.safetensors", "entities.parquet"
FORMAT = "hf_mlm gallery, version 1"


def write_gallery(folder: Path, embeds: Mapping[str, torch.Tensor], entities: Dataset, fingerprint: str) -> None:
    """Write a gallery; its files appear under their names when all of them are complete.

    The header of the embeddings holds the checksums of them, of the entities and of the indexes.

    Args:
        folder: is made where it does not exist.
        embeds: by modality.
        entities: with the FAISS indexes that it may have.
        fingerprint: of the model.

    Raises:
        BlockingIOError: if another process writes there.
        OSError: if the folder cannot be written to, or the disk is full.
    """
    with (
        locked(folder, "save the gallery"),
        full_disk_in_words(folder, "and save the gallery again"),
        scratch_folder(folder, FOLDER) as unfinished,
    ):
        for index in entities.list_indexes():
            entities.save_faiss_index(index, unfinished / f"{index}.faiss")
        entities.to_parquet(unfinished / ENTITIES)
        whole = {kind: values.contiguous() for kind, values in embeds.items()}
        header = {
            "format": FORMAT,
            "fingerprint": fingerprint,
            "entities": sha256_of(unfinished / ENTITIES),
            "embeds": json.dumps({kind: _checksum(values) for kind, values in whole.items()}),
            "indexes": json.dumps({file.name: checksum_of(file) for file in unfinished.glob("*.faiss")}),
        }
        save_file(whole, unfinished / EMBEDS, header)
        for old in folder.glob("*.faiss"):
            old.unlink()
        for file in sorted(unfinished.iterdir()):
            os.replace(file, folder / file.name)


def read_gallery(folder: Path) -> tuple[dict[str, torch.Tensor], Dataset, str]:
    """Read embeddings, mapped into memory, entities and fingerprint.

    Args:
        folder: of the gallery.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a bit of a file is another than was written, or the files do not belong together.
    """
    for name in (EMBEDS, ENTITIES):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"there is no gallery in {folder} (no {name}): make one with Gallery.encode(model, rows, processor)"
                ".save(folder)."
            )
    try:
        with safe_open(folder / EMBEDS, "pt") as file:
            header = file.metadata() or {}
            embeds = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
        checksums, indexes = (json.loads(header.get(part, "{}")) for part in ("embeds", "indexes"))
        if checksums and checksums != {kind: _checksum(values) for kind, values in embeds.items()}:
            raise ValueError(f"{EMBEDS} has another checksum than was noted")
        if header.get("format") != FORMAT or header.get("entities") != sha256_of(folder / ENTITIES):
            raise ValueError(f"{EMBEDS} and {ENTITIES} do not belong together")
        entities = Dataset(pq.read_table(folder / ENTITIES))
        for file in folder.glob("*.faiss"):
            check_file(file, indexes.get(file.name), "encode the gallery again")
            entities.load_faiss_index(file.stem, file)
        return embeds, entities, header["fingerprint"]
    except (SafetensorError, pa.ArrowException, RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"the gallery in {folder} is damaged ({reason}): encode it again.") from error


def _checksum(values: torch.Tensor) -> str:
    return Hasher.hash_bytes([values.reshape(-1).view(torch.uint8).numpy()])  # type: ignore[list-item]


def fingerprint(model: Any) -> str:
    """Name a model by its weights, 32 hexadecimal digits.

    Weights count as they are in bfloat16, so that a model has one name in float32 and in bfloat16.

    Args:
        model: any module.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, values in sorted(model.state_dict().items()):
        values = values.detach().cpu().reshape(-1)
        if values.is_floating_point():
            values = values.bfloat16().view(torch.int16)
        digest.update(name.encode())
        digest.update(values.contiguous().numpy())
    return digest.hexdigest()
