"""GENERATED sentences with entities about real places, each with the real image of its place; no network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hf_mlm.world.embedded import SPLITS, blocks, hashed, sample, split_by_group
from hf_mlm.world.imagery import DESERT, GREEN, WATER, blue_marble, encode, patches, scenes
from hf_mlm.world.languages import CAPTIONS, country_name, name_pool
from hf_mlm.world.places import Facts, Places, load_gazetteer
from hf_mlm.world.summaries import Draws


LANGUAGES = tuple(CAPTIONS)
CHUNK = 1024  # places whose patches are cut together
SLOT_TYPES = {"{person}": "PER", "{place}": "LOC", "{country}": "LOC", "{company}": "ORG", "{event}": "MISC"}
# Bearer of a bare surname, where the words do not tell: a ship, a mining company or a settlement.
SCENE_TYPES = {WATER: "MISC", DESERT: "ORG", GREEN: "LOC"}


class CaptionedWorld:
    """Places of GeoNames with NASA's Blue Marble around them, and a sentence in each of four languages for each.

    The sentences are made of templates, real names of places and countries, and invented people and companies. In one
    half, the words tell every entity. In the other, one entity is a bare surname whose type the image alone tells:
    over water it names a ship (MISC), over a desert a company (ORG), over green land a settlement (LOC), as
    `hf_mlm.world.imagery` tells them apart. Names and wordings are drawn without regard to the image, and a third of
    the places has each scene, so without the image nobody can do better than guess one in three.

    What a row says depends on the place and the language alone; ``size`` and ``seed`` decide which places there are,
    and on which side of the split. Whole S2 cells of level 5 are held out, as in `EmbeddedWorld`, so no image is on
    two sides.

    Args:
        size: number of places, 3 … about 50,000; rounded down to a multiple of three.
        seed: of the choice of places and of the split.

    Attributes:
        split_sizes: split name -> number of rows, four times that of places.

    Raises:
        ValueError: ``size`` is less than 3, or there are not as many places with a clear scene.
        ImportError: a package of the extra ``demo`` is missing.
    """

    def __init__(self, size: int = 1500, seed: int = 0) -> None:
        self._gazetteer = load_gazetteer()
        places = self._gazetteer.places
        self._chosen, self._scenes = _choose(places, size, seed)
        sides = split_by_group(blocks(places.latitudes[self._chosen], places.longitudes[self._chosen]), seed)
        self._members = {name: np.flatnonzero(sides == side) for side, name in enumerate(SPLITS)}
        self.split_sizes = {name: len(LANGUAGES) * len(members) for name, members in self._members.items()}

    def rows(self, split: str, start: int = 0, stop: int | None = None) -> Iterator[dict[str, Any]]:
        """Rows of a split, in a fixed order: place by place, the languages of a place in the order of ``LANGUAGES``.

        Args:
            split: "train", "validation" or "test".
            start: first row.
            stop: the row to stop before; the end of the split when omitted.

        Yields:
            ``id``, ``tokens``, ``tags`` (IOB2 labels), ``language``, ``source`` ("generated"), ``image_id`` ("G" and
            the GeoNames id) and ``image`` (a JPEG of 64 × 64 pixels as {"bytes", "path"}).

        Raises:
            ValueError: the split is unknown or the slice is not within it.
        """
        if split not in self._members:
            raise ValueError(f"split={split!r}: a world has the splits {', '.join(SPLITS)}.")
        size = self.split_sizes[split]
        stop = size if stop is None else stop
        if not 0 <= start <= stop <= size:
            raise ValueError(f"rows {start} to {stop} of split {split!r}: it has {size} rows.")
        rows = np.arange(start, stop)
        members, languages = self._members[split][rows // len(LANGUAGES)], rows % len(LANGUAGES)
        for first in range(0, len(rows), CHUNK):
            yield from self._chunk(members[first : first + CHUNK], languages[first : first + CHUNK].tolist())

    def _chunk(self, members: NDArray[np.int64], languages: list[int]) -> Iterator[dict[str, Any]]:
        once, which = np.unique(members, return_inverse=True)
        chosen = self._chosen[once]
        places = self._gazetteer.places.take(chosen)
        images = [encode(patch) for patch in patches(blue_marble(), places.latitudes, places.longitudes)]
        facts = list(self._gazetteer.facts(chosen))
        types = [SCENE_TYPES[scene] for scene in self._scenes[once].tolist()]
        wordings = [hashed(places.geoname_ids, f"caption {language}").tolist() for language in LANGUAGES]
        for place, number in zip(which.tolist(), languages, strict=True):
            language, image_id = LANGUAGES[number], f"G{places.geoname_ids[place]}"
            tokens, tags = caption(facts[place], language, wordings[number][place], types[place])
            yield {
                "id": f"{language}-{image_id}",
                "tokens": tokens,
                "tags": tags,
                "language": language,
                "source": "generated",
                "image_id": image_id,
                "image": {"bytes": images[place], "path": f"{image_id}.jpg"},
            }


def caption(facts: Facts, language: str, bits: int, shown_type: str) -> tuple[list[str], list[str]]:
    """Write a sentence about a settlement.

    Args:
        facts: of the settlement.
        language: of ``LANGUAGES``.
        bits: 64 random bits, which choose the wording and the names.
        shown_type: entity type of a bare surname, which the words do not tell.

    Returns:
        tokens and their IOB2 labels.
    """
    phrases, pool, draws = CAPTIONS[language], name_pool(language), Draws(bits)
    template = draws.one_of((phrases.told, phrases.shown)[draws.below(2)])
    place = facts.names[language]
    values = {
        "{person}": f"{draws.one_of(pool.first)} {draws.one_of(pool.last)}",
        "{place}": place,
        "{country}": country_name(facts.country, language) or facts.country,
        "{company}": f"{draws.one_of(pool.last)} {draws.one_of(pool.suffixes)}",
        "{event}": draws.one_of(phrases.events).format(place=place),
        "{name}": draws.one_of(pool.last),
    }
    tokens: list[str] = []
    tags: list[str] = []
    for piece in template.split():
        words = values.get(piece, piece).split()
        kind = SLOT_TYPES.get(piece, shown_type)
        tokens += words
        tags += [f"B-{kind}", *[f"I-{kind}"] * (len(words) - 1)] if piece in values else ["O"]
    return tokens, tags


def _choose(places: Places, size: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Positions of the places in hashed order and their scenes, a third of each."""
    wanted = size // 3
    if wanted < 1:
        raise ValueError(f"size={size}: a captioned world has 3 places or more.")
    order = sample(places, len(places), seed)
    found: dict[int, list[int]] = {scene: [] for scene in SCENE_TYPES}
    for first in range(0, len(order), CHUNK):
        chunk = order[first : first + CHUNK]
        shown = scenes(patches(blue_marble(), places.latitudes[chunk], places.longitudes[chunk]))
        for scene, listed in found.items():
            listed += chunk[shown == scene][: wanted - len(listed)].tolist()
        if all(len(listed) == wanted for listed in found.values()):
            break
    else:
        most = 3 * min(len(listed) for listed in found.values())
        raise ValueError(f"size={size}: at most {most:,} places can be had with a third of each scene.")
    chosen = np.array([place for listed in found.values() for place in listed])
    shown = np.repeat(np.array(list(found), np.int8), wanted)
    mixed = np.argsort(hashed(places.geoname_ids[chosen], "order"))
    return chosen[mixed], shown[mixed]
