"""Words of captions and what is taken out of them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.construction.mmnerd.words import apply_policy, clean, is_placeholder, words_of


@given(st.text())
def test_clean_text_has_nothing_odd_and_stays_so(text: str) -> None:
    cleaned = clean(text)
    assert cleaned.text == " ".join(cleaned.text.split()) and "\ufffd" not in cleaned.text
    assert not any(unicodedata.category(sign) in ("Cc", "Cf", "Co", "Cs", "Cn") for sign in cleaned.text)


@given(st.text(st.sampled_from("ab <PERSON>[MASK]'é.")))
def test_words_are_the_text_without_its_blanks(text: str) -> None:
    places = words_of(text)
    assert "".join(text[start:end] for start, end in places) == "".join(text.split())
    assert all(before[1] <= after[0] for before, after in zip(places, places[1:], strict=False))


@pytest.mark.parametrize(
    ("policy", "expected"), [("drop", None), ("keep", "<PERSON>, <PERSON>"), ("mask", "[MASK], [MASK]")]
)
def test_policies(policy: str, expected: str | None) -> None:
    assert apply_policy("<PERSON>, <PERSON>", policy) == expected and apply_policy("Ada", policy) == "Ada"


def test_a_placeholder_is_seen_within_a_stretch_alone() -> None:
    text = "Ada and <PERSON>"
    assert is_placeholder(text, 0, 16) and not is_placeholder(text, 0, 3) and not is_placeholder(text, 0, 12)
