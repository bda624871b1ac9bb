"""Alignment: pairs that are each other's nearest, by enumeration, and words of many sub-tokens."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from transformers import BartConfig, BartForConditionalGeneration

from hf_mlm.construction.mmnerd import translation
from hf_mlm.construction.mmnerd.build import NERBuildConfig, build_draft, read_draft
from hf_mlm.construction.mmnerd.records import Record
from hf_mlm.construction.mmnerd.sources import Source, words_of
from hf_mlm.construction.mmnerd.translation import (
    APART,
    TAKEN,
    UNALIGNED,
    EncoderAligner,
    Translate,
    TranslationSettings,
    Translator,
    mutual_nearest,
    project,
)
from hf_mlm.construction.stage import ReadStage, to_document
from hf_mlm.data.mmnerd.conll import Sentence, write_conll
from tests.construction.features.tiny import save_text_encoder
from tests.models.two_mner.tiny import SPECIAL, wordpiece


@given(
    arrays(np.float32, st.tuples(st.integers(0, 5), st.just(3)), elements=st.integers(-3, 3).map(float)),
    arrays(np.float32, st.tuples(st.integers(0, 5), st.just(3)), elements=st.integers(-3, 3).map(float)),
)
def test_every_pair_is_nearest_both_ways(sources: np.ndarray, targets: np.ndarray) -> None:
    def cosine(one: np.ndarray, other: np.ndarray) -> float:
        lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
        return float(one @ other) / lengths if lengths else 0.0

    pairs = mutual_nearest(sources, targets)
    assert len({word for word, _ in pairs}) == len(pairs) == len({word for _, word in pairs})
    for word, other in pairs:
        near = cosine(sources[word], targets[other]) + 1e-5
        assert all(cosine(sources[word], one) <= near for one in targets)
        assert all(cosine(one, targets[other]) <= near for one in sources)
    if (
        len(sources)
        and len(targets)
        and np.linalg.norm(sources, axis=1).min()
        and np.linalg.norm(targets, axis=1).min()
    ):
        assert pairs  # the most similar pair of all is one


def test_a_sentence_is_aligned_with_itself(tmp_path: Path) -> None:
    aligner = EncoderAligner(str(save_text_encoder(tmp_path)), 2)
    words = ["the", "river", "in", "paris"]
    assert aligner(words, words) == {(number, number) for number in range(4)}
    assert aligner([], words) == set() and "layer 2" in aligner.name
    with pytest.raises(ValueError, match="layers 0 to 4 of .*, found aligner_layer=9"):
        EncoderAligner(str(tmp_path / "bert"), 9)


def carried(record, target: str, pairs: set[tuple[int, int]], *spans: tuple[str, str]):
    one = record("Paris saw Paris Hilton in Rome", *spans)
    found = project(one.text, one.words, one.spans, words_of(target), pairs)
    return [(target[span.start : span.end], span.label) for span in found.spans], found.failures


def test_a_name_goes_where_its_own_words_went(record) -> None:
    target = "In Rom sah Paris Hilton Paris"
    pairs = {(0, 5), (2, 3), (3, 4), (4, 0), (5, 1)}
    spans = [("Paris Hilton", "PER"), ("Rome", "LOC")]
    assert carried(record, target, pairs, *spans) == ([("Rom", "LOC"), ("Paris Hilton", "PER")], [])


def test_failures(record) -> None:
    spans = [("Paris Hilton", "PER"), ("Rome", "LOC")]
    found, failures = carried(record, "a b c d e", {(2, 0), (3, 4)}, *spans)
    assert not found and [failure.reason for failure in failures] == [APART, UNALIGNED]
    found, failures = carried(record, "a b c", {(2, 0), (3, 2), (5, 1)}, *spans)
    assert found == [("a b c", "PER")] and failures[0] == ("Rome", "LOC", TAKEN)


TEXTS = ["the river in paris", "france", "a b , the river"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A BART that says four words and ends, and a BERT that aligns."""
    folder = tmp_path_factory.mktemp("translation")
    tokenizer, ids = wordpiece(folder), dict(zip(SPECIAL, range(len(SPECIAL)), strict=True))
    sizes = {"d_model": 8, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8, "max_position_embeddings": 64}
    layers = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    special = {"pad_token_id": ids["[PAD]"], "bos_token_id": ids["[CLS]"], "eos_token_id": ids["[SEP]"]}
    torch.manual_seed(0)
    config = BartConfig(
        vocab_size=len(tokenizer), **sizes, **layers, **special, decoder_start_token_id=ids["[CLS]"], init_std=1.0
    )
    config.forced_eos_token_id = None
    model = BartForConditionalGeneration(config)
    model.final_logits_bias[0, : len(SPECIAL)] = -1e3
    model.final_logits_bias[0, ids["[SEP]"]] = 1e3
    model.generation_config.min_new_tokens = 4
    model.generation_config.forced_eos_token_id = None
    model.save_pretrained(folder / "bart")
    tokenizer.save_pretrained(folder / "bart")
    return {"bart": str(folder / "bart"), "bert": str(save_text_encoder(folder))}


def settings(saved: dict[str, str], **changes: object) -> TranslationSettings:
    chosen = {"models": {"*": saved["bart"]}, "aligner": saved["bert"], "aligner_layer": 2}
    return TranslationSettings(**chosen | changes)


