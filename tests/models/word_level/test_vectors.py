from __future__ import annotations

import numpy as np
import pytest
import torch

from hf_mlm.models.bilstm_crf import BiLSTMCRFConfig, BiLSTMCRFForTokenClassification
from hf_mlm.models.word_level.vectors import WordVectors, match_vectors
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
