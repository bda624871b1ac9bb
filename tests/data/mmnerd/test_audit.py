import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from hf_mlm.data.mmnerd.audit import AuditReport, audit
from hf_mlm.data.mmnerd.conll import Sentence
from hf_mlm.data.mmnerd.statistics import Row, read_rows


pytest.importorskip("datasets")


@pytest.fixture(scope="module")
def files(shared_data: Path) -> list[tuple[str, str, str]]:
    names = {"train": "train", "validation": "valid"}
    return [
        ("en", split, str(shared_data / "mmnerd_en" / f"{word}_conll_format.txt.gz")) for split, word in names.items()
    ]


@pytest.fixture(scope="module")
def report(files: list[tuple[str, str, str]]) -> AuditReport:
    return audit(read_rows(files))


def test_a_report_is_json() -> None:
    rows = [Row(Sentence(["Rome", "\u200b"], ["I-LOC", "O"], "O_1"), "en", split, "f") for split in ("train", "test")]
    plain = json.loads(json.dumps(audit(rows).to_dict()))
    assert plain["statistics"][0]["mentions"] == {"LOC": 1}
    assert plain["near_texts"]["counts"] == {"train/test": {"0.9": 1, "0.8": 1}}
    assert plain["near_texts"]["examples"]["train/test"] == [["f:0", "f:0", 1.0]]
    assert plain["leakage"] == [
        {"language": "en", "split": "test", "sentences": 1, "same_language": 1, "other_languages": 0}
    ]
    assert len(plain["labels"]["invalid"]) == 2 and plain["odd_tokens"]["vanishing"] == 2
    assert plain["images"] == {"looked_for": 0, "absent": [], "broken": []}


def test_nothing_is_found_in_nothing() -> None:
    assert audit([]).statistics == [] and not audit([]).labels


# The figures below were measured by other code (a naive reader, and pairwise comparison) before this was written.
@pytest.mark.real
def test_counts_of_the_real_files(report: AuditReport) -> None:
    found = {(part.split, part.source): part for part in report.statistics}
    train, validation = found["train", "all"], found["validation", "all"]
    assert (train.sentences, train.tokens, train.longest, train.without_entities) == (19_968, 328_043, 107, 8)
    assert (validation.sentences, validation.tokens, validation.longest) == (2_463, 40_584, 99)
    assert train.mentions == Counter(PER=3_344, LOC=4_742, ORG=7_764, MISC=25_322)
    assert validation.mentions == Counter(PER=419, LOC=552, ORG=972, MISC=3_166)
    assert found["train", "cc12m"].unique == Counter(LOC=4_094, ORG=6_324, MISC=22_878)
    assert (found["train", "twitter"].sentences, found["validation", "twitter"].sentences) == (2_390, 293)
    assert found["train", "twitter"].mentions == Counter(PER=3_344, LOC=500, ORG=967, MISC=462)
    assert found["validation", "cc12m"].mentions == Counter(LOC=500, ORG=844, MISC=3_102)
    paper = Counter(PER=3_340, LOC=4_605, ORG=7_342, MISC=23_621)  # Table 2, which counts annotated names
    assert all(abs(train.unique[kind] / paper[kind] - 1) < 0.015 for kind in paper)


@pytest.mark.real
def test_findings_in_the_real_files(report: AuditReport) -> None:
    assert not report.labels
    assert report.texts.within == {"train": 2, "validation": 0} and report.texts.across == {"train/validation": 0}
    assert report.texts_ignoring_case.within["train"] == 7
    assert report.near_texts.counts == {"train/validation": {0.9: 9, 0.8: 45}}
    assert report.image_ids.within == {"train": 0, "validation": 0} and not report.image_ids.across["train/validation"]
    assert [(part.sentences, part.same_language) for part in report.leakage] == [(2_463, 0)]
    odd = report.odd_tokens
    assert (odd.vanishing, odd.sentences) == (25, 9)
    assert {name[:6]: count for name, count in odd.characters.items()} == {
        "U+F0D8": 11,
        "U+F0A7": 7,
        "U+200B": 2,
        "U+FFFD": 4,
        "U+00AD": 1,
    }


@pytest.mark.real
def test_ambiguous_names_of_the_real_files(report: AuditReport, files: list[tuple[str, str, str]]) -> None:
    """Against seqeval's entities."""
    get_entities = pytest.importorskip("seqeval.metrics.sequence_labeling").get_entities
    types: dict[str, list[str]] = defaultdict(list)
    for row in read_rows(files):
        for kind, start, end in get_entities(row.sentence.tags):
            types[" ".join(row.sentence.tokens[start : end + 1])].append(kind)
    ambiguous = [kinds for kinds in types.values() if len(set(kinds)) > 1]
    found = report.conflicts
    assert (found.surfaces, found.ambiguous_surfaces) == (len(types), len(ambiguous))
    assert found.ambiguous_mentions == sum(map(len, ambiguous))
    assert found.surface_examples["India (en)"] == Counter(types["India"]) == Counter(MISC=56, ORG=39, LOC=25)
