import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hf_mlm.data.formats.layout import find_layout
from hf_mlm.data.formats.raw_source import CellSettings, RawSource, open_raw
from hf_mlm.data.splits import hash_split
from hf_mlm.geo.partition import GeoCellPartition


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
def write(tmp_path: Path) -> Any:
    def write(**files: list[dict[str, Any]]) -> list[Any]:
        for name, entities in files.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(entities))
            for image in [image for item in entities for image in item["images"]]:
                Image.new("RGB", (2, 2)).save(tmp_path / image)
        return list(find_layout(tmp_path, "mlm").raw)

    return write


def rows_of(source: RawSource) -> dict[str, list[dict[str, Any]]]:
    return {
        split: [row for shard in shards for table in shard.tables() for row in table.to_pylist()]
        for split, shards in source.splits.items()
    }


def test_entities_of_all_files_are_split_by_hash(write: Any) -> None:
    files = write(MLM_1=[entity(n) for n in range(40)], MLM_2=[entity(n) for n in range(40, 60)])
    rows = rows_of(open_raw(files, seed=5))
    names = [f"Q{number}" for number in range(60)]
    assigned = hash_split(names, seed=5)
    for split, name in enumerate(("train", "validation", "test")):
        assert [row["entity_id"] for row in rows[name]] == [names[i] for i in np.flatnonzero(assigned == split)]
    assert "geo_cell" not in rows["train"][0]


def test_rows_hold_paths_of_images(write: Any, tmp_path: Path) -> None:
    rows = rows_of(open_raw(write(MLM_1=[entity(3, images=2)])))
    ((row,),) = rows.values()
    assert row["images"] == [{"bytes": None, "path": str(tmp_path / f"Q3_{image}.png")} for image in (0, 1)]
    assert (row["label"], row["summaries"]) == ("Place 3", {"en": None, "de": "Ein Ort.", "fr": None})


def test_cells_are_those_of_the_entities_with_images(write: Any) -> None:
    rng = np.random.default_rng(0)
    places = rng.uniform((40, 0), (55, 20), size=(30, 2)).tolist()
    entities = [entity(number, *place, images=number % 4 > 0) for number, place in enumerate(places)]
    source = open_raw(write(MLM_1=entities), CellSettings(max_entities=6, min_entities=3))
    kept = [number for number in range(30) if number % 4]
    partition = GeoCellPartition.fit(*np.array(places)[kept].T, max_entities=6, min_entities=3)
    cells = dict(zip(kept, partition.assign(*np.array(places)[kept].T).tolist(), strict=True))
    rows = [row for part in rows_of(source).values() for row in part]
    assert source.cell_tokens == partition.tokens
    assert {row["entity_id"]: row["geo_cell"] for row in rows} == {f"Q{n}": c for n, c in cells.items() if c >= 0}


def test_too_few_entities_for_cells(write: Any) -> None:
    with pytest.raises(ValueError, match="made of the 2 entities with images .* or use the config 'mlm'"):
        open_raw(write(MLM_1=[entity(1), entity(2)]), CellSettings())


def test_settings_that_cannot_be_are_not_blamed_on_the_entities() -> None:
    with pytest.raises(ValueError, match="^rule has to be one of 'paper', 'authors', but is 'author'.$"):
        CellSettings(rule="author")
    with pytest.raises(ValueError, match="^max_entities has to be at least 1 .*, but they are 2 and 20.$"):
        CellSettings(max_entities=2)


def test_an_entity_in_two_files_is_refused(write: Any) -> None:
    with pytest.raises(ValueError, match="all files together: entity Q2 occurs more than once"):
        open_raw(write(MLM_1=[entity(1), entity(2)], MLM_2=[entity(2)]))


def test_files_without_entities_are_refused(write: Any) -> None:
    with pytest.raises(ValueError, match="hold no entity at all"):
        open_raw(write(MLM_1=[], MLM_2=[]))


def test_images_are_looked_at(write: Any, tmp_path: Path) -> None:
    source = open_raw(write(MLM_1=[entity(1), entity(2), entity(3)]))
    (tmp_path / "Q2_0.png").write_bytes(b"GIF89a")
    with pytest.raises(ValueError, match=r"MLM_1.json, entity 2 \(Q2\): .*Q2_0.png is no readable image"):
        rows_of(source)
    (tmp_path / "Q2_0.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"entity 2 \(Q2\) names the image Q2_0.png"):
        rows_of(source)
