"""Sentences, proposals, and their equality however the work is divided."""

from pathlib import Path
from typing import Any

import pytest
from conftest import run_stage

from hf_mlm.construction.mmnerd.draft import build_draft, draft_stages, read_draft
from hf_mlm.construction.mmnerd.edition import load_ner_edition
from hf_mlm.construction.stage import Stage


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
