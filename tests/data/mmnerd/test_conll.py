import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.data.mmnerd.conll import Sentence, format_conll, parse_conll, read_conll, write_conll
from hf_mlm.data.mmnerd.schemes import TAGS


# Everything that a line can hold: white space, zero-width and private-use characters, line ends of other systems.
ODD = "# \u00a0\u0085\u200b\u2028\ue000\uf0d8\ufffd\ufeff\u00ad\r\x0b\x1cIMGD:OéÅ"
TOKENS = st.text(
    st.sampled_from(ODD) | st.characters(exclude_characters="\t\n", exclude_categories=["Cs"]), max_size=6
)
IMAGE_IDS = TOKENS.filter(lambda text: not text.endswith("\r"))
WORDS = st.lists(st.tuples(TOKENS, st.sampled_from(TAGS)), max_size=6)


def sentence(words: list[tuple[str, str]], image_id: str | None = "O_1") -> Sentence:
    return Sentence([token for token, _ in words], [tag for _, tag in words], image_id)


@given(st.lists(st.builds(sentence, WORDS, IMAGE_IDS), max_size=4))
def test_what_is_written_is_read_and_written_again(sentences: list[Sentence]) -> None:
    text = format_conll(sentences)
    assert list(parse_conll(text)) == sentences
    assert format_conll(parse_conll(text)) == text
    assert list(parse_conll(text.removesuffix("\n"))) == sentences  # no blank line at the end
    assert list(parse_conll(text.removesuffix("\n\n"))) == sentences  # not even a line end


@given(st.lists(WORDS.filter(len), min_size=1, max_size=4))
def test_lines_are_where_the_sentences_say(words: list[list[tuple[str, str]]]) -> None:
    text = format_conll(sentence(part, f"O_{number}") for number, part in enumerate(words))
    lines = text.split("\n")
    for found in parse_conll(text):
        for position, token in enumerate(found.tokens):
            assert lines[found.line + position - 1] == f"{token}\t{found.tags[position]}"


@pytest.mark.real
@pytest.mark.parametrize(
    "name, sentences, words",
    [
        ("mmnerd_en/train_conll_format.txt.gz", 19_968, 328_043),
        ("mmnerd_en/valid_conll_format.txt.gz", 2_463, 40_584),
        ("twitter2017/twitter2017.train.txt.gz", 3_373, None),
        ("twitter2017/twitter2017.valid.txt.gz", 723, None),
    ],
)
def test_real_files_come_back_byte_for_byte(
    name: str, sentences: int, words: int | None, shared_data: Path, tmp_path: Path
) -> None:
    content = gzip.decompress((shared_data / name).read_bytes())
    found = read_conll(shared_data / name)
    assert len(found) == sentences and words in (None, sum(len(item.tokens) for item in found))
    write_conll(tmp_path / "copy.txt", found)
    assert (tmp_path / "copy.txt").read_bytes() == content
    blocks = [block.split("\n") for block in content.decode().removesuffix("\n\n").split("\n\n")]
    assert [
        [f"IMGID:{item.image_id}", *map("\t".join, zip(item.tokens, item.tags, strict=True))] for item in found
    ] == blocks


@pytest.mark.real
@pytest.mark.parametrize("language, sentences", [("de", 12_330), ("en", 11_590), ("es", 9_540), ("fr", 12_600)])
def test_the_first_column_of_wikineural_numbers_the_words(language: str, sentences: int, shared_data: Path) -> None:
    path = shared_data / "wikineural" / f"{language}.val.conllu.gz"
    found = read_conll(path)
    assert len(found) == sentences and {item.image_id for item in found} == {None}
    lines = gzip.decompress(path.read_bytes()).decode().split("\n")
    assert [token for item in found for token in item.tokens] == [line.split("\t")[1] for line in lines if line]