def test_texts_are_translated_once(models: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    translate = Translator(settings(models, batch_size=2, beams=1), "fr", tmp_path / "cache")
    found = translate(TEXTS, "en")
    for text, translated in zip(TEXTS, found, strict=True):
        ids = translate.model.generate(
            translate.tokenizer([text], return_tensors="pt")["input_ids"], num_beams=1, max_new_tokens=20
        )
        assert translated == translate.tokenizer.decode(ids[0], skip_special_tokens=True) and translated
    monkeypatch.setattr(Translator, "_generate", lambda *_: pytest.fail("asked again"))
    assert Translator(settings(models, beams=1), "fr", tmp_path / "cache")(TEXTS[::-1], "en") == found[::-1]


def test_what_cannot_be_had(models: dict[str, str], tmp_path: Path) -> None:
    cut = Translator(settings(models, max_new_tokens=4, beams=1), "fr", tmp_path / "cache")
    assert cut(TEXTS, "en") == [None] * 3
    with pytest.raises(ValueError, match="Expected a model into 'fr'"):
        Translator(settings(models, models={"de": models["bart"]}), "fr", tmp_path)
    with pytest.raises(ValueError, match="name of 'en' in translation.codes"):
        Translator(settings(models, codes={"fr": "fr_XX"}), "fr", tmp_path)(TEXTS, "en")
    with pytest.raises(ValueError, match="layers 0 to 4 of .*, found aligner_layer=9"):
        EncoderAligner(models["bert"], 9)


def test_words_align_with_themselves(models: dict[str, str]) -> None:
    align = EncoderAligner(models["bert"], 0)  # without context
    words = ["paris", "in", "the", "river"]
    assert align(words, words) == {(number, number) for number in range(4)}
    generator = np.random.default_rng(0)
    sources, targets = generator.normal(size=(6, 5)), generator.normal(size=(4, 5))
    cosine = [[np.dot(s, t) / np.linalg.norm(s) / np.linalg.norm(t) for t in targets] for s in sources]
    expected = {
        (i, j)
        for i in range(6)
        for j in range(4)
        if cosine[i][j] == max(cosine[i]) and cosine[i][j] == max(row[j] for row in cosine)
    }
    assert mutual_nearest(np.float32(sources), np.float32(targets)) == expected


def test_translations_keep_the_image(models: dict[str, str], tmp_path: Path) -> None:
    sentences = [
        Sentence(["parisian", "in", "france"], ["B-PER", "O", "B-LOC"], "O_1"),
        Sentence(["the", "river"], ["O", "O"], "O_2"),
    ]
    write_conll(tmp_path / "tweets.txt", sentences)
    source = Source("conll", str(tmp_path / "tweets.txt"), "en", "twitter", translate_to=("fr", "de"))
    config = NERBuildConfig((source,), translation=settings(models))
    manifests = build_draft(tmp_path / "build", config, tasks=1)
    records = {record.id: record for record in read_draft(tmp_path / "build")}
    assert list(records) == [
        f"twitter/{la}/{image}"
        for la, image in [("en", "O_1"), ("en", "O_2"), ("de", "O_1"), ("de", "O_2"), ("fr", "O_1"), ("fr", "O_2")]
    ]
    assert {record.group_id for record in records.values()} == {"O_1", "O_2"}
    rows = {row["id"]: row for row in ReadStage(tmp_path / "build" / "translations", whole=True).rows()}
    row = rows["twitter/de/O_1"]
    assert len(row["spans"]) + len(row["failures"]) == 2
    noted = sum(manifests["translations"].noted.values())
    lines = (tmp_path / "build" / "translation_failures.jsonl").read_text().splitlines()
    assert noted == sum(len(row["failures"]) for row in rows.values()) and (noted > 0) == bool(lines)
    assert manifests["translations"].facts["aligner"].endswith("layer 2")


class Dictionary:
    """Translates what it knows."""

    def __init__(self, settings: Any, target: str, cache: Path) -> None:
        self.name, self.target = f"dictionary {target}", target

    def __call__(self, texts: list[str], source: str) -> list[str | None]:
        known = {"Ada in Rome": "in Rom Ada", "no end": None}
        return [known[text] for text in texts]


class ByHand:
    """Aligns what the dictionary says; nothing of Rome in German."""

    name = "by hand"

    def __init__(self, *_: Any) -> None:
        pass

    def __call__(self, source: list[str], target: list[str]) -> set[tuple[int, int]]:
        return {(0, 2), (1, 0)}


@pytest.fixture
def block(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Translate:
    monkeypatch.setattr(translation, "Translator", Dictionary)
    monkeypatch.setattr(translation, "EncoderAligner", ByHand)
    return Translate(TranslationSettings({"*": "m"}, "a"), tmp_path)


def test_translations(block: Translate, record: Any) -> None:
    one = record("Ada in Rome", ("Ada", "PER"), ("Rome", "LOC"))
    rows = [
        one.to_row() | {"translate_to": ["de"]},
        record("no end", id="web/en/2").to_row() | {"translate_to": ["de"]},
    ]
    rows.append(record("stays", id="web/en/3").to_row() | {"translate_to": []})
    (document,) = block.run([to_document(row) for row in rows])
    made = Record.from_row(document.metadata)
    assert (made.id, made.language, made.tokens, made.group_id) == (
        "web/de/1",
        "de",
        ["in", "Rom", "Ada"],
        one.group_id,
    )
    assert [(made.text[span.start : span.end], span.label) for span in made.spans] == [("Ada", "PER")]
    (failure,) = document.metadata["failures"]
    assert (failure["text"], failure["label"]) == ("Rome", "LOC")
    assert block.ledger.dropped == {"translation empty or cut off": 1} and sum(block.ledger.noted.values()) == 1
    assert block.ledger.facts == {"aligner": "by hand", "translator de": "dictionary de"}
