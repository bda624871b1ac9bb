"""The kind of a saved model."""

from __future__ import annotations

from pathlib import Path
import pytest
from transformers import BertConfig
from hf_mlm.runs.open_model import saved_type


def test_what_transformers_has_saved(tmp_path: Path) -> None:
    BertConfig().save_pretrained(tmp_path)
    assert saved_type(tmp_path) == "bert"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model_type"', "\udcff"])
def test_damaged(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ValueError, match=r"config\.json is not the configuration of a model"):
        saved_type(tmp_path)


def test_absent(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="has no config.json"):
        saved_type(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no folder 'NAME/model'"):
        saved_type(tmp_path / "away", "NAME/model")