@pytest.mark.parametrize(
    "text, tokens",
    [
        ("Rome\tB-LOC\n.\tO\n", [["Rome", "."]]),
        ("Rome NNP B-NP B-LOC\n. . O O\n\nHi UH O O", [["Rome", "."], ["Hi"]]),  # CoNLL-2003
        ("-DOCSTART- -X- -X- O\n\nRome NNP B-NP B-LOC\n", [["Rome"]]),
        ("# id 7\tdomain=en\nRome _ _ B-LOC\n# _ _ O\n", [["Rome", "#"]]),  # MultiCoNER
        ("#\tO\nRome\tB-LOC\n", [["#", "Rome"]]),  # a hashtag, not a comment
        ("# text = Rome\n1\tRome\tB-LOC\n2\t!\tO\n\n\n\n1\t7\tO\n", [["Rome", "!"], ["7"]]),
        ("1\tCD\tO\n2\tCD\tO\nRome\tNNP\tB-LOC\n", [["1", "2", "Rome"]]),  # numbers that number nothing
        ("1\tO\n2\tO\n", [["1", "2"]]),
        ("IMGID:a b O\nx\tO\nIMGID:c\ny\tO\n", [["x"], ["y"]]),  # no blank line, and an id that looks like a word
        ("Rome  B-LOC\n .   O\n", [["Rome", "."]]),
        ("", []),
        ("\n \n\n", []),
    ],
)
def test_other_forms(text: str, tokens: list[list[str]]) -> None:
    assert [item.tokens for item in parse_conll(text)] == tokens


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("-DOCSTART- -X- O O\n\nEU NNP B-NP B-ORG\nwon VBD B-VP O\n", "EU/B-ORG won/O"),  # CoNLL-2003
        ("-DOCSTART- -DOCSTART- O\nDe Art O\nGent N B-LOC\n", "De/O Gent/B-LOC"),  # glued to its first sentence
        ("Ik O\n-DOCSTART-\nGent B-LOC\n", "Ik/O | Gent/B-LOC"),
        ("# http://a.b/c [2009]\n1\tGraz\tB-LOC\tO\n2\tist\tO\tO\n", "Graz/B-LOC ist/O"),  # no nested entity
        ("1\tLyon\tB-LOC\t-\tme\n2\tva\tO\t-\tme\n", "Lyon/B-LOC va/O"),  # Universal NER
        ("B-ACTOR\tHanks\nO\tand\n", "Hanks/B-ACTOR and/O"),  # labels first
        ("# id 5a domain=en\nfoo _ _ O\nbar _ _ B-X\n\n# id 5b domain=en\n# _ _ O\n", "foo/O bar/B-X | #/O"),
        ("EU NNP ORG\nwon VBD O\n", "EU/ORG won/O"),  # bare types
        ("Rome\tB-LOC\t\nwon\tO\t\n", "Rome/B-LOC won/O"),  # a tab at the end of each line
    ],
)
def test_columns_of_many_kinds(text: str, words: str) -> None:
    found = [" ".join(map("/".join, zip(item.tokens, item.tags, strict=True))) for item in parse_conll(text)]
    assert " | ".join(found) == words


CONLLU = """# newdoc id = d
# sent_id = d-1
# text = Hana va al mar
1	Hana	_	PROPN	B-PER
2	va	_	VERB	O
3-4	al	_	_	_
3	a	_	ADP	O
4	el	_	DET	B-LOC
5	mar	_	NOUN	I-LOC
5.1	fue	_	VERB	_

# sent_id = d-2
1	Cork	_	PROPN	_
"""


def test_words_of_conllu_are_its_surface_tokens() -> None:
    first, second = parse_conll(CONLLU)
    assert first.tokens == ["Hana", "va", "al", "mar"] and first.tags == ["B-PER", "O", "B-LOC", "I-LOC"]
    assert [first.line_of(position) for position in range(4)] == [4, 5, 6, 9]
    assert (first.id, second.id, second.tokens, second.tags) == ("d-1", "d-2", ["Cork"], ["O"])


GERMEVAL = "1\tGraz\tB-LOC\tO\n2\tSteiermark\tB-LOC\tB-ORG\n"


