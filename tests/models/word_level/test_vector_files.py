from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from hf_mlm.models.word_level.vector_files import read_word_vectors


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
        ("a 1 2\nb 3 x\n", r"line 2 has something among its 2 numbers that is none"),
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
