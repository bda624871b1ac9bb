"""What an edition of MLM is: its languages, kinds of places, cells. Everything that decides about the data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from hf_mlm.geo.partition import RULES
from hf_mlm.geo.quotas import EU_POPULATION_SHARES


# Widths that Wikimedia keeps thumbnails of; others are made on request, and refused when there are many.
THUMBNAIL_WIDTHS = (20, 40, 60, 120, 250, 330, 500, 960, 1280, 1920, 3840)
IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp", "image/tiff")
DRAWING_WORDS = (
    "map",
    "maps",
    "locator",
    "karte",
    "karten",
    "lagekarte",
    "carte",
    "cartes",
    "diagram",
    "logo",
    "emblem",
) + ("flag", "flagge", "drapeau", "coat of arms", "wappen", "blason")
DRAWING_CATEGORIES = ("Maps of", "Locator maps", "Old maps", "SVG", "Coats of arms", "Flags of", "Logos of")


@dataclass(frozen=True)
class Edition:
    """Parameters of the construction; the defaults are those of MLM (§3).

    Attributes:
        base_types: Wikidata classes whose subclasses' instances are wanted; Q486972 is "human settlement".
        hops: how many subclass-of steps below a base type still count, 0 for the base types alone.
        languages: of summaries and labels; the first that has a label names an entity.
        min_summary_characters: a shorter summary counts as none.
        thumbnail_width: pixels, one of `THUMBNAIL_WIDTHS`; MLM's images are 256 wide.
        images_per_entity: the most that are fetched.
        image_types: media types that are kept, of the original file; SVG is not among them (MLM §3.3.5).
        drawing_words: words of a file's name that give away a map, a flag or a coat of arms.
        drawing_categories: beginnings of Commons categories that do so.
        max_entities: T_max of `GeoCellPartition.fit`.
        min_entities: T_min of the same.
        rule: of the same, ``"paper"`` or ``"authors"``.
        sample_size: of the geo-representative sample, before rounding.
        country_shares: ISO 3166 alpha-2 code -> per cent of the sample; empty for no such sample.
        ratios: of train, validation and test.
        seed: of splits and sample.

    Raises:
        ValueError: if a value makes no sense; the sentence names it.
    """

    base_types: tuple[str, ...] = ("Q486972",)
    hops: int = 3
    languages: tuple[str, ...] = ("en", "de", "fr")
    min_summary_characters: int = 1
    thumbnail_width: int = 330
    images_per_entity: int = 10
    image_types: tuple[str, ...] = IMAGE_TYPES
    drawing_words: tuple[str, ...] = DRAWING_WORDS
    drawing_categories: tuple[str, ...] = DRAWING_CATEGORIES
    max_entities: int = 500
    min_entities: int = 20
    rule: str = "paper"
    sample_size: int = 24_000
    country_shares: Mapping[str, float] = field(default_factory=lambda: dict(EU_POPULATION_SHARES))
    ratios: tuple[float, float, float] = (0.8, 0.1, 0.1)
    seed: int = 0

    def __post_init__(self) -> None:
        for each in fields(self):
            if isinstance(getattr(self, each.name), list):
                object.__setattr__(self, each.name, tuple(getattr(self, each.name)))
        wrong = [base for base in self.base_types if not is_item_id(base)]
        if wrong or not self.base_types:
            raise ValueError(f"base_types={list(self.base_types)}: give Wikidata items such as 'Q486972'.")
        if not self.languages or len(set(self.languages)) < len(self.languages):
            raise ValueError(f"languages={list(self.languages)}: give at least one, and none twice.")
        if self.hops < 0 or self.images_per_entity < 0 or self.min_summary_characters < 1:
            raise ValueError(
                "hops and images_per_entity have to be at least 0 and min_summary_characters at least 1, but are "
                f"{self.hops}, {self.images_per_entity} and {self.min_summary_characters}."
            )
        if self.thumbnail_width not in THUMBNAIL_WIDTHS:
            raise ValueError(
                f"thumbnail_width={self.thumbnail_width}: Wikimedia serves {', '.join(map(str, THUMBNAIL_WIDTHS))}; "
                "other widths are rendered on request and refused in bulk."
            )
        if self.rule not in RULES:
            raise ValueError(f"rule={self.rule!r}: choose one of {', '.join(map(repr, RULES))}.")

    def to_json(self) -> dict[str, Any]:
        """All values as JSON knows them."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain


def load_edition(path: Path | None = None, **changes: Any) -> Edition:
    """Read an edition from YAML, a mapping from the names of `Edition` to values.

    Args:
        path: the file; MLM's own values when omitted.
        **changes: values that override the file's; None changes nothing.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no mapping, or a name or value is wrong.

    Example:
        >>> load_edition(languages=("en", "es"), hops=None).languages
        ('en', 'es')
    """
    if path is not None and not path.is_file():
        raise FileNotFoundError(f"there is no edition {path}; give a YAML file or omit it for MLM's own values.")
    content = {} if path is None else yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    if not isinstance(content, dict):
        raise ValueError(f"{path} has to be a mapping such as 'languages: [en, es]'.")
    values = content | {name: value for name, value in changes.items() if value is not None}
    unknown = set(values) - {each.name for each in fields(Edition)}
    if unknown:
        names = ", ".join(each.name for each in fields(Edition))
        raise ValueError(f"an edition has no {', '.join(map(repr, sorted(unknown)))}; there are {names}.")
    return Edition(**values)


def is_item_id(value: str) -> bool:
    """Whether a string is the id of a Wikidata item, whose number fits into 64 bits.

    Example:
        >>> is_item_id("Q64"), is_item_id("P31"), is_item_id("Q")
        (True, False, False)
    """
    return value[:1] == "Q" and value[1:].isascii() and value[1:].isdigit() and len(value) < 20
