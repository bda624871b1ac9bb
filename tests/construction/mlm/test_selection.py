"""Which items become places: each awkward one goes for the reason that it was made for."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import s2sphere

from hf_mlm.construction.mlm.build_config import Edition
from hf_mlm.construction.mlm.items import EARTH
from hf_mlm.construction.mlm.selection import SelectPlaces
from hf_mlm.construction.stage import to_document


MOON = "Q405"


def position(latitude: float, longitude: float, globe: str = EARTH) -> dict[str, Any]:
    return {"latitude": latitude, "longitude": longitude, "globe": globe}


GOOD: dict[str, Any] = {
    "id": "Q64",
    "labels": {"en": "Berlin"},
    "classes": ["Q515"],
    "superclasses": [],
    "countries": ["Q183"],
    "country_code": None,
    "positions": [position(52.5, 13.4)],
    "images": ["Berlin.jpg"],
    "sitelinks": {"en": "Berlin", "de": None},
}


@pytest.fixture
def select(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SelectPlaces:
    block = SelectPlaces(tmp_path)
    monkeypatch.setattr("hf_mlm.construction.mlm.selection.ReadStage.rows", lambda *_: iter([{"id": "Q515"}]))
    return block


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"classes": ["Q5"]}, "no instance of the classes"),
        ({"positions": []}, "no coordinates"),
        ({"positions": [position(1, 1, MOON)]}, "off the earth"),
        ({"positions": [position(91, 0)]}, "off the earth"),
        ({"positions": [position(0, -180.5)]}, "off the earth"),
        ({"positions": [position(float("nan"), 0)]}, "off the earth"),
        ({"images": []}, "no image"),
        ({"sitelinks": {"en": None, "de": None}}, "no article"),
    ],
)
def test_what_goes(select: SelectPlaces, change: dict[str, Any], reason: str) -> None:
    documents = [to_document(GOOD | change), to_document(GOOD)]
    assert [document.id for document in select.run(documents)] == ["Q64"] and select.ledger.dropped == {reason: 1}


def test_of_several_coordinates_one_stays(select: SelectPlaces) -> None:
    positions = [position(50, 9), position(-3, 2, MOON), position(50, 7), position(51, 0)]
    (place,) = select.run([to_document(GOOD | {"positions": positions})])
    assert (place.metadata["latitude"], place.metadata["longitude"]) == (50, 7) and not select.ledger.dropped
    assert sum(select.ledger.noted.values()) == 1


def test_decisions(build_here: Any, wiki: Any, tmp_path: Path) -> None:
    wiki.images = {f"Place {1000 + n}.jpg": b"" for n in range(0, 36, 4)}  # nine places lose their image
    manifest = build_here(until="selection")["selection"]
    rows = {row["id"]: row for row in pq.read_table(tmp_path / "build" / "selection" / "00000.parquet").to_pylist()}
    assert len(rows) == 41 and manifest.noted["entities with image and summary"] == 32
    places = {
        row["id"]: row
        for path in sorted((tmp_path / "build" / "places").glob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    }
    tokens = json.loads((tmp_path / "build" / "selection" / "irle-cells.json").read_text())["tokens"]
    counts = Counter(row["irle_cell"] for row in rows.values() if row["irle_cell"] is not None)
    assert min(counts.values()) >= 5 and sorted(counts) == list(range(len(tokens)))
    for item, row in rows.items():
        if row["irle_cell"] is not None:
            assert item not in {f"Q{1000 + n}" for n in range(0, 36, 4)}  # no image, no cell
            point = s2sphere.LatLng.from_degrees(places[item]["latitude"], places[item]["longitude"])
            cell = s2sphere.CellId.from_token(tokens[row["irle_cell"]])
            assert cell.contains(s2sphere.CellId.from_lat_lng(point))
    drawn = Counter(row["country"] for row in rows.values() if row["irle_gr_cell"] is not None)
    assert drawn["DE"] <= 20 and drawn["FR"] <= 8 and drawn.total() <= sum(manifest.facts["sample"]["drawn"].values())
    assert {row["split"] for row in rows.values()} <= {"train", "validation", "test"}


def test_too_few_for_cells_is_said(build_here: Any, tmp_path: Path) -> None:
    edition = Edition(max_entities=2000, min_entities=1000, country_shares={})
    manifest = build_here(until="selection", edition=edition)["selection"]
    assert "irle: no cells" in manifest.facts and not (tmp_path / "build" / "selection" / "irle-cells.json").exists()
    (path,) = (tmp_path / "build" / "selection").glob("*.parquet")
    assert set(pq.read_table(path)["irle_cell"].to_pylist()) == {None}
