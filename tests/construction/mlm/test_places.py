"""Which items become places: each awkward one goes for the reason that it was made for."""

from pathlib import Path
from typing import Any

import pytest

from hf_mlm.construction.mlm.items import EARTH
from hf_mlm.construction.mlm.places import SelectPlaces
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
    monkeypatch.setattr("hf_mlm.construction.mlm.places.ReadStage.rows", lambda *_: iter([{"id": "Q515"}]))
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