def test_two_columns_of_labels_are_asked_about() -> None:
    with pytest.raises(ValueError, match=r"f: .* found 2, .*: 2 \(B-LOC\); 3 \(B-ORG\); .* label_column=2"):
        list(parse_conll(GERMEVAL, "f"))
    for column, tags in ((2, ["B-LOC", "B-LOC"]), (3, ["O", "B-ORG"]), (-1, ["O", "B-ORG"])):
        assert next(parse_conll(GERMEVAL, "f", {"tag": column})).tags == tags
    assert next(parse_conll(GERMEVAL, "f", {"tag": 2, "token": 0})).tokens == ["1", "2"]
    for wrong in (4, -5, "ner"):
        with pytest.raises(ValueError, match=f"f: .* of each tag .* 0 to 3, found {wrong!r}"):
            list(parse_conll(GERMEVAL, "f", {"tag": wrong}))


def test_several_images_give_a_sentence_each_and_none_is_lost() -> None:
    assert list(parse_conll("IMGID:a\n\nIMGID:b\nIMGID:c\nx\tO\n")) == [
        Sentence([], [], "a"),
        Sentence(["x"], ["O"], "b"),
        Sentence(["x"], ["O"], "c"),
    ]


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("a\tO\n\nb O\nc\tO\n", "f.txt:3: 'b O' is divided by spaces, where line 1 is divided by tabs; use one"),
        ("a\tO\nb\n", "f.txt:2: 'b' has no label; write token and label, or a blank line"),
        ("a\tO\nb\tx\tO\n", "f.txt:2: .* has 3 columns, where line 1 has 2; every word needs one token and one label"),
        ("IMGID:1\na\tx\tO\nb\tO\n", "f.txt:3: .* has 2 columns, where line 2 has 3"),
        ("a O\n\n# note\nb\n", "f.txt:4: 'b' has no label"),
        ("a\nb\n", "f.txt:1: 'a' has no label; write token, tab and label"),
        ("#a\nb\tO\n", "f.txt:1: '#a' has no label"),
    ],
)
def test_malformed_lines_are_named(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        list(parse_conll(text, "f.txt"))


def test_files_of_other_systems(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfIMGID:a\r\nx\tO\r\n\r\n")
    assert read_conll(tmp_path / "a.txt") == [Sentence(["x"], ["O"], "a")]
    (tmp_path / "a.txt").write_bytes("a\tO\nMünchen\tB-LOC\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"a.txt:2: byte 0xfc is not UTF-8; convert"):
        read_conll(tmp_path / "a.txt")


def test_damaged_and_missing_files(tmp_path: Path) -> None:
    write_conll(tmp_path / "a.gz", [sentence([("x", "O")])])
    assert read_conll(tmp_path / "a.gz") == [sentence([("x", "O")])]
    assert [path.name for path in tmp_path.iterdir()] == ["a.gz"]
    (tmp_path / "b.gz").write_bytes((tmp_path / "a.gz").read_bytes()[:-9])
    with pytest.raises(ValueError, match="b.gz is a damaged gzip archive"):
        read_conll(tmp_path / "b.gz")
    with pytest.raises(FileNotFoundError, match="none.txt is not a file; check the path"):
        read_conll(tmp_path / "none.txt")


@pytest.mark.parametrize(
    "wrong, complaint",
    [
        (Sentence(["a\tb"], ["O"], "1"), r"sentence 1: 'a\\tb' holds a tab or a line end"),
        (Sentence(["a"], ["O"], "1\r"), "holds a tab or a line end"),
        (Sentence(["a"], ["X"], "1"), "sentence 1: the label 'X' is not O, B-TYPE or I-TYPE"),
        (Sentence(["a"], ["O", "O"], "1"), "sentence 1 has 1 tokens, 2 labels and image id '1'"),
        (Sentence([], []), "0 tokens, 0 labels and image id None"),
    ],
)
def test_what_would_not_be_read_back_is_not_written(wrong: Sentence, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=complaint):
        write_conll(tmp_path / "a.txt", [wrong])
    assert not list(tmp_path.iterdir())
