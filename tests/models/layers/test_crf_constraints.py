"""Which tags IOB2 allows, spelled out."""

from __future__ import annotations

import pytest

from hf_mlm.models.layers.crf_constraints import iob2_allowed


def test_inside_tags_follow_their_own_type_only() -> None:
    first, following = iob2_allowed(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
    assert first == [True, True, False, True, False]
    assert [[int(allowed) for allowed in row] for row in following] == [
        [1, 1, 0, 1, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 1, 1],
        [1, 1, 0, 1, 1],
    ]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [(["O", "S-PER"], "'S-PER' is not of IOB2"), (["O", "I-PER"], "'I-PER' has no 'B-PER' beside it")],
)
def test_other_schemes_get_a_sentence(names: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        iob2_allowed(names)
