"""Columns of an archive: found by their names in English, German, French or Spanish, or given as a mapping."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml


UNKNOWN_LANGUAGE = "und"  # BCP 47: undetermined
NAMES = {
    "id": """id entity_id identifier record_id object_id inventory_number inventory_no accession_number shelfmark
        inventarnummer inventarnr signatur cote numero_inventaire qid wikidata wikidata_id wikidataid""",
    "title": "title label item name titel titre titulo bezeichnung",
    "texts": """text texts summary summaries description descriptions caption captions abstract beschreibung
        beschriftung bildunterschrift legende descripcion descricao""",
    "images": """image images file_name file_names filename filenames file files photo photos picture pictures bild
        bilder datei dateiname dateien fichier fichiers foto fotos imagen""",
    "latitude": "latitude lat breite breitengrad latitud",
    "longitude": "longitude lon lng long laenge lange langengrad laengengrad longitud",
    "coordinates": """coordinates coords coord coordinate_location wkt geometry geom geo point lat_lon latlon
        koordinaten coordonnees coordenadas""",
    "classes": """classes class category categories type types tags keywords subjects subject schlagworte schlagwort
        kategorie motscles categorie featurecla""",
    "date": "date year created datum jahr annee fecha",
    "licence": "licence license rights lizenz rechte droits licencia",
    "credit": "credit creator author photographer attribution artist urheber urheberin fotograf photographe autor",
    "country": "country country_code land pays pais iso_a2 adm0name",
    "split": "split subset",
}
_SYNONYMS = {field: names.split() for field, names in NAMES.items()}
_MANY = ("images", "classes")
_TAG = re.compile(r"([a-z]{2,3})((?:-[a-z0-9]{2,8})*)", re.IGNORECASE)


@dataclass(frozen=True)
class Columns:
    """Names of an archive's columns, and how they are to be read.

    Attributes:
        id: of the record; numbers of the records when None.
        title: name of the thing.
        texts: column -> language, a BCP 47 tag; of a column that holds texts by language the tag is not used.
        images: columns of file names.
        latitude: degrees.
        longitude: degrees.
        coordinates: both in one column.
        classes: columns of names.
        date: any text.
        licence: SPDX id, name or address.
        credit: whom to name.
        country: name or ISO code.
        split: train, validation or test.
        language: of texts whose column tells none.
        separator: between several file names or classes in a cell; ``;`` and ``|`` when None.
        longitude_first: order of a pair of coordinates in one column.
        exif_gps: whether the position in an image counts where a record has none.
        encoding: of the tables; UTF-8 or what a byte order mark tells when None.
    """

    id: str | None = None
    title: str | None = None
    texts: dict[str, str] = field(default_factory=dict)
    images: tuple[str, ...] = ()
    latitude: str | None = None
    longitude: str | None = None
    coordinates: str | None = None
    classes: tuple[str, ...] = ()
    date: str | None = None
    licence: str | None = None
    credit: str | None = None
    country: str | None = None
    split: str | None = None
    language: str = UNKNOWN_LANGUAGE
    separator: str | None = None
    longitude_first: bool = False
    exif_gps: bool = False
    encoding: str | None = None

    @property
    def used(self) -> set[str]:
        """Columns that have a field; the others go to ``extra``."""
        single = {name for each in NAMES if isinstance(name := getattr(self, each), str)}
        return single | {*self.texts, *self.images, *self.classes}

    def lines(self) -> list[str]:
        """One line for each field: ``title: Titel``."""
        listed = {each: getattr(self, each) for each in NAMES}
        listed["texts"] = [f"{name} ({language})" for name, language in self.texts.items()]
        return [
            f"{each}: {value if isinstance(value, str) else ', '.join(value)}"
            for each, value in listed.items()
            if value
        ]


def find_columns(names: Iterable[str], mapping: str | Path | Mapping[str, Any] | None = None) -> Columns:
    """Give each column its field.

    Args:
        names: of the columns.
        mapping: fields of `Columns`, as a mapping or a YAML file; the others are found by name. A text may be
            ``texts: {de: Beschreibung}``, a language and its column, or a column in ``language``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the mapping names an unknown field or an absent column, or is no mapping.

    Example:
        >>> columns = find_columns(["Signatur", "Titel", "text_de", "Breite", "Länge", "donor"])
        >>> columns.id, columns.texts, columns.longitude
        ('Signatur', {'text_de': 'de'}, 'Länge')
    """
    given = read_mapping(mapping)
    listed = list(names)
    settings = {key: value for key, value in given.items() if key not in NAMES and value is not None}
    columns = replace(Columns(), **settings)
    taken = {name for value in given.values() for name in _columns_of(value)}
    found: dict[str, Any] = {}
    for each in NAMES:
        if each in given:
            found[each] = _given(each, given[each], columns.language, listed)
            continue
        free = [name for name in listed if name not in taken]
        matches = sorted((name for name in free if _match(each, name)), key=lambda name: _rank(each, name))
        if each == "texts":
            found[each] = {name: language_of(name) or columns.language for name in listed if name in matches}
        else:
            found[each] = tuple(matches) if each in _MANY else matches[0] if matches else None
        taken |= set(_columns_of(found[each]))
    if not found["texts"] and "texts" not in given:  # names are then what there is to read
        by_language = {name: tag for name in listed if (tag := language_of(name)) and _match("title", name)}
        found["texts"] = by_language | ({found["title"]: columns.language} if found["title"] else {})
    return replace(columns, **found)


def read_mapping(mapping: str | Path | Mapping[str, Any] | None) -> dict[str, Any]:
    """Read a mapping of fields to columns; raises as `find_columns`."""
    if isinstance(mapping, (str, Path)):
        path = Path(mapping).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"there is no mapping of columns in {path}; give a YAML file.")
        try:
            mapping = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(f"{path} is no YAML ({' '.join(str(error).split())}); correct it.") from error
    if not isinstance(mapping, (Mapping, type(None))):
        raise ValueError(f"Expected columns to be a mapping such as {{title: Titel}}, found {mapping!r:.60}.")
    known = [each.name for each in fields(Columns)]
    for key in mapping or {}:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(known)}."
            raise ValueError(f"columns has no field {key!r}; {hint}")
    return dict(mapping or {})


def language_of(name: str) -> str | None:
    """Read the language at the end of a column's name: ``text_de``, ``description (pt-BR)``, ``summary.fr``.

    Example:
        >>> [language_of(name) for name in ("text_de", "Description (pt-BR)", "caption", "NAME_EN", "text_zh-hant")]
        ['de', 'pt-BR', None, 'en', 'zh-Hant']
    """
    match = re.fullmatch(r".*?[^\W_][\W_]+([A-Za-z]{2}(?:[-_][A-Za-z0-9]{2,8})*)\W*", name.strip())
    return language_tag(match[1]) if match else None


def language_tag(text: str) -> str | None:
    """Write a BCP 47 tag as is usual; None if it is none. ``en_wiki`` and ``enwiki`` are MLM's names of ``en``.

    Example:
        >>> language_tag("PT-br"), language_tag("de_wiki"), language_tag("gsw"), language_tag("English")
        ('pt-BR', 'de', 'gsw', None)
    """
    match = _TAG.fullmatch(text.strip().removesuffix("wiki").rstrip("_").replace("_", "-"))
    if match is None:
        return None
    tags = [tag for tag in match[2].split("-") if tag]
    written = [
        tag.title() if len(tag) == 4 and tag.isalpha() else tag.upper() if len(tag) == 2 else tag.lower()
        for tag in tags
    ]
    return "-".join([match[1].lower(), *written])


def _plain(name: str) -> str:
    """Reduce a name to lower-case ASCII words joined by ``_``."""
    letters = unicodedata.normalize("NFKD", name.casefold().replace("ß", "ss"))
    kept = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"[^a-z0-9]+", "_", kept).strip("_")


def _base(each: str, name: str) -> str:
    """The name without the language, where the field is one of texts."""
    language = language_of(name) if each in ("texts", "title") else None
    plain = _plain(name)
    return plain.removesuffix(f"_{_plain(language)}") if language else plain


def _match(each: str, name: str) -> bool:
    return _plain(name) in _SYNONYMS[each] or _base(each, name) in _SYNONYMS[each]


def _rank(each: str, name: str) -> tuple[bool, int]:
    """Sort key: names without a language before those with one, in the order of the synonyms."""
    exact = _plain(name) in _SYNONYMS[each]
    return not exact, _SYNONYMS[each].index(_plain(name) if exact else _base(each, name))


def _columns_of(value: Any) -> list[str]:
    """Give the strings of a mapping's value: a column, a list of them, or languages and their columns."""
    if isinstance(value, Mapping):
        return [name for pair in value.items() for part in pair for name in _columns_of(part)]
    listed = value if isinstance(value, (list, tuple)) else [value]
    return [name for name in listed if isinstance(name, str)]


def _given(each: str, value: Any, language: str, names: list[str]) -> Any:
    """Check what a mapping says of a field against the columns that there are."""
    if each == "texts":
        pairs = value.items() if isinstance(value, Mapping) else [(language, name) for name in _columns_of(value)]
        chosen = {name: tag for tag, columns in pairs for name in _columns_of(columns)}
        wrong = [tag for tag in chosen.values() if language_tag(tag) is None]
        if wrong:
            raise ValueError(f"texts names the language {wrong[0]!r}; give a BCP 47 tag such as de or pt-BR.")
        chosen = {name: str(language_tag(tag)) for name, tag in chosen.items()}
    else:
        chosen = dict.fromkeys(_columns_of(value), "")
    for name in chosen:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names[:12])}."
            raise ValueError(f"{each} is to be read from the column {name!r}, which is not there; {hint}")
    if each == "texts":
        return chosen
    return tuple(chosen) if each in _MANY else next(iter(chosen), None)
