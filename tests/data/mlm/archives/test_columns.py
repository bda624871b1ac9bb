from pathlib import Path
from typing import Any

import pytest

from hf_mlm.data.mlm.archives.columns import find_columns, language_of, language_tag


def test_english_names_are_known() -> None:
    columns = find_columns(
        ["identifier", "title", "description", "file_name", "lat", "lng", "tags", "license", "creator"]
    )
    assert (columns.id, columns.title, columns.texts) == ("identifier", "title", {"description": "und"})
    assert (columns.images, columns.latitude, columns.longitude) == (("file_name",), "lat", "lng")
    assert (columns.classes, columns.licence, columns.credit) == (("tags",), "license", "creator")


@pytest.mark.parametrize(
    "names",
    [
        ["Signatur", "Titel", "Beschreibung", "Dateiname", "Breitengrad", "Längengrad", "Schlagworte", "Jahr", "Land"],
        ["Cote", "Titre", "Légende", "Fichier", "Latitude", "Longitude", "Catégorie", "Année", "Pays"],
    ],
)
def test_names_in_other_languages_are_known(names: list[str]) -> None:
    columns = find_columns(names)
    found = [columns.id, columns.title, *columns.texts, *columns.images, columns.latitude, columns.longitude]
    assert [*found, *columns.classes, columns.date, columns.country] == names


def test_what_has_no_field_is_not_used() -> None:
    names = ["id", "text", "donor", "shelf"]
    assert set(names) - find_columns(names).used == {"donor", "shelf"}


def test_texts_have_the_language_of_their_names_or_the_one_that_is_given() -> None:
    columns = find_columns(["text_en", "Description (pt-BR)", "caption"], {"language": "de"})
    assert columns.texts == {"text_en": "en", "Description (pt-BR)": "pt-BR", "caption": "de"}


def test_names_are_texts_where_there_are_no_others() -> None:
    assert find_columns(["NAME", "NAME_EN", "NAME_DE"]).texts == {"NAME_EN": "en", "NAME_DE": "de", "NAME": "und"}
    assert find_columns(["title"]).texts == {"title": "und"}
    assert find_columns(["title", "text"]).texts == {"text": "und"}


def test_a_mapping_comes_first() -> None:
    mapping = {"title": "b", "texts": {"de": "a", "fr": ["c", "d"]}, "images": "e", "exif_gps": True, "id": None}
    columns = find_columns(["a", "b", "c", "d", "e", "title", "id"], mapping)
    assert (columns.title, columns.id, columns.images, columns.exif_gps) == ("b", None, ("e",), True)
    assert columns.texts == {"a": "de", "c": "fr", "d": "fr"}


def test_a_mapping_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "columns.yaml").write_text("title: b\nlongitude_first: true\n")
    columns = find_columns(["a", "b"], tmp_path / "columns.yaml")
    assert (columns.title, columns.longitude_first) == ("b", True)


BAD: dict[str, tuple[Any, str]] = {
    "an unknown field": ({"titel": "a"}, "no field 'titel'; did you mean 'title'"),
    "an absent column": ({"title": "aa"}, "'aa', which is not there; did you mean 'a'|there are a, b"),
    "a language in words": ({"texts": {"German": "b"}}, "language 'German'; give a BCP 47 tag"),
    "a number": (5, "to be a mapping .*found 5"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_mapping_is_told(case: str) -> None:
    mapping, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        find_columns(["a", "b"], mapping)


def test_a_wrong_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no mapping of columns in .*none.yaml"):
        find_columns(["a"], tmp_path / "none.yaml")
    (tmp_path / "a.yaml").write_text("title: [")
    with pytest.raises(ValueError, match="a.yaml is no YAML"):
        find_columns(["a"], tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("EN", "en"),
        ("de_wiki", "de"),
        ("frwiki", "fr"),
        ("zh_hant_tw", "zh-Hant-TW"),
        ("gsw", "gsw"),
        ("be-tarask", "be-tarask"),
    ]
    + [("English", None), ("e", None), ("", None), ("en us", None)],
)
def test_tags(text: str, tag: str | None) -> None:
    assert language_tag(text) == tag


@pytest.mark.parametrize("name", ["caption", "text_raw", "text2", "id"])
def test_names_without_a_language(name: str) -> None:
    assert language_of(name) is None
