"""Encoders of the day under the package's models, each from a tiny configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import processors

from hf_mlm import CRFTaggerConfig, CRFTaggerForTokenClassification, IRLEConfig, IRLEForRetrievalAndGeo
from hf_mlm.models.base.encoders import load_encoder
from hf_mlm.models.base.word_encoding import WordEncoder


SMALL = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
TEXT = {
    "BertConfig": {},
    "XLMRobertaConfig": {"pad_token_id": 1},
    "ModernBertConfig": {
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "cls_token_id": 1,
        "sep_token_id": 2,
    },
    "EuroBertConfig": {"pad_token_id": 0, "num_key_value_heads": 2},
}
VISION = {
    "SiglipVisionConfig": {"image_size": 28, "patch_size": 14},
    "Dinov2Config": {"image_size": 28, "patch_size": 14},
    "DINOv3ViTConfig": {"image_size": 32, "patch_size": 16},
}


def config(name: str, settings: dict[str, Any], **more: Any) -> Any:
    return getattr(transformers, name)(**SMALL, **settings, **more)


@pytest.mark.parametrize("name", TEXT)
def test_a_tagger_stands_on_a_text_encoder(name: str, tmp_path: Path) -> None:
    tagger = CRFTaggerForTokenClassification(
        CRFTaggerConfig(text_encoder_config=config(name, TEXT[name], vocab_size=40))
    )
    ids, words = torch.tensor([[3, 5, 6, 7, 4]]), torch.tensor([[-1, 0, 0, 1, -1]])
    expected = tagger.eval()(ids, word_ids=words).logits
    tagger.save_pretrained(tmp_path)
    again = transformers.AutoModelForTokenClassification.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(again(ids, word_ids=words).logits, expected)


@pytest.mark.parametrize("name", VISION)
def test_irle_stands_on_a_vision_encoder(name: str) -> None:
    text = transformers.BertConfig(**SMALL, vocab_size=40)
    encoders = {"image_encoder_config": config(name, VISION[name]), "text_encoder_config": text}
    model = IRLEForRetrievalAndGeo(IRLEConfig(**encoders, embedding_size=8, num_geo_cells=3)).eval()
    size = VISION[name]["image_size"]
    embeds = model.encode_images(pixel_values=torch.randn(2, 3, size, size)).embeds
    torch.testing.assert_close(embeds.norm(dim=1), torch.ones(2))


def test_encoders_open_in_float32_whatever_they_were_saved_in(tmp_path: Path) -> None:
    encoder = transformers.BertModel(transformers.BertConfig(**SMALL, vocab_size=40)).to(torch.bfloat16)
    encoder.save_pretrained(tmp_path)
    assert {weight.dtype for weight in load_encoder(tmp_path, "text_config").parameters()} == {torch.float32}


def test_a_tokenizer_that_lost_its_special_tokens_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]))
    tokenizer = transformers.BertTokenizerFast(str(tmp_path / "vocab.txt"))
    transformers.utils.logging.enable_propagation()
    WordEncoder(tokenizer)
    assert not caplog.records
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
    WordEncoder(tokenizer)
    assert "found none around a text" in caplog.text and "[CLS]" in caplog.text
    transformers.utils.logging.disable_propagation()
