"""Files of records, in the forms that annotation tools and people write."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from hf_mlm.data.mmnerd.records import RecordReader, read_sentences


TEXT = "Hana Lind left Oslo."
WORDS = ["Hana", "Lind", "left", "Oslo", "."]
TAGS = ["B-PER", "I-PER", "O", "B-LOC", "O"]
ENDS = [(0, 4), (5, 9), (10, 14), (15, 19), (19, 20)]
PROSE = [{"start": 0, "end": 9, "label": "PER"}, {"start": 15, "end": 19, "label": "LOC"}]
TOKENS = [
    {"text": word, "start": a, "end": b, "id": i} for i, (word, (a, b)) in enumerate(zip(WORDS, ENDS, strict=True))
]
LABEL_STUDIO = [
    {"value": {"start": 0, "end": 9, "text": "Hana Lind", "labels": ["PER"]}, "type": "labels"},
    {"value": {"choices": ["news"]}, "type": "choices"},
    {"value": {"start": 15, "end": 19, "text": "Oslo", "labels": ["LOC"]}, "type": "labels"},
]
BILUO = ["B-PER", "L-PER", "O", "U-LOC", "-"]


def read(folder: Path, name: str, content: Any, **options: Any) -> tuple[list[Any], list[str]]:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return read_sentences(path, **options)


RECORDS = {
    "spacy tuples": [TEXT, {"entities": [[0, 9, "PER"], [15, 19, "LOC"]]}],
    "spacy json lines": {"text": TEXT, "entities": [[0, 9, "PER"], [15, 19, "LOC"]]},
    "spacy Doc.to_json": {"text": TEXT, "ents": PROSE, "tokens": [{"id": 0, "start": a, "end": b} for a, b in ENDS]},
    "prodigy": {"text": TEXT, "tokens": TOKENS, "spans": PROSE, "answer": "accept", "_input_hash": 1},
    "label studio": {
        "id": 7,
        "data": {"text": TEXT},
        "annotations": [{"result": LABEL_STUDIO, "was_cancelled": False}],
    },
    "label studio, small": {"id": 7, "text": TEXT, "label": [part["value"] for part in LABEL_STUDIO[::2]]},
    "doccano": {"id": 3, "text": TEXT, "label": [[0, 9, "PER"], [15, 19, "LOC"]]},
    "doccano with relations": {
        "text": TEXT,
        "entities": [
            {"id": 1, "label": "PER", "start_offset": 0, "end_offset": 9},
            {"id": 2, "label": "LOC", "start_offset": 15, "end_offset": 19},
        ],
        "relations": [],
        "Comments": [],
    },
    "gliner": {"tokenized_text": WORDS, "ner": [[0, 1, "PER"], [3, 3, "LOC"]]},
    "tokens and tags": {"tokens": WORDS, "ner_tags": TAGS},
    "text and tags": {"text": " ".join(WORDS), "labels": TAGS},
    "tokens of a text": {"text": TEXT, "tokens": WORDS, "spans": PROSE},
}


@pytest.mark.parametrize("form", RECORDS)
@pytest.mark.parametrize("kind", ["lines", "array", "one"])
def test_records_of_tools(form: str, kind: str, tmp_path: Path) -> None:
    record = json.dumps(RECORDS[form])
    content = {"lines": f"{record}\n\n{record}\n", "array": f"[{record},\n {record}]", "one": record}[kind]
    sentences, notes = read(tmp_path, "a.json", content)
    assert [(item.tokens, item.tags) for item in sentences] == [(WORDS, TAGS)] * (1 if kind == "one" else 2)
    assert notes == [] and sentences[-1].line_of(3) == {"lines": 3, "array": 2, "one": 1}[kind]


def test_documents_in_the_training_format_of_spacy(tmp_path: Path) -> None:
    tokens = [{"orth": word, "ner": tag} for word, tag in zip(WORDS, BILUO, strict=True)]
    sentences, _ = read(
        tmp_path, "a.json", [{"id": 0, "paragraphs": [{"raw": TEXT, "sentences": [{"tokens": tokens}] * 2}]}]
    )
    assert [item.tags for item in sentences] == [[*BILUO[:4], "O"]] * 2 and sentences[0].tokens == WORDS


def test_ids_images_and_objects_around_records(tmp_path: Path) -> None:
    record = {"id": 5, "tokens": ["Oslo"], "tags": ["B-LOC"], "image": "photos/a.jpg"}
    for content in ({"data": [record]}, {"classes": ["LOC"], "annotations": [record]}):
        (sentence,), _ = read(tmp_path, "a.json", content)
        assert (sentence.id, sentence.image_id) == ("5", "a.jpg")


def test_fields_are_named_and_ids_have_labels(tmp_path: Path) -> None:
    record = {"body": ["Oslo", "!"], "ids": [1, 0]}
    with pytest.raises(ValueError, match=r"a.jsonl:1: .* found \['body', 'ids'\]; name the fields, as in columns="):
        read(tmp_path, "a.jsonl", record)
    columns = {"token": "body", "tag": "ids"}
    with pytest.raises(ValueError, match="a.jsonl:1: .* ids of 0 labels, found 1; pass labels="):
        read(tmp_path, "a.jsonl", record, columns=columns)
    (sentence,), _ = read(tmp_path, "a.jsonl", record, columns=columns, labels=["O", "B-LOC"])
    assert sentence.tags == ["B-LOC", "O"]


def test_what_is_moved_or_left_out_is_counted_and_listed(tmp_path: Path) -> None:
    records = [
        {"text": "Hana left Oslo", "spans": [[1, 3, "PER"], [10, 14, "LOC"]]},
        {"text": "New York City", "spans": [[0, 8, "LOC"], [0, 13, "ORG"], [8, 9, "X"]]},
        {"text": "Cork", "spans": [], "answer": "reject"},
        {"text": " ", "spans": []},
        {"text": "Cork ", "spans": [[0, 5, "LOC"]]},
    ]
    sentences, notes = read(tmp_path, "a.jsonl", "\n".join(map(json.dumps, records)))
    assert [item.tags for item in sentences] == [["B-PER", "O", "B-LOC"], ["B-ORG", "I-ORG", "I-ORG"], ["B-LOC"]]
    expected = [
        "1 spans that cut a word, moved: line 1 'an' to 'Hana'",
        "1 spans without a word, left out: line 2 ' '",
        "1 spans within others, left out: line 2 'New York' (LOC)",
        "1 records without an accepted annotation, left out: line 3",
        "1 records without words, left out: line 4",
    ]
    assert notes == [f"{tmp_path / 'a.jsonl'}: {line}" for line in expected]


def test_offsets_in_units_of_javascript_are_known_by_their_texts(tmp_path: Path) -> None:
    text = "\U0001f600 Oslo \U0001f600 Cork"
    for shift, spans in ((0, [(2, "Oslo"), (9, "Cork")]), (1, [(3, "Oslo"), (11, "Cork")])):
        label = [{"start": at, "end": at + 4, "text": word, "labels": ["LOC"]} for at, word in spans]
        (sentence,), _ = read(tmp_path, "a.json", [{"text": text, "label": label}])
        assert [sentence.tokens[at] for at, tag in enumerate(sentence.tags) if tag != "O"] == ["Oslo", "Cork"], shift


@given(
    st.lists(st.tuples(st.sampled_from(["Hana", "rīvs", "नदी", "x1"]), st.sampled_from(["", "A", "B"])), min_size=1)
)
def test_spans_at_words_come_back(words: list[tuple[str, str]]) -> None:
    text, at, spans, ends = "", 0, [], []
    for word, kind in words:
        ends.append({"start": at, "end": at + len(word)})
        spans += [[at, at + len(word), kind]] if kind else []
        text, at = f"{text}{word} ", at + len(word) + 1
    (sentence,) = RecordReader("f").read_json(json.dumps({"text": text, "tokens": ends, "spans": spans}))
    found = get_entities(sentence.tags)
    assert [(kind, ends[first]["start"], ends[last]["end"]) for kind, first, last in found] == [
        (kind, start, stop) for start, stop, kind in spans
    ]


TABLES = {
    "a row a word": """Sentence #,Word,POS,Tag
