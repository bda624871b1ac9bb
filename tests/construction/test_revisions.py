"""Which revision of a model was used: commits of the Hub, hashes of files that decide."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

from hf_mlm.construction.revisions import model_revision


def test_revisions(tmp_path: Path) -> None:
    assert model_revision("me/model", SimpleNamespace(_commit_hash="abc")) == "commit abc"
    assert model_revision("me/model", SimpleNamespace()) == "unknown"
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"weights")
    own = hashlib.sha256(b"weights").hexdigest()
    assert model_revision(weights, None) == f"sha256 {own}"
    listed = hashlib.sha256(f"model.safetensors:{own}\n".encode()).hexdigest()
    assert model_revision(tmp_path, None) == f"sha256 {listed}"
    (tmp_path / "notes.md").write_text("not what decides")
    assert model_revision(tmp_path, None) == f"sha256 {listed}"
    (tmp_path / "config.json").write_text("{}")
    assert model_revision(tmp_path, None) != f"sha256 {listed}"
