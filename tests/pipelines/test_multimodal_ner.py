from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForTokenClassification, TokenClassificationPipeline, pipeline

from hf_mlm.data.mmnerd.schemes import entities
from hf_mlm.models.base.processing import TaggerProcessor
from hf_mlm.models.crf_tagger.modeling_crf_tagger import CRFTaggerForTokenClassification
from hf_mlm.models.two_mner.modeling_two_mner import TwoMNERForTokenClassification
from tests.models.crf_tagger.tiny import TEXT_ENCODER
from tests.models.crf_tagger.tiny import config as text_config
from tests.models.two_mner.tiny import byte_level, config, processor, unigram, wordpiece
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


TOKENIZERS = {"wordpiece": wordpiece, "bpe": lambda _: byte_level(), "unigram": lambda _: unigram()}


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_the_plain_pipeline_finds_the_same_entities(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    encoder = {**TEXT_ENCODER.to_dict(), "vocab_size": 300}
    decided(CRFTaggerForTokenClassification(text_config(text_encoder_config=encoder))).save_pretrained(tmp_path)
    TaggerProcessor(TOKENIZERS[kind](tmp_path), max_length=32, word_splitter="unicode").save_pretrained(tmp_path)
    texts = ["Paris in France, unbelievable.", "the (river) b pa in paris!"]
    expected = pipeline("multimodal-ner", model=str(tmp_path))(texts)
    assert all(expected)
    for strategy in ("simple", "first", "average", "max"):
        plain = pipeline("token-classification", model=str(tmp_path), aggregation_strategy=strategy)
        assert_same(plain(texts), expected)
    by_word = pipeline("ner", model=str(tmp_path))(texts)
    for words, found in zip(by_word, expected, strict=True):
        starts = {entity["start"] for entity in found}
        assert starts == {word["start"] for word in words if word["entity"].startswith("B-")}
        assert {entity["end"] for entity in found} <= {word["end"] for word in words}


def test_other_models_keep_their_plain_pipeline(tmp_path: Path) -> None:
    BertForTokenClassification(BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=2)).save_pretrained(
        tmp_path
    )
    wordpiece(tmp_path).save_pretrained(tmp_path)
    assert type(pipeline("token-classification", model=str(tmp_path))) is TokenClassificationPipeline


def test_lists_of_words_are_answered_by_word(pipe: Any) -> None:
    words = ["Paris", "in-river", "the", "Guinea Bissau", "river"]
    image = picture()
    batch = pipe.processor([words], images=[image])
    with torch.no_grad():
        tags = [pipe.model.config.id2label[int(label)] for label in pipe.model(**batch).predictions[0] if label >= 0]
    expected = entities(tags)
    found = pipe({"tokens": words, "image": image})
    assert [(e["entity_group"], e["start"], e["end"]) for e in found] == [tuple(entity) for entity in expected] != []
    assert [e["word"] for e in found] == [" ".join(words[e["start"] : e["end"]]) for e in found]
    row = {"id": "3", "tokens": words, "ner_tags": [0] * 5, "language": "en", "image_id": "O_1", "image": image}
    for several in (pipe([row]), list(pipe(iter([row]))), pipe([{"tokens": tuple(words), "image": image}])):
        assert_same(several, [found])
    assert_same([pipe(words, is_split_into_words=True)], pipe([words]))
    with pytest.raises(ValueError, match="takes a text or .* and got a dict"):
        pipe({"tokens": "Paris"})


def test_words_and_text_say_the_same_where_the_rule_divides_alike(pipe: Any) -> None:
    words = ["unbelievable", "parisian", ",", "in", "the", "river"]
    by_word, by_text = pipe([words, " ".join(words)])
    starts = [len(" ".join(words[:number])) + bool(number) for number in range(len(words))]
    assert [starts[entity["start"]] for entity in by_word] == [entity["start"] for entity in by_text] != []


