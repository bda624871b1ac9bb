import json
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from PIL import Image

from hf_mlm.data.mmnerd.schemes import TAGS
from hf_mlm.reproduce.analysis import confusion, groups_of, score_groups, tagged_sentences, write_errors


GOLD = ["B-PER", "I-PER", "O", "B-LOC", "B-ORG"]
FOUND = ["B-PER", "O", "B-MISC", "B-ORG", "O"]  # too short, from nothing, another type, nothing


def ids(tags: list[str]) -> list[int]:
    return [TAGS.index(tag) for tag in tags]


@pytest.fixture
def sentences() -> list:
    rows = Dataset.from_dict({"id": ["a", "b"], "tokens": [["Ada", "Lovelace", "and", "Rome", "UN"], ["Rome"]]})
    kept = {1: (ids(GOLD), ids(FOUND)), 0: (ids(["B-LOC"]), ids(["B-LOC"]))}  # encoded in another order
    return list(tagged_sentences(rows, ["b", "a"], kept, TAGS))


def test_each_gold_entity_is_counted_by_what_is_found_in_its_place(sentences: list) -> None:
    counts = confusion(sentences, ["PER", "LOC", "ORG", "MISC"])
    found = {name.removeprefix("confusion_"): count for name, count in counts.items() if count}
    assert found == {"PER_other words": 1, "LOC_ORG": 1, "LOC_LOC": 1, "ORG_nothing": 1, "nothing_MISC": 1}
    assert len(counts) == 5 * 6


def test_predictions_and_wrong_sentences_are_written(sentences: list, tmp_path: Path) -> None:
    sentences[0] = type(sentences[0])(
        {**sentences[0].row, "image": Image.new("RGB", (900, 600))}, *[sentences[0].gold, sentences[0].found]
    )
    write_errors(sentences, "2m-ner-en", tmp_path)
    first, second = (json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines())
    assert first["predicted"] == [["PER", 0, 1], ["MISC", 2, 3], ["ORG", 3, 4]] and second["gold"] == [["LOC", 0, 1]]
    page = (tmp_path / "errors.html").read_text()
    assert "1 of 2 sentences have an error" in page and page.count("<img") == 1
    assert "<mark>Ada Lovelace [PER]</mark> and <mark>Rome [LOC]</mark> <mark>UN [ORG]</mark>" in page


def test_groups_are_languages_that_are_shown_and_classes() -> None:
    rows = Dataset.from_dict(
        {
            "entity_id": ["Q90", "Q64", "Q1"],
            "summaries": [{"en": "a", "de": None}, {"en": None, "de": "b"}, {"en": "c", "de": "d"}],
            "classes": [["city"], ["city", "port"], []],
        }
    )
    groups = groups_of(rows, ["port", "city", "hamlet"])
    assert groups["port"].tolist() == [False, True, False] and "hamlet" not in groups
    assert groups["en"].tolist()[:2] == [True, False]
    assert (groups["en"] ^ groups["de"]).all()  # each entity shows one summary
    assert groups_of(Dataset.from_dict({"entity_id": ["Q1"], "image_features": [[[1.0]]]}), ["city"]) == {}


def test_a_group_is_ranked_among_all_and_located_by_itself() -> None:
    texts = np.eye(4)
    images = texts[[0, 1, 3, 2]]  # the last two are exchanged
    predictions = {
        "image_embeds": images,
        "text_embeds": texts,
        "image_cells": np.array([0, 0, 1, 1]),
        "text_cells": np.array([0, 1, 1, 1]),
    }
    groups = {"en": np.array([True, True, False, False]), "de": np.array([False, False, True, True])}
    found = score_groups(groups, predictions, np.array([0, 1, 1, 1]))
    assert found["test_en_image_to_text_full_medR"] == 1 and found["test_de_text_to_image_full_medR"] > 1
    assert found["test_en_text_f1"] == found["test_de_image_f1"] == 1 and found["test_en_image_f1"] < 1
