"""Label maps."""

from pathlib import Path

import pytest

from hf_mlm.construction.mmnerd.labels import load_label_map, mapped


def test_maps(tmp_path: Path) -> None:
    labels = ("PERSON", "GPE", "LOC", "ORG", "CARDINAL")
    assert [mapped(label, load_label_map("paper")) for label in labels] == ["PER", "MISC", "LOC", "ORG", "MISC"]
    assert [mapped(label, load_label_map("gpe_as_loc")) for label in labels] == ["PER", "LOC", "LOC", "ORG", "MISC"]
    (tmp_path / "own.yaml").write_text("{GPE: LOC, CARDINAL: O}")
    own = load_label_map(str(tmp_path / "own.yaml"))
    assert [mapped(label, own) for label in ("GPE", "CARDINAL", "ORG")] == ["LOC", None, None]
    (tmp_path / "bad.yaml").write_text("{GPE: PLACE}")
    with pytest.raises(ValueError, match="has to map labels to PER"):
        load_label_map(str(tmp_path / "bad.yaml"))
    with pytest.raises(FileNotFoundError, match="neither a file nor one of paper, gpe_as_loc"):
        load_label_map("spacy")