Sentence: 1,Hana,N,B-PER
,Lind,N,I-PER
Sentence: 2,"Oslo, N",N,B-LOC
""",
    "numbers of sentences": "sentence_id\twords\tlabels\n0\tHana\tB-PER\n0\tLind\tI-PER\n1\tOslo, N\tB-LOC\n",
    "blank rows": "token;ner\nHana;B-PER\nLind;I-PER\n\nOslo, N;B-LOC\n",
    "a row a sentence": """tokens,tags
"['Hana', 'Lind']","['B-PER', 'I-PER']"
"[""Oslo, N""]",['B-LOC']
""",
}


@pytest.mark.parametrize("form", TABLES)
def test_tables(form: str, tmp_path: Path) -> None:
    name = "a.tsv" if "\t" in TABLES[form] else "a.csv"
    sentences, _ = read(tmp_path, name, TABLES[form])
    assert [(item.tokens, item.tags) for item in sentences] == [
        (["Hana", "Lind"], ["B-PER", "I-PER"]),
        (["Oslo, N"], ["B-LOC"]),
    ]
    if "Word" in TABLES[form]:
        assert [sentences[0].line_of(1), sentences[1].line_of(0)] == [3, 4]


def test_tables_with_texts_and_quotes(tmp_path: Path) -> None:
    table = """Sentence #,Sentence,POS,Tag
