from collections import Counter
from pathlib import Path

from hf_mlm.data.mmnerd.statistics import read_rows, statistics


def test_rows_tell_where_they_come_from(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("IMGID:O_1\nx\tI-LOC\ny\tO\n\nIMGID:z\nz\tX\n")
    first, second = read_rows([("fr", "test", str(tmp_path / "a"))])
    assert (first.where, first.text, first.source) == (f"{tmp_path}/a:2", "x y", "twitter")
    assert (second.where, second.language, second.split, second.source) == (f"{tmp_path}/a:6", "fr", "test", "")


def test_both_ways_of_counting(row) -> None:
    (part,) = statistics([row("Rome/B-LOC , Rome/B-LOC and Rome/B-ORG"), row("Rome/B-LOC"), row("hm"), row("a b")])
    assert part.mentions == Counter(LOC=3, ORG=1)
    assert part.unique == Counter(LOC=2, ORG=1)
    assert (part.sentences, part.tokens, part.longest, part.without_entities) == (4, 9, 5, 2)


def test_sources_come_before_their_sum(row) -> None:
    rows = [
        row("Ann/B-PER", image_id="O_1"),
        row("Oslo/B-LOC x", split="test", image_id="00000001---a"),
        row("Oslo/B-LOC x", image_id="00000002---a"),
        row("Ann/B-PER", image_id="O_2"),
        row("Ann/B-PER", "de", image_id="O_2"),
    ]
    found = [(part.language, part.split, part.source, part.sentences, part.tokens) for part in statistics(rows)]
    assert found == [
        ("en", "train", "twitter", 2, 2),
        ("en", "train", "cc12m", 1, 2),
        ("en", "train", "all", 3, 4),
        ("en", "test", "cc12m", 1, 2),
        ("de", "train", "twitter", 1, 1),
    ]
    total = statistics(rows)[2]
    assert (total.mentions, total.unique, total.longest) == (Counter(PER=2, LOC=1), Counter(PER=2, LOC=1), 2)
