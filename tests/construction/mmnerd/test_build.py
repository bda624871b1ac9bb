"""Reading of sources, and every task its share."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import run_stage

from hf_mlm.construction.manifest import code_version
from hf_mlm.construction.mmnerd.build import (
    RECORD,
    SENTENCE_SCHEMA,
    ReadSources,
    ShareOf,
    build_draft,
    draft_stages,
    read_draft,
)
from hf_mlm.construction.mmnerd.build_config import load_ner_edition
from hf_mlm.construction.mmnerd.finish import finish_dataset
from hf_mlm.construction.stage import Stage
from hf_mlm.files import sha256_of


def test_shares_are_everything_once(edition_file: Path, tmp_path: Path) -> None:
    manifest = run_stage(Stage(tmp_path / "sentences", [ReadSources(load_ner_edition(edition_file))], SENTENCE_SCHEMA))
    assert manifest.inputs == {"web/captions.tsv": sha256_of(tmp_path / "captions.tsv")} and manifest.rows == 52
    shares = [[one.id for one in ShareOf(tmp_path / "sentences").run(None, rank, 3)] for rank in range(3)]
    assert [len(share) for share in shares] == [18, 17, 17] and len(set().union(*shares)) == 52


def test_two_files_with_one_sentence(edition_file: Path, tmp_path: Path) -> None:
    source = "{kind: captions, path: captions.tsv, language: en, name: web}"
    edition_file.write_text(f"sources: [{source}, {source}]\nannotators: {{en: {{rules: rules.yaml}}}}")
    with pytest.raises(ValueError, match=r"captions.tsv: web/en/00000001---0 is in another file of 'web'"):
        list(ReadSources(load_ner_edition(edition_file)).run(None))


def test_proposals(edition_file: Path, tmp_path: Path) -> None:
    edition = load_ner_edition(edition_file)
    manifests = {stage.name: run_stage(stage) for stage in draft_stages(tmp_path / "build", edition, 2)}
    proposals = manifests["proposals"]
    assert manifests["sentences"].rows == 52 and proposals.dropped == {"fewer than 2 entities proposed": 11}
    assert proposals.rows == 41 and proposals.facts["annotator en"] == "rules rules.yaml"
    records = {record.id: record for record in read_draft(tmp_path / "build")}
    first = records["web/en/00000001---0"]
    assert [(first.text[s.start : s.end], s.label) for s in first.spans] == [("UNESCO", "ORG"), ("New York", "LOC")]
    for stage in draft_stages(tmp_path / "alone", edition, 1):
        run_stage(stage)
    assert {record.id: record for record in read_draft(tmp_path / "alone")} == records


def run_task(stage: Stage, rank: int) -> None:
    data: Any = None
    for step in stage.pipeline():
        data = step(data, rank, stage.tasks)


def test_a_build_goes_on_where_it_stopped(edition_file: Path, tmp_path: Path) -> None:
    edition = load_ner_edition(edition_file)
    stages = draft_stages(tmp_path / "build", edition, 2)
    run_stage(stages[0])
    run_task(stages[1], 0)  # the first of two tasks, then the machine goes down
    with pytest.raises(FileNotFoundError, match="is not finished"):
        read_draft(tmp_path / "build")
    written = (tmp_path / "build" / "proposals" / "00000.parquet").stat().st_mtime_ns
    run_task(stages[1], 1)
    stages[1].seal()(None)
    assert len(read_draft(tmp_path / "build")) == 41
    assert (tmp_path / "build" / "proposals" / "00000.parquet").stat().st_mtime_ns == written


def test_another_edition_needs_another_folder(edition_file: Path, tmp_path: Path) -> None:
    build_draft(tmp_path / "build", load_ner_edition(edition_file), tasks=1)
    edition_file.write_text(edition_file.read_text() + "min_entities: 1\n")
    with pytest.raises(ValueError, match="another edition"):
        build_draft(tmp_path / "build", load_ner_edition(edition_file), tasks=1)
    with pytest.raises(FileNotFoundError, match="there is no edition"):
        load_ner_edition(tmp_path / "none.yaml")


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
