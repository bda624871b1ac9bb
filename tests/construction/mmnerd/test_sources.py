"""Words of captions and what is taken out of them."""

import gzip
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.construction.mmnerd.sources import Source, apply_policy, clean, is_placeholder, words_of
from hf_mlm.data.mmnerd.conll import Sentence, format_conll


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


def read(source: Source, policy: str = "drop", seed: int = 0):
    dropped, noted = Counter(), Counter()
    records = source.records(seed, policy, lambda why: dropped.update([why]), lambda what: noted.update([what]))
    return records, dropped, noted


def captions(path: Path, **settings) -> Source:
    return Source("captions", str(path), "en", "web", **settings)


def test_captions(config_file: Path) -> None:
    records, dropped, _ = read(captions(config_file.with_name("captions.tsv")))
    assert dropped == {
        "line without image and caption": 2,
        "line is not UTF-8": 1,
        "name replaced by a placeholder": 1,
    }  # the same caption again is on another line, hence of another image by its address
    assert records[0].image_id == "00000001---0" and records[0].id == "web/en/00000001---0"
    assert records[-1].text == "Rome" and len(records) == 40 + 10 + 1 + 1


def test_a_mark_before_the_first_line_is_no_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "captions.tsv"
    path.write_text("https://example.org/a.jpg\tRome\r\n", encoding="utf-8-sig")
    (record,) = read(captions(path))[0]
    assert (record.image_url, record.image_id) == ("https://example.org/a.jpg", "00000001---a")


def test_placeholders(config_file: Path) -> None:
    path = config_file.with_name("captions.tsv")
    kept = next(one for one in read(captions(path), "keep")[0] if one.image_id == "b")
    masked = next(one for one in read(captions(path), "mask")[0] if one.image_id == "b")
    assert kept.tokens[0] == "<PERSON>" and masked.tokens[0] == "[MASK]"


def test_samples_depend_on_seed_and_ids_alone(config_file: Path, tmp_path: Path) -> None:
    path = config_file.with_name("captions.tsv")
    first, again = (read(captions(path, sample=9))[0] for _ in range(2))
    assert len(first) == 9 and first == again != read(captions(path, sample=9), seed=1)[0]
    packed = tmp_path / "captions.tsv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read(captions(packed, sample=9))[0] == first
    packed.write_bytes(packed.read_bytes()[:-30])
    with pytest.raises(ValueError, match="Expected a whole gzip file in .*captions.tsv.gz"):
        read(captions(packed))


def test_conll(tmp_path: Path) -> None:
    sentences = [
        Sentence(["Ada", "in", "\u200b", "Rome"], ["B-PER", "O", "O", "B-LOC"], "O_1"),
        Sentence(["Rome", "!"], ["B-LOC", "O"], "O_2"),
        Sentence(["Ada"], ["B-PER"], "O_1"),
    ]
    (tmp_path / "a.txt").write_text(format_conll(sentences))
    source = Source("conll", str(tmp_path / "a.txt"), "en", "twitter", require_types=("PER",))
    records, dropped, _ = read(source)
    assert dropped == {"sentence without PER": 1} and [one.id for one in records] == [
        "twitter/en/O_1",
        "twitter/en/O_1#2",
    ]
    assert [(one.tokens, one.tags) for one in records] == [(sentences[i].tokens, sentences[i].tags) for i in (0, 2)]


@pytest.mark.real
def test_published_files_come_back_byte_for_byte(shared_data: Path) -> None:
    path = shared_data / "mmnerd_en" / "valid_conll_format.txt.gz"
    records, _, _ = read(Source("conll", str(path), "en", "mmnerd"))
    written = format_conll(Sentence(one.tokens, one.tags, one.image_id) for one in records)
    assert written.encode() == gzip.decompress(path.read_bytes()) and len(records) == 2463


def test_source_mistakes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="kind='xml'"):
        Source("xml", "a", "en", "web")
    with pytest.raises(ValueError, match="without 'en' .*found .'en'"):
        Source("conll", "a", "en", "web", translate_to=("en",))
    with pytest.raises(FileNotFoundError, match="check the path of the source"):
        read(captions(tmp_path / "none.tsv"))
    (tmp_path / "empty.tsv").write_text("")
    with pytest.raises(ValueError, match="Expected sentences of .* found none"):
        read(captions(tmp_path / "empty.tsv"))