def test_scores_below_the_least_are_left_out(pipe: Any) -> None:
    found = pipe(LONG)
    least = sorted(entity["score"] for entity in found)[len(found) // 2]
    assert pipe(LONG, min_score=least) == [entity for entity in found if entity["score"] >= least] != found
    kind = found[0]["entity_group"]
    assert pipe(LONG, min_score={kind: 1.1}) == [entity for entity in found if entity["entity_group"] != kind]
    with pytest.raises(ValueError, match="min_score of the types LOC, MISC, ORG, PER; found GPE"):
        pipe(LONG, min_score={"GPE": 0.5})


def test_words_of_entities_are_told_one_by_one(pipe: Any) -> None:
    words = pipe(LONG, aggregation="word")
    assert all(LONG[word["start"] : word["end"]] == word["word"] for word in words)
    whole = pipe(LONG)
    begun = [word["start"] for word in words if word["entity"].startswith("B-")]
    assert begun == [entity["start"] for entity in whole] and words[-1]["end"] == whole[-1]["end"]
    assert [word["index"] for word in words] == sorted({word["index"] for word in words})
    with pytest.raises(ValueError, match="aggregation to be 'entity' or 'word', found 'token'"):
        pipe(LONG, aggregation="token")


def test_what_cannot_be_read_is_reported_and_the_rest_answered(pipe: Any) -> None:
    inputs = ["paris", {"text": "in france", "image": "absent.png"}, 3, "the river", "\ud83d"]
    for several in (inputs, iter(inputs)):
        answers = list(pipe(several, batch_size=2, on_error="skip"))
        assert_same([answers[0], answers[3]], pipe(["paris", "the river"]))
        for number, sentence in ((1, "there is no image at absent"), (2, "takes a text"), (4, "half a character")):
            assert answers[number]["error"].startswith(f"input {number} (counted from 0): ")
            assert sentence in answers[number]["error"]
    assert "takes a text" in pipe(3, on_error="skip")["error"]


def test_rows_of_like_length_share_a_batch_and_answers_keep_their_order(pipe: Any) -> None:
    texts = ["paris", "the river " * 6, "in france", "unbelievable " * 4, "", "paris " * 5] * 3
    shapes = []
    hook = pipe.model.register_forward_pre_hook(
        lambda _, __, inputs: shapes.append(tuple(inputs["input_ids"].shape)), with_kwargs=True
    )
    answers = pipe(texts, batch_size=4)
    hook.remove()
    assert_same(answers, [pipe(text) for text in texts])
    rows, longest = zip(*shapes, strict=True)
    assert all(count == 4 for count in rows[:-1]) and list(longest) == sorted(longest, reverse=True)


def test_a_long_text_comes_in_batches_of_its_rows(pipe: Any) -> None:
    sizes = []
    hook = pipe.model.register_forward_pre_hook(
        lambda _, __, inputs: sizes.append(len(inputs["input_ids"])), with_kwargs=True
    )
    pipe({"text": LONG * 4, "image": picture()}, batch_size=2)
    hook.remove()
    assert max(sizes) <= 2 and sum(sizes) > 20


def test_sentences_of_a_document_are_read_in_their_context(pipe: Any) -> None:
    sentences = ["Paris in France.", ["the", "river"], "unbelievable parisian, " * 9, ""]
    answer = pipe({"sentences": sentences})
    alone = pipe(sentences)
    assert len(answer) == 4 and answer[3] == []
    assert [e["score"] for e in answer[0]] != [e["score"] for e in alone[0]]
    assert_same([answer[2]], [alone[2]])  # too long for any context
    for sentence, found in zip(sentences, answer, strict=True):
        if isinstance(sentence, str):
            assert all(sentence[entity["start"] : entity["end"]] == entity["word"] for entity in found)
    assert pipe({"sentences": []}) == [] and pipe([{"sentences": sentences}]) == [answer]


@pytest.mark.parametrize("text", ["", " \n ", "\u200b\ufeff", "\u200e \u2060"])
def test_what_shows_nothing_is_no_entity(pipe: Any, text: str) -> None:
    assert pipe(text) == [] == pipe({"tokens": list(text)})


def test_an_emoji_has_an_answer(pipe: Any) -> None:
    text = "👍🏽👨\u200d👩\u200d👧"
    assert all(text[entity["start"] : entity["end"]] == entity["word"] for entity in pipe(text))


def test_entities_of_other_schemes_are_whole(tmp_path: Path) -> None:
    names = ["O", "B-PER", "I-PER", "E-PER", "S-PER"]
    settings = text_config(id2label=dict(enumerate(names)), constrained_decoding=False, head="softmax")
    model = CRFTaggerForTokenClassification(settings).eval()
    with torch.no_grad():
        for parameter in model.head.classifier.parameters():
            parameter.zero_()
        model.text_encoder.get_input_embeddings().weight.zero_()
    pipe = pipeline("multimodal-ner", model=model, processor=TaggerProcessor(wordpiece(tmp_path)))
    tags = [names.index(tag) for tag in ("B-PER", "E-PER", "O", "S-PER", "S-PER")]
    pipe._forward = lambda inputs: {"labels": labelled(inputs, tags), "scores": torch.ones(inputs["word_ids"].shape)}
    assert [(e["start"], e["end"]) for e in pipe({"tokens": list("abcde")})] == [(0, 2), (3, 4), (4, 5)]


def labelled(inputs: dict[str, torch.Tensor], tags: list[int]) -> torch.Tensor:
    """Tags of words where each of them is one token."""
    words = inputs["word_ids"]
    return torch.tensor(tags)[words.clamp(min=0)].where(words >= 0, -100)


@pytest.mark.parametrize("wrong", [3, {"image": None}, {"text": ["paris"]}, [3]])
def test_other_input_gets_a_sentence(pipe: Any, wrong: Any) -> None:
    with pytest.raises(ValueError, match="takes a text or .* of a dataset pass iter"):
        pipe(wrong)
    with pytest.raises(ValueError, match=r"^input 1 \(counted from 0\): the text has half a character, .*, at 6"):
        pipe(["paris", "paris \ud83d in france"])
    with pytest.raises(ValueError, match="no setting aggregation_strategy"):
        pipe("paris", aggregation_strategy="first")
