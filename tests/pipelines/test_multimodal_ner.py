from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import pipeline

from hf_mlm.data.formats.iob2 import entities
from hf_mlm.models.crf_tagger import CRFTaggerForTokenClassification
from hf_mlm.models.tagger_processor import TaggerProcessor
from hf_mlm.models.two_mner import TwoMNERForTokenClassification
from tests.models.crf_tagger.tiny import config as text_config
from tests.models.two_mner.tiny import config, processor, wordpiece


def picture(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 50, 3), np.uint8))


def decided(model: Any) -> Any:
    """With scores far enough apart for several labels to be found."""
    with torch.no_grad():
        model.head.classifier.weight.mul_(30)
    return model.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("two_mner")
    decided(TwoMNERForTokenClassification(config())).save_pretrained(folder)
    processor(folder).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def pipe(folder: Path) -> Any:
    return pipeline("multimodal-ner", model=str(folder))


TEXT = "Paris,  in\u200b France: the river\n"
LONG = "unbelievable parisian, in the river. " * 6
INPUTS = [
    TEXT,
    {"text": LONG, "image": picture()},
    {"text": "", "image": None},
    {"text": "Paris", "image": picture(1)},
]


def test_entities_are_what_the_model_decodes(pipe: Any) -> None:
    words = ["Paris", ",", "in", "\u200b", "France", ":", "the", "river"]
    batch = pipe.processor([words], images=[picture()])
    with torch.no_grad():
        outputs = pipe.model(**batch)
    starts = outputs.predictions[0] >= 0
    labels = outputs.predictions[0][starts].tolist()
    marginals = pipe.model.head.crf.marginals(outputs.logits, starts.unsqueeze(0))[0][starts]
    expected = entities([pipe.model.config.id2label[label] for label in labels])
    found = pipe({"text": TEXT, "image": picture()})
    assert [entity["entity_group"] for entity in found] == [entity.type for entity in expected] != []
    for ours, entity in zip(found, expected, strict=True):
        assert TEXT[ours["start"] : ours["end"]] == ours["word"]
        assert ours["word"].startswith(words[entity.start]) and ours["word"].endswith(words[entity.stop - 1])
        chances = [marginals[number, labels[number]].item() for number in range(entity.start, entity.stop)]
        assert ours["score"] == pytest.approx(np.mean(chances), rel=1e-5)


def test_single_list_generator_and_batches_agree(pipe: Any) -> None:
    single = [pipe(item) for item in INPUTS]
    assert single[2] == [] and len(single[1]) > 5
    for found in (pipe(INPUTS), pipe(INPUTS, batch_size=3), list(pipe((item for item in INPUTS), batch_size=2))):
        assert_same(found, single)
    assert pipe([]) == []


def assert_same(ours: list, theirs: list) -> None:
    assert len(ours) == len(theirs)
    for found, expected in zip(ours, theirs, strict=True):
        scores = [[entity.pop("score") for entity in [dict(e) for e in side]] for side in (found, expected)]
        assert scores[0] == pytest.approx(scores[1], rel=1e-4)
        assert [{**e, "score": 0} for e in found] == [{**e, "score": 0} for e in expected]


def test_long_texts_are_read_to_their_end(pipe: Any) -> None:
    found = pipe(LONG)
    assert max(entity["end"] for entity in found) > len(LONG) - 20
    assert all(LONG[entity["start"] : entity["end"]] == entity["word"] for entity in found)


def test_an_image_makes_a_difference(pipe: Any) -> None:
    with_image, without = pipe({"text": TEXT, "image": picture()}), pipe(TEXT)
    assert [e["score"] for e in with_image] != [e["score"] for e in without]


def test_a_text_model_needs_no_image_and_leaves_it_aside(tmp_path: Path) -> None:
    torch.manual_seed(0)
    for head in ("crf", "softmax"):
        decided(CRFTaggerForTokenClassification(text_config(head=head))).save_pretrained(tmp_path)
        TaggerProcessor(wordpiece(tmp_path), max_length=16).save_pretrained(tmp_path)
        pipe = pipeline("multimodal-ner", model=str(tmp_path))
        assert pipe({"text": TEXT, "image": picture()}) == pipe(TEXT) != []


def test_the_plain_pipeline_opens_the_models_too(folder: Path) -> None:
    """It knows nothing of words, so it shows the scores before the CRF; "first" takes those of words."""
    plain = pipeline("token-classification", model=str(folder), aggregation_strategy="first")
    assert type(plain.model) is TwoMNERForTokenClassification
    text = "Paris in France, unbelievable"
    with torch.no_grad():
        logits = plain.model(**plain.tokenizer(text, return_tensors="pt")).logits[0]
    starts = [1, 2, 3, 4, 5]  # paris in france , un##believ##able
    expected = [plain.model.config.id2label[int(logits[start].argmax())] for start in starts]
    found = plain(text)
    assert [entity["entity_group"] for entity in found] == [entity.type for entity in entities(expected)] != []


@pytest.mark.parametrize("wrong", [3, {"image": None}, {"text": ["paris"]}, [3]])
def test_other_input_gets_a_sentence(pipe: Any, wrong: Any) -> None:
    with pytest.raises(ValueError, match="takes a text or .* of a dataset pass iter"):
        pipe(wrong)
    with pytest.raises(ValueError, match="no setting aggregation_strategy"):
        pipe("paris", aggregation_strategy="first")
