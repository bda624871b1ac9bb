"""Which revision of a saved model was used."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from hf_mlm.files import sha256_of


_KEPT = {".json", ".safetensors", ".bin", ".txt", ".model"}


def model_revision(name_or_path: str | os.PathLike[str], config: Any) -> str:
    """Commit of a repository of the Hub, or a hash of the files of a local folder (or of a single file).

    Args:
        name_or_path: what was opened.
        config: its configuration, which knows the commit.

    Returns:
        ``"commit <sha>"``, ``"sha256 <hex>"``, or ``"unknown"`` for a repository that tells no commit.
    """
    path = Path(name_or_path)
    if path.is_file():
        return f"sha256 {sha256_of(path)}"
    if not path.is_dir():
        commit = getattr(config, "_commit_hash", None)
        return f"commit {commit}" if commit else "unknown"
    digest = hashlib.sha256()
    for file in sorted(item for item in path.iterdir() if item.is_file() and item.suffix in _KEPT):
        digest.update(f"{file.name}:{sha256_of(file)}\n".encode())
    return f"sha256 {digest.hexdigest()}"
