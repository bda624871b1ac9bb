from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, CLIPImageProcessorPil

from hf_mlm.models.two_mner.modeling_two_mner import TwoMNERForTokenClassification
from hf_mlm.models.two_mner.processing_two_mner import TwoMNERProcessor
from tests.models.two_mner.tiny import config, processor, wordpiece


@pytest.fixture
def tiny(tmp_path: Path) -> TwoMNERProcessor:
    return processor(tmp_path)


def picture(seed: int = 0, mode: str = "RGB") -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 50, 3), np.uint8)).convert(mode)


WORDS = [["paris"], ["the", "river"], ["in", "france"], ["paris", "."]]


def test_each_image_is_there_once_and_every_row_knows_its_own(tiny: TwoMNERProcessor) -> None:
    one, other = picture(0), picture(1, "CMYK")
    batch = tiny(WORDS, images=[one, None, other, one])
    assert batch["pixel_values"].shape == (2, 3, 32, 32) and batch["pixel_values"].dtype == torch.float32
    assert batch["image_index"].tolist() == [0, -1, 1, 0]
    expected = tiny([WORDS[2]], images=[other])["pixel_values"]
    assert torch.equal(batch["pixel_values"][1:], expected)
    assert sorted(batch) == sorted(tiny.model_input_names)


def test_windows_of_a_sentence_share_its_image(tiny: TwoMNERProcessor) -> None:
    batch = tiny([["paris"] * 40, ["the"]], images=[picture(0), picture(1)])
    assert batch["image_index"].tolist() == [0] * (len(batch["input_ids"]) - 1) + [1]
    assert len(batch["pixel_values"]) == 2 and len(batch["input_ids"]) > 3


def test_texts_need_no_images(tiny: TwoMNERProcessor) -> None:
    for batch in (tiny(WORDS), tiny(WORDS, images=[None] * 4)):
        assert sorted(batch) == ["attention_mask", "input_ids", "word_ids"]


def test_a_batch_feeds_the_model(tiny: TwoMNERProcessor) -> None:
    ner = TwoMNERForTokenClassification(config()).eval()
    batch = tiny(WORDS, images=[picture(0), None, picture(1), None], labels=[[1], [0, 0], [0, 3], [1, 0]])
    outputs = ner(**batch)
    assert torch.isfinite(outputs.loss) and (outputs.predictions >= 0).sum() == 7


def test_what_does_not_match_or_open_gets_a_sentence(tiny: TwoMNERProcessor) -> None:
    with pytest.raises(ValueError, match="1 images for 4 sentences: pass None for none"):
        tiny(WORDS, images=picture())
    with pytest.raises(ValueError, match="image 1 cannot be read"):
        tiny(WORDS, images=[picture(), None, b"broken", None])


def test_it_is_saved_with_the_model_and_found_again(tiny: TwoMNERProcessor, tmp_path: Path) -> None:
    TwoMNERForTokenClassification(config()).save_pretrained(tmp_path / "saved")
    tiny.save_pretrained(tmp_path / "saved")
    loaded = AutoProcessor.from_pretrained(tmp_path / "saved")
    assert type(loaded) is TwoMNERProcessor and loaded.max_length == 16
    ours, theirs = (p(WORDS, images=[picture()] * 4) for p in (tiny, loaded))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_it_is_made_of_the_encoders_folders(tmp_path: Path) -> None:
    wordpiece(tmp_path).save_pretrained(tmp_path / "text")
    CLIPImageProcessorPil(size={"shortest_edge": 48}, crop_size=48).save_pretrained(tmp_path / "vit")
    made = TwoMNERProcessor.from_encoders_pretrained(tmp_path / "text", vit=tmp_path / "vit", max_length=8)
    assert made(WORDS, images=[picture()] * 4)["pixel_values"].shape == (1, 3, 48, 48) and made.max_length == 8
    torchvision = TwoMNERProcessor.from_encoders_pretrained(tmp_path / "text", resnet="resnet152-b121ed2d.pth")
    white = Image.new("RGB", (300, 500), "white")
    pixels = torchvision([["paris"]], images=[white])["pixel_values"]
    assert pixels.shape == (1, 3, 224, 224)
    expected = [(1 - mean) / std for mean, std in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))]
    assert pixels[0, :, 100, 100].tolist() == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="pass vit or resnet, or use TaggerProcessor"):
        TwoMNERProcessor.from_encoders_pretrained(tmp_path / "text")
