"""Input in all its forms, which both pipelines of IR+LE read alike."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, pipeline

from hf_mlm import CRFTaggerConfig, CRFTaggerForTokenClassification, IRLEConfig, IRLEForRetrievalAndGeo
from tests.models.irle.tiny import feature_config
from tests.pipelines.tiny import encoded, picture, saved


TASKS = ("geo-estimation", "cross-modal-retrieval")


@pytest.fixture(scope="module")
def pipes(irle: Path) -> dict[str, Any]:
    return {task: pipeline(task, model=str(irle)) for task in TASKS}


@pytest.mark.parametrize("task", TASKS)
def test_an_image_is_the_same_in_every_form(pipes: dict[str, Any], task: str, address: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    picture().save(path)
    content, expected = path.read_bytes(), pipes[task](picture())
    forms = [path, content, bytearray(content), np.asarray(picture()), {"bytes": content, "path": None}]
    forms += [{"image": form} for form in (*forms, str(path), picture(), f"{address}/picture.png")]
    for found in [pipes[task](form) for form in forms] + pipes[task](forms, batch_size=5, timeout=5):
        assert json.loads(json.dumps(found)) == found
        assert_close(found, expected)


def assert_close(found: Any, expected: Any) -> None:
    """Equal but for rounding, which differs with the size of the batch."""
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        found, expected = list(found.values()), list(expected.values())
    if isinstance(expected, list):
        assert len(found) == len(expected)
        for ours, theirs in zip(found, expected, strict=True):
            assert_close(ours, theirs)
    else:
        assert found == (pytest.approx(expected, rel=1e-4, abs=1e-4) if isinstance(expected, float) else expected)


INPUTS = ["the city", picture(1), {"text": "a village", "classes": "city, capital"}, "a river , a town in the city"]


@pytest.mark.parametrize("task", TASKS)
def test_single_list_generator_and_batches_agree(pipes: dict[str, Any], task: str) -> None:
    pipe = pipes[task]
    single = [pipe(item) for item in INPUTS]
    assert all(one != other for one, other in zip(single, single[1:], strict=False))
    runs = (pipe(INPUTS), pipe(INPUTS, batch_size=3), pipe(INPUTS, batch_size=2, num_workers=1))
    for found in (*runs, list(pipe((item for item in INPUTS), batch_size=4))):
        assert_close(found, single)
    assert pipe([]) == []


def test_classes_are_read_in_both_forms(pipes: dict[str, Any]) -> None:
    pipe = pipes["geo-estimation"]
    joined, listed, without = (
        pipe({"text": "the river", "classes": c}) for c in ("city, town", ["city", "town"], None)
    )
    assert joined == listed != without


def test_unusual_images_are_read_by_their_first_frame_and_as_rgb(pipes: dict[str, Any]) -> None:
    pipe = pipes["geo-estimation"]
    frames = [picture(1).quantize(), picture(2).quantize()]
    animated = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert_close(pipe(animated), pipe(frames[0].convert("RGB")))
    cmyk = picture().convert("CMYK")
    assert_close(pipe(cmyk), pipe(cmyk.convert("RGB")))


def test_no_text_opens_a_file_or_an_address(
    pipes: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    picture().save(tmp_path / "city", "PNG")
    pipe = pipes["geo-estimation"]
    assert pipe("city")["modalities"] == pipe("http://127.0.0.1:1/city")["modalities"] == ["text"]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("", "got an empty text"),
        ({"text": " \n"}, "got an empty text"),
        ("photo.JPG", r"read as a text: for an image pass {'image': 'photo.JPG'}"),
        (3, "takes a text, an image, or a mapping .* and got a int; of a dataset pass iter"),
        ({"images": [3]}, "and got a mapping with 'images': list"),
        ({"text": ["a"]}, "and got a mapping with 'text': list"),
        ({"text": "a", "classes": 5}, "classes=5 must be names, as a list or joined by ', '"),
        ({"text": "a", "classes": ["city", None]}, "classes=.* must be names"),
        ("a city \ud83d", "the text has half a character, .*, at 7"),
        ({"image": 3}, "image is a int, which is no image"),
        (b"no image", "cannot be read as an image"),
        (encoded(picture())[:200], "cannot be read as an image"),
    ],
)
def test_other_input_gets_a_sentence(pipes: dict[str, Any], task: str, wrong: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=rf"^(?!input \d).*{sentence}"):
        pipes[task](wrong)
    with pytest.raises(ValueError, match=rf"^input 1 \(counted from 0\): .*{sentence}"):
        pipes[task](["a city", wrong])


def test_images_that_are_not_there_get_a_sentence(pipes: dict[str, Any], address: str) -> None:
    pipe = pipes["geo-estimation"]
    with pytest.raises(FileNotFoundError, match=r"there is no image at absent\.png"):
        pipe(Path("absent.png"))
    for wrong in (f"{address}/absent.png", "http://127.0.0.1:1/picture.png"):
        with pytest.raises(OSError, match="gives no image .*: check the address, or pass a file"):
            pipe({"image": wrong}, timeout=5)


@pytest.mark.parametrize("task", TASKS)
def test_settings_are_checked(pipes: dict[str, Any], task: str) -> None:
    for wrong in (0, -1, 2.5, "all", True):
        with pytest.raises(ValueError, match="top_k=.* must be a whole number of at least 1"):
            pipes[task]("a city", top_k=wrong)
    with pytest.raises(ValueError, match=f"{task} has no setting topk"):
        pipes[task]("a city", topk=3)


@pytest.mark.parametrize("task", TASKS)
def test_models_that_cannot_serve_get_a_sentence(task: str, irle: Path, tmp_path: Path) -> None:
    IRLEForRetrievalAndGeo(feature_config()).save_pretrained(tmp_path / "features")
    with pytest.raises(ValueError, match=f"reads precomputed features and {task} takes images and texts"):
        pipeline(task, model=str(tmp_path / "features"))
    task_needed = {"geo-estimation": "geo", "cross-modal-retrieval": "retrieval"}[task]
    other = ({"geo", "retrieval"} - {task_needed}).pop()
    with pytest.raises(
        ValueError, match=f"needs a model with the task '{task_needed}', and this one has only '{other}'"
    ):
        pipeline(task, model=str(saved(tmp_path / "other", tasks=[other])))
    IRLEForRetrievalAndGeo.from_pretrained(irle).save_pretrained(tmp_path / "bare")
    with pytest.raises(ValueError, match="found no processor beside the model"):
        pipeline(task, model=str(tmp_path / "bare"))
    bert = BertModel(BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, vocab_size=9))
    with pytest.raises(ValueError, match=f"{task} runs on models of type 'irle', and this one is a 'bert'"):
        pipeline(task, model=bert, tokenizer=None, config=bert.config)
    tagger = CRFTaggerForTokenClassification(CRFTaggerConfig(text_encoder_config=bert.config))
    tagger.save_pretrained(tmp_path / "tagger")
    with pytest.raises(ValueError, match=f"^{task} runs on models of type 'irle', and this one is a 'crf_tagger'"):
        pipeline(task, model=str(tmp_path / "tagger"))


def test_a_model_with_one_encoder_reads_that_modality(irle: Path) -> None:
    whole = IRLEForRetrievalAndGeo.from_pretrained(irle)
    settings = {**whole.config.to_dict(), "image_encoder_config": None, "_name_or_path": ""}
    torch.manual_seed(0)
    model = IRLEForRetrievalAndGeo(IRLEConfig(**settings)).train()
    pipe = pipeline("geo-estimation", model=model, processor=str(irle))
    assert pipe("a city") == pipe("a city")  # without dropout, although the model came in training mode
    with pytest.raises(ValueError, match="has no image_encoder_config: leave out the image"):
        pipe(picture())


@pytest.mark.heavy
def test_the_modules_may_be_a_programs_first_import() -> None:
    """Then the hook of transformers' pipelines runs while they are on their way in."""
    program = (
        "import hf_mlm.pipelines.image_text\n"
        "from transformers.pipelines import PIPELINE_REGISTRY as registry\n"
        f"assert set({(*TASKS, 'multimodal-ner')}) <= set(registry.supported_tasks)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)


@pytest.mark.parametrize("task", TASKS)
def test_a_bad_input_of_many_is_passed_over_on_request(pipes: dict[str, Any], task: str, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_text("no image")
    several = [picture(), tmp_path / "broken.jpg", "the city", {"image": str(tmp_path / "none.png")}]
    found = pipes[task](several, batch_size=2, on_error="skip")
    assert "broken.jpg cannot be read" in found[1]["error"] and "no image at" in found[3]["error"]
    assert_close([found[0], found[2]], pipes[task]([several[0], several[2]]))
    with pytest.raises(ValueError, match=r"input 1 \(counted from 0\).*broken.jpg"):
        pipes[task](several)
    with pytest.raises(ValueError, match="on_error .*'ignore'"):
        pipes[task]("the city", on_error="ignore")


@pytest.mark.parametrize("text", ["Русский", "漢字 漢字", "♜ ♞"])
def test_a_text_of_unknown_words_alone_gets_no_place(pipes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"knows no word of the text '{text}'"):
        pipes["geo-estimation"](text)
    assert pipes["geo-estimation"](f"{text} the city")["latitude"] is not None
