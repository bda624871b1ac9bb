import json
from pathlib import Path
from typing import Any

import pytest

from hf_mlm.data.formats.raw_json import RawFile


V0 = {
    "id": 23178,
    "item": "Bisceglie",
    "coordinates": ["41.240933333", "16.502061111"],
    "summaries": {"en_wiki": "A city.", "de_wiki": "Eine Stadt.", "fr_wiki": "Une ville."},
    "images": ["Q23178_0.jpg", "Q23178_3.png"],
    "classes": ["comune of Italy"],
}
V1 = {
    "id": 174,
    "label": "S%C3%A3o_Paulo",
    "coordinates": ["-23.55", "-46.63"],
    "summaries": [{"en": "A city."}, {"fr": "Une ville."}],
    "images": ["Q174_0_SVG.png"],
    "classes": ["city", "big city"],
}


def rows_of(path: Path) -> list[dict[str, Any]]:
    return list(RawFile(path, path.parent).rows())


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(*entities: Any) -> Path:
        path = tmp_path / "MLM_1.json"
        path.write_text(json.dumps(list(entities)), encoding="utf-8")
        return path

    return write


def test_v0(write: Any, tmp_path: Path) -> None:
    assert rows_of(write(V0)) == [
        {
            "entity_id": "Q23178",
            "label": "Bisceglie",
            "summaries": {"en": "A city.", "de": "Eine Stadt.", "fr": "Une ville."},
            "images": [str(tmp_path / "Q23178_0.jpg"), str(tmp_path / "Q23178_3.png")],
            "classes": ["comune of Italy"],
            "latitude": 41.240933333,
            "longitude": 16.502061111,
            "country": None,
        }
    ]


def test_v1(write: Any) -> None:
    (row,) = rows_of(write(V1))
    assert row["label"] == "São Paulo"
    assert row["summaries"] == {"en": "A city.", "de": None, "fr": "Une ville."}
    assert (row["latitude"], row["longitude"]) == (-23.55, -46.63)


def test_numbers_may_be_numbers_and_an_empty_summary_is_none(write: Any) -> None:
    (row,) = rows_of(
        write(V0 | {"id": "Q7", "coordinates": [1.5, -2], "summaries": {"en": "A.", "de": "", "fr": None}})
    )
    assert (row["entity_id"], row["latitude"], row["longitude"]) == ("Q7", 1.5, -2.0)
    assert row["summaries"] == {"en": "A.", "de": None, "fr": None}


def test_a_byte_order_mark_is_skipped(write: Any) -> None:
    path = write(V1)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert rows_of(path)[0]["entity_id"] == "Q174"


@pytest.mark.real
def test_the_authors_sample(shared_data: Path) -> None:
    rows = rows_of(shared_data / "mlm" / "infer_samples" / "MLM_infer_samples.json")
    assert [(row["entity_id"], row["label"], len(row["images"])) for row in rows] == [
        ("Q23178", "Bisceglie", 4),
        ("Q630749", "Escaudœuvres", 3),
    ]
    assert all(Path(image).is_file() for row in rows for image in row["images"])
    assert all(text for row in rows for text in row["summaries"].values())


MALFORMED: dict[str, tuple[dict[str, Any], str]] = {
    "id": ({"id": "Berlin"}, "'id' has to be a Wikidata number such as 64"),
    "negative id": ({"id": -3}, "'id' has to be a Wikidata number"),
    "kind of id": ({"id": [3]}, "'id' has to be int or str, got list"),
    "kind of coordinates": ({"coordinates": "1,2"}, "'coordinates' has to be list, got str '1,2'"),
    "three coordinates": ({"coordinates": ["1", "2", "3"]}, r"'coordinates' has to be \[latitude, longitude\]"),
    "no numbers": ({"coordinates": ["north", "2"]}, r"'coordinates' has to be \[latitude, longitude\]"),
    "off the earth": ({"coordinates": ["116.4", "39.9"]}, "latitude 116.4, longitude 39.9 is not on the earth"),
    "NaN": ({"coordinates": ["nan", "39.9"]}, "is not on the earth"),
    "absent languages": ({"summaries": [{"it": "Una città."}]}, r"no summary in any of en, de, fr \(found: it\)"),
    "no summaries": ({"summaries": []}, r"no summary in any of en, de, fr \(found: none\)"),
    "summaries without languages": ({"summaries": ["A city."]}, "'summaries' has to map languages to texts"),
    "a summary that is no text": ({"summaries": {"en": 3}}, "the summary in 'en' has to be a string, got 3"),
    "classes that are no texts": ({"classes": [5]}, "'classes' has to be a list of strings, but one of them is 5"),
    "an image elsewhere": ({"images": ["../../secret.png"]}, "image name '../../secret.png' points outside"),
    "an absolute image": ({"images": ["/etc/passwd"]}, "image name '/etc/passwd' points outside"),
    "an image on a drive": ({"images": ["c:\\x.png"]}, "points outside"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_entity_is_named(case: str, write: Any) -> None:
    changes, message = MALFORMED[case]
    path = write(V0, V1 | changes)
    with pytest.raises(ValueError, match=message) as caught:
        rows_of(path)
    assert str(caught.value).startswith(f"{path}, entity 2")


@pytest.mark.parametrize("field", ["id", "label", "coordinates", "summaries", "images", "classes"])
def test_a_missing_field_is_named(field: str, write: Any) -> None:
    with pytest.raises(ValueError, match=f"entity 1.* has no '{field}'; it has "):
        rows_of(write({key: value for key, value in V1.items() if key != field}))


BROKEN = {
    "empty": (b"", "is empty"),
    "truncated": (b'[{"id": 3,\n "item"', "line 2, column 8 is not JSON"),
    "not UTF-8": ('[{"item": "Köln"}]'.encode("latin-1"), r"is not UTF-8 \(byte 12: b'\\xf6'\)"),
    "an object": (b'{"id": 3}', "holds a dict, not the list of entities"),
    "a list of lists": (b"[[1]]", "entity 1 is a list"),
    "a bomb of brackets": (b"[" * 200_000, "is nested too deeply"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named(case: str, tmp_path: Path) -> None:
    content, message = BROKEN[case]
    path = tmp_path / "MLM_1.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        rows_of(path)
    assert str(path) in str(caught.value)
