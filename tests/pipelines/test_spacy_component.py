from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import pipeline

from hf_mlm.models.base.processing import TaggerProcessor
from hf_mlm.models.crf_tagger.modeling_crf_tagger import CRFTaggerForTokenClassification
from tests.models.crf_tagger.tiny import config
from tests.models.two_mner.tiny import wordpiece


spacy = pytest.importorskip("spacy")
import hf_mlm.pipelines.spacy_component  # noqa: E402, F401, registers the factory where the package is not installed


TEXTS = ["Paris in France, unbelievable.", "", "the river Paris-in-France!", "Parisian unbelievable \n the river"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spacy")
    torch.manual_seed(2)
    model = CRFTaggerForTokenClassification(config())
    with torch.no_grad():
        model.head.classifier.weight.mul_(30)
    model.save_pretrained(folder)
    TaggerProcessor(wordpiece(folder), max_length=32, word_splitter="unicode").save_pretrained(folder)
    return folder


def entities(doc: Any) -> list[tuple[str, int, int]]:
    return [(entity.label_, entity.start_char, entity.end_char) for entity in doc.ents]


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "xx"])
def test_entities_are_those_of_the_pipeline_on_whole_tokens(language: str, run: Path) -> None:
    nlp = spacy.blank(language)
    nlp.add_pipe("hf_mlm", config={"model": str(run)})
    tag = pipeline("multimodal-ner", model=str(run))
    for text, doc in zip(TEXTS, nlp.pipe(TEXTS), strict=True):
        ours = [(e["entity_group"], e["start"], e["end"]) for e in tag(text)]
        bounds = {(token.idx, token.idx + len(token)) for token in doc}
        whole = {start for start, _ in bounds}, {stop for _, stop in bounds}
        exact = [entity for entity in ours if entity[1] in whole[0] and entity[2] in whole[1]]
        assert set(exact) <= set(entities(doc)) and entities(nlp(text)) == entities(doc)
        assert all(any(s <= e[1] and e[2] <= t for _, s, t in entities(doc)) for e in ours)
        assert bool(ours) == bool(doc.ents)


def test_what_is_saved_finds_the_same(run: Path, tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("hf_mlm", config={"model": str(run), "min_score": 0.2})
    expected = [entities(doc) for doc in nlp.pipe(TEXTS)]
    assert any(expected)
    nlp.to_disk(tmp_path / "nlp")
    assert [entities(doc) for doc in spacy.load(tmp_path / "nlp").pipe(TEXTS)] == expected
    other = spacy.blank("en")
    other.add_pipe("hf_mlm", config={"model": "nowhere", "min_score": 0.2})
    other.from_bytes(nlp.to_bytes())
    assert [entities(doc) for doc in other.pipe(TEXTS)] == expected


def test_scores_below_the_least_are_left_out(run: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("hf_mlm", config={"model": str(run), "min_score": 1.1})
    assert not nlp(TEXTS[0]).ents
