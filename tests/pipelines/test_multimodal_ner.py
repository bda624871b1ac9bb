from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForTokenClassification, pipeline

from hf_mlm.data.mmnerd.schemes import entities
from hf_mlm.models.base.processing import TaggerProcessor
from hf_mlm.models.crf_tagger.modeling_crf_tagger import CRFTaggerForTokenClassification
from hf_mlm.models.two_mner.modeling_two_mner import TwoMNERForTokenClassification
from tests.models.crf_tagger.tiny import config as text_config
from tests.models.two_mner.tiny import config, processor, wordpiece
from tests.pipelines.tiny import encoded, picture, saved


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


def test_an_image_is_the_same_in_every_form(pipe: Any, address: str, tmp_path: Path) -> None:
    picture().save(path := tmp_path / "picture.png")
    expected = pipe({"text": TEXT, "image": picture()})
    forms = [path, str(path), path.read_bytes(), {"bytes": path.read_bytes(), "path": None}, np.asarray(picture())]
    forms.append(f"{address}/picture.png")
    inputs = [{"text": TEXT, "image": form} for form in forms]
    assert_same(pipe(inputs, batch_size=4, timeout=5), [expected] * len(forms))


def test_unusual_images_are_read_by_their_first_frame_and_as_rgb(pipe: Any) -> None:
    frames = [picture(1).quantize(), picture(2).quantize()]
    animated = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    cmyk = picture().convert("CMYK")
    unusual = [animated, frames[0], cmyk, encoded(cmyk, "TIFF")]
    plain = [*[frames[0].convert("RGB")] * 2, *[cmyk.convert("RGB")] * 2]
    found, expected = ([pipe({"text": TEXT, "image": image}) for image in images] for images in (unusual, plain))
    assert_same(found, expected)
    assert found[0] != found[2]


@pytest.mark.parametrize(
    ("wrong", "error", "sentence"),
    [
        (b"no image", ValueError, "cannot be read as an image"),
        (encoded(picture())[:200], ValueError, "cannot be read as an image"),
        (3, ValueError, "image is a int, which is no image"),
        ("absent.png", FileNotFoundError, r"there is no image at absent\.png"),
        ("http://127.0.0.1:1/picture.png", OSError, "gives no image .*: check the address"),
    ],
)
def test_a_broken_image_is_named_by_its_place(pipe: Any, wrong: Any, error: Any, sentence: str) -> None:
    one, several = {"text": "paris", "image": wrong}, ["paris", "france", {"text": "paris", "image": wrong}]
    with pytest.raises(error, match=rf"^(?!input \d).*{sentence}"):
        pipe(one)
    for inputs in (several, (item for item in several)):
        with pytest.raises(error, match=rf"^input 2 \(counted from 0\): .*{sentence}"):
            list(pipe(inputs, batch_size=2))


def test_a_model_in_training_mode_answers_without_dropout(folder: Path, pipe: Any) -> None:
    model = TwoMNERForTokenClassification.from_pretrained(folder).train()
    assert_same([pipeline("multimodal-ner", model=model, processor=pipe.processor)(TEXT)], [pipe(TEXT)])


def test_models_that_cannot_serve_get_a_sentence(folder: Path, tmp_path: Path) -> None:
    TwoMNERForTokenClassification.from_pretrained(folder).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"found no processor beside the model: write one .* or pass processor="):
        pipeline("multimodal-ner", model=str(tmp_path))
    bert = BertForTokenClassification(BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=2))
    with pytest.raises(ValueError, match=r"taggers of hf_mlm, and this one is a 'bert': .*'token-classification'"):
        pipeline("multimodal-ner", model=bert, config=bert.config)
    with pytest.raises(ValueError, match=r"^multimodal-ner runs on the taggers .*, and this one is a 'irle': "):
        pipeline("multimodal-ner", model=str(saved(tmp_path / "irle")))


def test_a_text_model_needs_no_image_and_leaves_it_aside(tmp_path: Path) -> None:
    torch.manual_seed(0)
    for head in ("crf", "softmax"):
        decided(CRFTaggerForTokenClassification(text_config(head=head))).save_pretrained(tmp_path)
        TaggerProcessor(wordpiece(tmp_path), max_length=16).save_pretrained(tmp_path)
        pipe = pipeline("multimodal-ner", model=str(tmp_path))
        assert pipe({"text": TEXT, "image": b"never opened"}) == pipe(TEXT) != []


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
    with pytest.raises(ValueError, match=r"^input 1 \(counted from 0\): the text has half a character, .*, at 6"):
        pipe(["paris", "paris \ud83d in france"])
    with pytest.raises(ValueError, match="no setting aggregation_strategy"):
        pipe("paris", aggregation_strategy="first")
