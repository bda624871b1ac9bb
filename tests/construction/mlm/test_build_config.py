"""Editions from YAML, and what is wrong with some."""

from pathlib import Path
from typing import Any

import pytest

from hf_mlm.construction.mlm.build_config import Edition, load_edition


def test_mlm_itself_and_ten_languages(tmp_path: Path) -> None:
    assert load_edition() == Edition() and Edition().languages == ("en", "de", "fr")
    path = tmp_path / "ten.yaml"
    path.write_text("languages: [en, de, fr, it, es, pl, ro, nl, hu, pt]\nhops: 2\n")
    edition = load_edition(path, hops=1)
    assert len(edition.languages) == 10 and edition.hops == 1
    assert Edition(**edition.to_json()) == edition


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"base_types": ["P31"]}, "Wikidata items such as"),
        ({"languages": ["en", "en"]}, "none twice"),
        ({"hops": -1}, "at least 0"),
        ({"thumbnail_width": 256}, "Wikimedia serves 20, 40"),
        ({"rule": "mine"}, "choose one of 'paper', 'authors'"),
        ({"colour": "red"}, "an edition has no 'colour'"),
    ],
)
def test_what_makes_no_sense(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        load_edition(None, **wrong)


def test_files_that_are_no_editions(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no edition"):
        load_edition(tmp_path / "missing.yaml")
    (tmp_path / "list.yaml").write_text("- en\n")
    with pytest.raises(ValueError, match="has to be a mapping"):
        load_edition(tmp_path / "list.yaml")
