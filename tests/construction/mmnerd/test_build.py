"""The draft of a dataset like MMNERD, from its build config to proposals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import run_stage

from hf_mlm.construction.executors import RECORD
from hf_mlm.construction.mmnerd.build import (
    SENTENCE_SCHEMA,
    ReadSources,
    ShareOf,
    build_draft,
    draft_stages,
    load_ner_build_config,
    read_draft,
)
from hf_mlm.construction.mmnerd.dataset import finish_dataset
from hf_mlm.construction.stage import Stage, code_version
from hf_mlm.files import sha256_of


def test_files_lie_beside_the_edition(config_file: Path, tmp_path: Path) -> None:
    config = load_ner_build_config(config_file)
    assert config.sources[0].path == str(tmp_path / "captions.tsv")
    assert config.pre_annotators == {"en": {"rules": str(tmp_path / "rules.yaml")}}
    plain = config.to_json()
    assert json.loads(json.dumps(plain)) == plain and plain["labels"]["GPE"] == "LOC"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sources: []", "Expected one source"),
        ("[1]", "Expected a mapping such as .* found .1."),
        (
            "sources: [{kind: captions, path: a, language: en, name: web}]",
            "Expected a pre-annotator for the captions of 'web'",
        ),
        ("sources: [{kind: conll, path: a, language: en}]", "found no name"),
        ("sources: [{kind: conll, path: a, language: it, name: x}]", "found 'it'"),
        (
            "sources: [{kind: conll, path: a, language: en, name: x, translate_to: [fr]}]",
            "Expected a translation model",
        ),
        ("sources: [{kind: conll, path: a, language: en, name: x}]\nplaceholder: hide", "placeholder='hide'"),
        ("sources: [{kind: conll, path: a, language: en, name: x}]\nseeds: 1", "found .'seeds'"),
    ],
)
def test_wrong_editions(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        load_ner_build_config(tmp_path / "config.yaml")


def test_shares_are_everything_once(config_file: Path, tmp_path: Path) -> None:
    manifest = run_stage(
        Stage(tmp_path / "sentences", [ReadSources(load_ner_build_config(config_file))], SENTENCE_SCHEMA)
    )
    assert manifest.inputs == {"web/captions.tsv": sha256_of(tmp_path / "captions.tsv")} and manifest.rows == 52
    shares = [[one.id for one in ShareOf(tmp_path / "sentences").run(None, rank, 3)] for rank in range(3)]
    assert [len(share) for share in shares] == [18, 17, 17] and len(set().union(*shares)) == 52


def test_two_files_with_one_sentence(config_file: Path, tmp_path: Path) -> None:
    source = "{kind: captions, path: captions.tsv, language: en, name: web}"
    config_file.write_text(f"sources: [{source}, {source}]\nannotators: {{en: {{rules: rules.yaml}}}}")
    with pytest.raises(ValueError, match=r"one sentence web/en/00000001---0 .*'web', found another in .*captions.tsv"):
        list(ReadSources(load_ner_build_config(config_file)).run(None))


def test_proposals(config_file: Path, tmp_path: Path) -> None:
    config = load_ner_build_config(config_file)
    manifests = {stage.name: run_stage(stage) for stage in draft_stages(tmp_path / "build", config, 2)}
    proposals = manifests["proposals"]
    assert manifests["sentences"].rows == 52 and proposals.dropped == {"fewer than 2 entities proposed": 11}
    assert proposals.rows == 41 and proposals.facts["pre-annotator en"] == "rules rules.yaml"
    records = {record.id: record for record in read_draft(tmp_path / "build")}
    first = records["web/en/00000001---0"]
    assert [(first.text[s.start : s.end], s.label) for s in first.spans] == [("UNESCO", "ORG"), ("New York", "LOC")]
    for stage in draft_stages(tmp_path / "alone", config, 1):
        run_stage(stage)
    assert {record.id: record for record in read_draft(tmp_path / "alone")} == records


def run_task(stage: Stage, rank: int) -> None:
    data: Any = None
    for step in stage.pipeline():
        data = step(data, rank, stage.tasks)


def test_a_build_goes_on_where_it_stopped(config_file: Path, tmp_path: Path) -> None:
    config = load_ner_build_config(config_file)
    stages = draft_stages(tmp_path / "build", config, 2)
    run_stage(stages[0])
    run_task(stages[1], 0)  # the first of two tasks, then the machine goes down
    with pytest.raises(FileNotFoundError, match="Expected a finished stage 'proposals'"):
        read_draft(tmp_path / "build")
    written = (tmp_path / "build" / "proposals" / "00000.parquet").stat().st_mtime_ns
    run_task(stages[1], 1)
    stages[1].seal()(None)
    assert len(read_draft(tmp_path / "build")) == 41
    assert (tmp_path / "build" / "proposals" / "00000.parquet").stat().st_mtime_ns == written


def test_another_edition_needs_another_folder(config_file: Path, tmp_path: Path) -> None:
    build_draft(tmp_path / "build", load_ner_build_config(config_file), tasks=1)
    config_file.write_text(config_file.read_text() + "min_entities: 1\n")
    with pytest.raises(ValueError, match="the same build config, found another"):
        build_draft(tmp_path / "build", load_ner_build_config(config_file), tasks=1)
    with pytest.raises(FileNotFoundError, match="found no file"):
        load_ner_build_config(tmp_path / "none.yaml")


def test_proposals_become_a_described_dataset(config_file: Path, tmp_path: Path) -> None:
    config, target = load_ner_build_config(config_file), tmp_path / "build"
    for stage in draft_stages(target, config, 1):
        run_stage(stage)
    (target / RECORD).write_text(json.dumps({"code": code_version("mmnerd"), "edition": config.to_json()}))
    with pytest.raises(FileNotFoundError, match="Expected decided sentences"):
        finish_dataset(target, config)
    written = finish_dataset(target, config, proposals=True)
    assert sum(written.sizes.values()) == 41 and written.languages == ["en"]
    provenance = json.loads((written.folder / "provenance.json").read_text())
    assert provenance["annotated_by"] == "machine" and provenance["agreement"] is None
    assert provenance["stages"]["proposals"]["dropped"] == {"fewer than 2 entities proposed": 11}
    assert provenance["division"] == {"ratios": [0.8, 0.1, 0.1], "seed": 0}
    assert provenance["build"]["edition"]["sources"][0]["path"] == "captions.tsv"
    assert written.files[-1].name == "image_sources/image_sources-00000-of-00001.parquet"
    (tmp_path / "split.tsv").write_text("1\ttrain\n")
    with pytest.raises(ValueError, match="Expected a split of every image"):
        finish_dataset(target, config, proposals=True, published=tmp_path / "split.tsv")
