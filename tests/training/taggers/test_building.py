from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.training.ner import ENCODER, recipe, run, write_corpus


SIZES = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
VIT = {"model_type": "vit", "image_size": 8, "patch_size": 4, "num_hidden_layers": 2, **SIZES}
RESNET = {"model_type": "resnet", "embedding_size": 4, "hidden_sizes": [4, 6], "depths": [1, 1]}
WORDS: dict[str, Any] = {"text_encoder": None, "learning_rate": 0.05}
FORMS: dict[str, dict[str, Any]] = {
    "bilstm_crf": {**WORDS, "model": {"word_embedding_size": 8, "hidden_size": 8}},
    "hbilstm_crf": {**WORDS, "model": {"word_embedding_size": 8, "hidden_size": 8}},
    "adacan": {**WORDS, "resnet": RESNET, "model": {"word_embedding_size": 8, "hidden_size": 8}},
    "umt": {"resnet": RESNET, "model": {"num_heads": 2}},
    "umgf": {"resnet": RESNET, "regions": "1x2", "model": {"graph_size": 8, "graph_layers": 1, "graph_heads": 2}},
    "mkgformer": {"vit": VIT, "text_encoder": {**ENCODER, "num_hidden_layers": 2}, "model": {"fusion_layers": 1}},
}


@pytest.mark.parametrize("model_type", FORMS)
def test_each_baseline_trains_on_images_and_without(model_type: str, tmp_path: Path) -> None:
    data = write_corpus(tmp_path / "data", images=True)
    changes: dict[str, Any] = {"model_type": model_type, "num_train_epochs": 1, **FORMS[model_type]}
    finished = run(recipe(data, tmp_path, **changes))
    assert finished.trainer.model.config.model_type == model_type
    seen = "pixel_values" in next(iter(finished.trainer.get_train_dataloader()))
    assert seen == ("vit" in changes or "resnet" in changes)
    assert 0 <= finished.results["test_f1"] <= 1
    text = {name: value for name, value in changes.items() if name not in ("vit", "resnet", "regions")}
    twin = run(recipe(data, tmp_path, **text, output_dir=str(tmp_path / "twin")))
    assert getattr(twin.trainer.model, "image_encoder", None) is None


@pytest.mark.parametrize("model_type", ["umgf", "mkgformer"])
def test_boxes_of_other_images_are_refused(model_type: str, tmp_path: Path) -> None:
    data, boxes = write_corpus(tmp_path / "data", images=True), tmp_path / "boxes.jsonl"
    boxes.write_text('{"image_id": "of another dataset", "boxes": [[0, 0, 1, 1]]}')
    changes = {"model_type": model_type, **FORMS[model_type], "regions": str(boxes)}
    with pytest.raises(ValueError, match=r"boxes of none of the training images: .* such as '00000000---train'\.$"):
        run(recipe(data, tmp_path, **changes))
    blank = {**changes, "images": "blank", "num_train_epochs": 1}
    assert run(recipe(data, tmp_path, **blank)).results["test_f1"] >= 0


def test_word_vectors_start_the_table_and_widen_the_vocabulary(tmp_path: Path) -> None:
    data = write_corpus(tmp_path / "data")
    test = data / "test_conll_format.txt"
    test.write_text("IMGID:O_1\nZanzibar\tB-LOC\nZorro\tB-PER\nQuito\tB-LOC\n\n" + test.read_text())
    (tmp_path / "vectors.txt").write_text("Cork 1 2 3\nZanzibar 4 5 6\nlatin 7 8 9\nquito 3 2 1\n")
    changes = {**FORMS["bilstm_crf"], "word_vectors": str(tmp_path / "vectors.txt"), "num_train_epochs": 1}
    changes |= {"model_type": "bilstm_crf", "model": {"hidden_size": 8, "freeze_word_embeddings": True}}
    finished = run(recipe(data, tmp_path, **changes))
    words = finished.trainer.processing_class.vocabulary
    table = finished.trainer.model.get_input_embeddings().weight
    ids = finished.trainer.processing_class(text=[["Cork", "Zanzibar", "Latin", "Quito", "Zorro"]])["input_ids"][0]
    assert table[ids[:4]].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9], [3, 2, 1]]  # two of them in lower case
    assert ids[4] == 1 and len(words) == len(table)  # unknown, as it has no vector


def test_two_image_encoders_are_one_too_many(tmp_path: Path) -> None:
    changes = {"model_type": "umt", "resnet": RESNET, "vit": VIT}
    with pytest.raises(ValueError, match="umt has one image encoder, and vit and resnet are both given"):
        run(recipe(write_corpus(tmp_path / "data"), tmp_path, **changes))


def test_encoders_are_cut_to_their_first_layers(tmp_path: Path) -> None:
    data = write_corpus(tmp_path / "data", images=True)
    text = {**ENCODER, "num_hidden_layers": 3}
    changes = {"model_type": "two_mner", "text_encoder": text, "vit": VIT, "model": {"collaboration_heads": 2}}
    config = run(
        recipe(data, tmp_path, **changes, num_train_epochs=1, text_layers=2, vit_layers=1)
    ).trainer.model.config
    assert (config.text_encoder_config.num_hidden_layers, config.vit_config.num_hidden_layers) == (2, 1)
