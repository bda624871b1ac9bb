from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from PIL import Image

from hf_mlm.cli import main
from hf_mlm.cli.tag import Item, read_items, tag_items
from hf_mlm.data.mmnerd.conll import read_conll
from hf_mlm.data.mmnerd.records import read_sentences
from hf_mlm.models.two_mner.modeling_two_mner import TwoMNERForTokenClassification
from hf_mlm.pipelines.multimodal_ner import MultimodalNERPipeline
from hf_mlm.runs.open_model import open_model
from tests.models.two_mner.tiny import config, processor


TEXTS = ["Rome saw it.", "", "the old road to Cork & <b>", "\U0001f600"]


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tagger with images whose scores are far enough apart for entities to be found."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tagger")
    model = TwoMNERForTokenClassification(config())
    with torch.no_grad():
        model.head.classifier.weight.mul_(30)
    model.save_pretrained(folder)
    processor(folder).save_pretrained(folder)
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (400, 200), "teal").save(folder / "a.png")
    (folder / "broken.jpg").write_bytes(b"<html>")
    return folder


def tag(*words: Any, status: int = 0) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["tag", *map(str, words)])
    assert stopped.value.code == status


def pipeline(folder: Path) -> MultimodalNERPipeline:
    model, opened = open_model(folder, "taggers")
    return MultimodalNERPipeline(model, processor=opened, task="multimodal-ner")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_texts_are_answered_as_by_the_pipeline(
    tagger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    tag(tagger, "--file", tmp_path / "a.txt", "--output", tmp_path / "out" / "a.jsonl", "--batch_size", 2)
    found = lines(tmp_path / "out" / "a.jsonl")
    assert [row["text"] for row in found] == TEXTS
    expected = pipeline(tagger)(TEXTS)
    assert any(expected)
    for row, answer in zip(found, expected, strict=True):
        assert [(each["entity_group"], each["start"], each["end"]) for each in row["entities"]] == [
            (each["entity_group"], each["start"], each["end"]) for each in answer
        ]
        assert all(row["text"][each["start"] : each["end"]] == each["word"] for each in row["entities"])
    capsys.readouterr()
    tag(tagger, *TEXTS[::2])
    assert [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()] == TEXTS[::2]


def test_words_are_answered_by_word_and_can_be_read_again(tagger: Path, tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("IMGID:x\nNew\tB-LOC\nYork\tI-LOC\n\n# note\n\nal-Aziz\tO\nleft\tO\n")
    for ending in (".conll", ".jsonl", ".csv"):
        tag(tagger, "--file", tmp_path / "a.conll", "--output", tmp_path / f"b{ending}")
    sentences, (again, notes) = read_conll(tmp_path / "b.conll"), read_sentences(tmp_path / "b.jsonl")
    assert [item.tokens for item in sentences] == [["New", "York"], ["al-Aziz", "left"]] and not notes
    assert sentences[0].image_id == "x" and [item.tags for item in again] == [item.tags for item in sentences]
    with (tmp_path / "b.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    tags = [(number, place, tag) for number, each in enumerate(sentences) for place, tag in enumerate(each.tags)]
    begins = [(number, place) for number, place, tag in tags if tag[0] == "B"]
    assert [(int(row["id"]), int(row["start"])) for row in table] == begins
    assert all(0 < float(row["score"]) <= 1 for row in table)


def test_a_bad_row_is_reported_and_passed_over(
    tagger: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"id": "r0", "text": "Rome", "image": "photos/a.png"},
        {"text": "Rome", "image": "photos/broken.jpg"},
        {"nothing": 1},
        {"text": "Rome \ud83d"},
        {"tokens": ["Rome", "!"], "image_id": "a"},
    ]
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(("\n".join(map(json.dumps, rows)) + '\n{"text').encode()))
    tag(tagger, "--file", path, "--output", tmp_path / "b.jsonl")
    assert [row["id"] for row in lines(tmp_path / "b.jsonl")] == ["r0", "4"]
    told = capsys.readouterr().err
    for number, word in ((1, "broken.jpg"), (2, "nothing"), (3, "half a character"), (5, '{"text')):
        assert any(f"row {number} is left out" in line and word in line for line in told.splitlines())
    assert "4 rows are left out" in told
    tag(tagger, "--file", path, "--on_error", "stop", "--output", tmp_path / "c.jsonl", status=1)
    assert "row 1: " in capsys.readouterr().err and not (tmp_path / "c.jsonl").exists()
    tag(tagger, "--file", path, "--images", photos, "--output", tmp_path / "d.jsonl")
    assert [row["id"] for row in lines(tmp_path / "d.jsonl")] == ["r0", "4"]


def test_the_page_shows_sentences_beside_their_images(tagger: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("IMGID:a\nNew\tO\nYork\tO\n\nCork\tO\n&\tO\n")
    tag(tagger, "--file", tmp_path / "a.conll", "--images", photos, "--output", tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text(encoding="utf-8").removeprefix("<!DOCTYPE html>\n")
    sections = ElementTree.fromstring(page).findall(".//section")
    assert [len(section.findall("img")) for section in sections] == [1, 0]
    texts = ["".join(each for each in section.find("p").itertext()) for section in sections]  # type: ignore[union-attr]
    marked = [[mark.text for mark in section.iter("mark")] for section in sections]
    assert texts[0].startswith("New") and all(word in "New York Cork &" for words in marked for word in words)


def test_rows_are_read_no_further_than_the_batches_need(tagger: Path) -> None:
    read: list[int] = []

    def items() -> Iterator[Item]:
        for number in range(1000):
            read.append(number)
            yield Item(str(number), "Rome saw it.", error="broken" if number == 3 else None)

    answers = tag_items(pipeline(tagger), items(), batch_size=2)
    first = [next(answers) for _ in range(5)]
    assert len(read) < 100
    assert [item.id for item, _ in first] == list("01234") and [item.error for item, _ in first][3] == "broken"


def test_conllu_and_unlabelled_words(tmp_path: Path) -> None:
    (tmp_path / "a.conllu").write_text(
        "# sent_id = 1\n1\tHana\t_\n2-3\tal\t_\n2\ta\t_\n3\tel\t_\n\n-DOCSTART-\n1\tx\t_\n"
    )
    assert [item.content for item in read_items(tmp_path / "a.conllu")] == [["Hana", "al"], ["x"]]
    (tmp_path / "a.conll").write_text("1\n2\n\nOslo\n")
    assert [item.content for item in read_items(tmp_path / "a.conll")] == [["1", "2"], ["Oslo"]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{tagger}"], "Expected texts or --file FILE, found neither."),
        (["{tagger}", "Rome", "--file", "a.txt"], "found both"),
        (["{tagger}", "Rome", "--output", "a.xml"], "one of .jsonl, .conll, .csv, .html, found a.xml"),
        (["{tagger}", "--file", "none.txt"], "none.txt is not a file"),
        (["{tagger}", "--file", "{folder}/latin.txt"], "latin.txt is damaged, or not UTF-8"),
        (["{tagger}", "Rome", "--images", "nowhere"], "the folder of images 'nowhere' is not there"),
        (["{folder}", "Rome"], "has no config.json"),
    ],
)
def test_mistakes_are_one_sentence(
    words: list[str], message: str, tagger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "latin.txt").write_bytes("München\n".encode("latin-1"))
    tag(*(word.format(tagger=tagger, folder=tmp_path) for word in words), status=1)
    assert message in capsys.readouterr().err
