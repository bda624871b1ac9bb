"""Reading of sources, and every task its share."""

from pathlib import Path

import pytest
from conftest import run_stage

from hf_mlm.construction.mmnerd.draft import SENTENCE_SCHEMA
from hf_mlm.construction.mmnerd.edition import load_ner_edition
from hf_mlm.construction.mmnerd.reading import ReadSources, ShareOf
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
