from collections import Counter
from pathlib import Path

from PIL import Image

from hf_mlm.data.checks import ImageFolder
from hf_mlm.data.mmnerd.conll import Sentence
from hf_mlm.data.mmnerd.defects import image_problems, label_conflicts, label_problems, odd_tokens
from hf_mlm.data.mmnerd.statistics import Row


def test_what_keeps_files_from_being_loaded(row) -> None:
    rows = [
        row("a/B-LOC b/I-LOC c", line=2),
        row("a b/I-LOC c/I-LOC", line=7),
        row("a/S-LOC", line=11),
        row("Tom/B-GPE d/B-GPE"),
        row("", image_id="O_1", line=21),
    ]
    problems = label_problems(rows)
    assert [line.partition(": ")[0] for line in problems.invalid] == ["f.txt:8", "f.txt:11"]
    assert problems.unknown_types == {"GPE": 2} and problems.empty == ["f.txt:20: IMGID:O_1"]
    assert problems and not label_problems(rows[:1])


def test_conflicts_within_a_language(row) -> None:
    rows = [
        row("Visit Rome/B-LOC", line=1),
        row("visit rome/B-ORG", line=3),
        row("visit rome/B-ORG", line=5),
        row("visit Rome/B-MISC", "de", line=7),  # another language is no conflict
        row("Rome/B-PER and New/B-LOC York/I-LOC"),
        row("Rome/B-PER"),
    ]
    conflicts = label_conflicts(rows)
    assert conflicts.texts == 1 and conflicts.text_examples == [["f.txt:1", "f.txt:3"]]
    assert (conflicts.surfaces, conflicts.ambiguous_surfaces, conflicts.ambiguous_mentions) == (4, 1, 3)
    assert conflicts.surface_examples == {"Rome (en)": {"PER": 2, "LOC": 1}}
    assert label_conflicts(rows, examples=0).surface_examples == {}


def test_odd_tokens_are_counted_and_those_that_vanish_found() -> None:
    sentences = [
        ["\u200b", "\u200b\uf0d8", "a\u200bb"],
        ["plain", "caf\u00e9", "\U0001f600", "."],
        ["two\u00a0words", "a\u200bb"],
        ["", "\ufffd"],
    ]
    rows = [
        Row(Sentence(tokens, ["O"] * len(tokens), line=n), "en", "train", "f") for n, tokens in enumerate(sentences)
    ]
    found = odd_tokens(rows)
    assert found.characters == Counter(
        {
            "U+200B ZERO WIDTH SPACE": 4,
            "U+F0D8": 1,
            "U+00A0 NO-BREAK SPACE": 1,
            "U+FFFD REPLACEMENT CHARACTER": 1,
        }
    )
    assert (found.vanishing, found.sentences, found.examples) == (4, 2, ["f:0", "f:3"])


def test_absent_and_broken_images(row, tmp_path: Path) -> None:
    Image.new("CMYK", (3, 3)).save(tmp_path / "whole.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"GIF89a")
    ids = ["whole", "broken", "absent", None, "absent"]
    rows = [row("a", image_id=image_id) for image_id in ids]
    found = image_problems(rows, ImageFolder(tmp_path))
    assert found.looked_for == 3 and found.absent == ["absent"]
    assert len(found.broken) == 1 and found.broken[0].startswith(f"{tmp_path}/broken.jpg is no readable image")
    assert image_problems(rows, None).looked_for == 0