1,Hana left Oslo,"['N', 'V', 'N']","['B-PER', 'O', 'B-LOC']"
"""
    (sentence,), _ = read(tmp_path, "a.csv", table)
    assert (sentence.tokens, sentence.tags) == (["Hana", "left", "Oslo"], ["B-PER", "O", "B-LOC"])
    spans = json.dumps(PROSE).replace('"', '""')
    (sentence,), _ = read(tmp_path, "a.csv", f'text,label\n{TEXT},"{spans}"\n')
    assert sentence.tags == TAGS
    (sentence,), _ = read(tmp_path, "a.tsv", 'token\ttag\n"\tO\nOslo\tB-LOC\n"\tO\n\n')
    assert sentence.tokens == ['"', "Oslo", '"']


def test_columns_of_tables_are_named_or_asked_for(tmp_path: Path) -> None:
    plain = "Oslo,X,B-LOC\nleft,Y,O\n\n"
    with pytest.raises(
        ValueError, match="a.csv:1: expected columns of words and labels, found 'Oslo,X,B-LOC'; .*columns="
    ):
        read(tmp_path, "a.csv", plain)
    (sentence,), _ = read(tmp_path, "a.csv", plain, columns={"token": 0, "tag": -1})
    assert (sentence.tokens, sentence.tags) == (["Oslo", "left"], ["B-LOC", "O"])
    two = "word,tag,label\nOslo,B-LOC,O\n\n"
    with pytest.raises(ValueError, match=r"a.csv:1: expected one column of tag, found \['word', 'tag', 'label'\]"):
        read(tmp_path, "a.csv", two)
    assert read(tmp_path, "a.csv", two, columns={"tag": "label"})[0][0].tags == ["O"]
    with pytest.raises(ValueError, match=r"one column of tag, found .*columns={'tag': …}"):
        read(tmp_path, "a.csv", two, columns={"tag": "ner"})
    with pytest.raises(ValueError, match="sentences apart, found neither; .*columns={'sentence': …}"):
        read(tmp_path, "a.csv", "word,tag\nOslo,B-LOC\n")


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.jsonl", '{"text": "a"}\n{"text": "b', "a.jsonl:2: expected whole JSON, found a damaged or cut value"),
        ("a.json", '[{"text": "a"},\n{"tex', "a.json:2: expected whole JSON"),
        ("a.jsonl", '{"a": 1}', r"a.jsonl:1: .* a text with spans, found \['a'\]"),
        ("a.jsonl", "3", "a.jsonl:1: expected a record with fields, found 3"),
        (
            "a.jsonl",
            '{"text": "ab", "spans": [[0, 9, "X"]]}',
            "'X' at 0 to 9 of 2 characters, found 'ab'",
        ),
        ("a.jsonl", '{"text": "ab", "spans": [[1, 0, "X"]]}', "a.jsonl:1: expected 'X' at 1 to 0"),
        ("a.jsonl", '{"text": "ab", "spans": [["X", 0, 2]]}', r"\[start, end, type\] .*, found \['X', 0, 2\]"),
        ("a.jsonl", '{"text": "ab", "spans": [{"start": 0, "end": 2, "text": "cd", "label": "X"}]}', "'cd' at 0 to 2"),
        ("a.jsonl", '{"text": "a", "spans": [[0, 1, "X"]], "ents": [[0, 1, "Y"]]}', r"columns={'spans': 'spans'}"),
        ("a.jsonl", '{"tokens": ["a", "b"], "tags": ["O"]}', r"a.jsonl:1: .* each of 2, found \['O'\]"),
        ("a.jsonl", '{"tokens": ["a"], "ner": [[0, 1, "X"]]}', r"positions of 1 words, found \[0, 1, 'X'\]"),
        ("a.jsonl", '{"text": "a", "tokens": ["b"]}', "a.jsonl:1: expected tokens of the text, found 'b'"),
        ("a.csv", "word,tag\na,O\nb\n", r"a.csv:3: expected 2 columns, as in line 1, found \['b'\]"),
    ],
)
def test_damaged_records_are_named(name: str, content: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=complaint):
        read(tmp_path, name, content)
