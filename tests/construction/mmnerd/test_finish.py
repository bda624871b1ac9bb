"""The last step of a build: people's decisions or a machine's proposals, with what is known of them."""

import json
from pathlib import Path

import pytest
from conftest import run_stage

from hf_mlm.construction.manifest import code_version
from hf_mlm.construction.mmnerd.draft import RECORD, draft_stages
from hf_mlm.construction.mmnerd.edition import load_ner_edition
from hf_mlm.construction.mmnerd.finish import finish_dataset


def test_proposals_become_a_described_dataset(edition_file: Path, tmp_path: Path) -> None:
    edition, target = load_ner_edition(edition_file), tmp_path / "build"
    for stage in draft_stages(target, edition, 1):
        run_stage(stage)
    (target / RECORD).write_text(json.dumps({"code": code_version("mmnerd"), "edition": edition.to_json()}))
    with pytest.raises(FileNotFoundError, match="has no decided sentences; run agree first"):
        finish_dataset(target, edition)
    written = finish_dataset(target, edition, proposals=True)
    assert sum(written.sizes.values()) == 41 and written.languages == ["en"]
    provenance = json.loads((written.folder / "provenance.json").read_text())
    assert provenance["annotated_by"] == "machine" and provenance["agreement"] is None
    assert provenance["stages"]["proposals"]["dropped"] == {"fewer than 2 entities proposed": 11}
    assert provenance["division"] == {"ratios": [0.8, 0.1, 0.1], "seed": 0}
    assert provenance["build"]["edition"]["sources"][0]["path"] == "captions.tsv"
    assert written.files[-1].name == "image_sources/image_sources-00000-of-00001.parquet"
    (tmp_path / "split.tsv").write_text("1\ttrain\n")
    with pytest.raises(ValueError, match="does not name"):
        finish_dataset(target, edition, proposals=True, published=tmp_path / "split.tsv")
