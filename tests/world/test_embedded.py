import hashlib
import io
import json
import re
import subprocess
import sys
from itertools import islice

import numpy as np
import pytest
import s2sphere
from PIL import Image

from hf_mlm.world import EmbeddedWorld
from hf_mlm.world.places import load_places
from hf_mlm.world.territories import LANGUAGES


pytestmark = [pytest.mark.real, pytest.mark.usefixtures("demo_packages")]


def digest(rows) -> str:
    """SHA-256 of rows, pictures included."""
    state = hashlib.sha256()
    for row in rows:
        picture = row["images"][0]
        state.update(json.dumps({**row, "images": picture["path"]}, sort_keys=True).encode() + picture["bytes"])
    return state.hexdigest()


def leaf(row) -> s2sphere.CellId:
    return s2sphere.CellId.from_lat_lng(s2sphere.LatLng.from_degrees(row["latitude"], row["longitude"]))


def test_rows_keep_the_contract(world, rows):
    assert len(rows) == sum(world.split_sizes.values()) <= 1500
    assert len({row["entity_id"] for row in rows}) == len(rows)
    for row in rows[::50]:
        assert list(row) == [
            "entity_id",
            "label",
            "summaries",
            "images",
            "classes",
            "latitude",
            "longitude",
            "country",
            "geo_cell",
        ]
        assert re.fullmatch(r"G\d+", row["entity_id"]) and set(row["summaries"]) == set(LANGUAGES)
        (image,) = row["images"]
        with Image.open(io.BytesIO(image["bytes"])) as picture:
            assert picture.size == (64, 64) and picture.mode == "RGB" and image["path"].endswith(".jpg")
        assert {type(row[key]) for key in ("label", "country")} == {str} and type(row["geo_cell"]) is int
        assert {type(row[key]) for key in ("latitude", "longitude")} == {float}


def test_every_place_lies_in_its_cell(world, rows):
    for row in rows[::10]:
        assert s2sphere.CellId.from_token(world.partition.tokens[row["geo_cell"]]).contains(leaf(row))


def test_no_block_is_on_two_sides(world):
    sides = {
        split: {leaf(row).parent(5).id() for row in world.rows(split)} for split in ("train", "validation", "test")
    }
    assert not sides["train"] & sides["validation"]
    assert not (sides["train"] | sides["validation"]) & sides["test"]
    total = sum(world.split_sizes.values())
    shares = [world.split_sizes[split] / total for split in ("train", "validation", "test")]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.02)


def test_random_split_mixes_blocks_and_keeps_fine_cells():
    world = EmbeddedWorld(size=60_000, split="random")
    assert world.partition.levels.max() > 4
    assert EmbeddedWorld(size=60_000).partition.levels.max() == 4
    blocks = [{leaf(row).parent(5).id() for row in world.rows(split, 0, 200)} for split in ("train", "test")]
    assert blocks[0] & blocks[1]


def test_the_same_in_another_process(world):
    code = (
        "import runpy, sys; digest = runpy.run_path(sys.argv[1])['digest']\n"
        "from hf_mlm.world import EmbeddedWorld\n"
        "print(digest(EmbeddedWorld(size=1500).rows('test')))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code, __file__], capture_output=True, text=True, check=True, timeout=120
    ).stdout
    assert output.strip() == digest(world.rows("test"))


def test_slices_are_parts_of_the_whole(world):
    whole = list(world.rows("train", 0, 600))
    assert digest(world.rows("train", 250, 530)) == digest(whole[250:530])
    assert not list(world.rows("train", 5, 5))
    assert digest(world.rows("train", world.split_sizes["train"] - 1)) == digest(
        islice(world.rows("train"), world.split_sizes["train"] - 1, None)
    )


def test_a_place_says_the_same_in_every_world(world, rows):
    other = EmbeddedWorld(size=3000, split="random", seed=0)
    texts = {row["entity_id"]: row["summaries"] for row in rows}
    common = [row for row in other.rows("test") if row["entity_id"] in texts]
    assert len(common) > 50
    assert all(texts[row["entity_id"]] == row["summaries"] for row in common)


def test_hints_tell_the_country_in_each_language(rows):
    from babel import Locale

    for language in LANGUAGES:
        territories = Locale(language).territories
        assert all(territories[r["country"]].split(" (")[0] in r["summaries"][language] for r in rows)


def test_without_hints_nothing_tells_the_country_or_the_region(rows, rows_without_hints):
    from babel import Locale

    countries = set(load_places().countries)
    for language in LANGUAGES:
        territories = Locale(language).territories
        names = sorted({territories[code].split(" (")[0] for code in countries}, key=len, reverse=True)
        telling = re.compile(rf"\b(?:{'|'.join(map(re.escape, names))})\b")
        for hinted, row in zip(rows, rows_without_hints, strict=True):
            text, label = row["summaries"][language], row["label"]
            name = label if label in text else opening_name(text)
            rest = text.replace(name, "", 1)
            assert not telling.search(rest), text
            words = {word for word in re.findall(r"[^\W\d_]+", rest) if word[0].isupper()}
            assert words <= FREE_WORDS[language], text
            assert len(text) < len(hinted["summaries"][language])


# Every capitalised word that a text without hints may hold besides the name.
FREE_WORDS = {
    "en": {"A", "Population", "About", "It"},
    "de": {
        *("Ein", "Eine", "Ort", "Kleinstadt", "Stadt", "Großstadt", "Millionenstadt", "Hauptstadt"),
        *("Meer", "See", "Einwohner", "Hier", "Menschen", "Der"),
    },
    "fr": {"Un", "Une", "Population", "Environ", "On"},
}


def opening_name(text: str) -> str:
    """The name in a text whose city is called otherwise in its language."""
    opening = text.split(".")[0]
    return next(
        filter(
            None,
            (re.match(p, opening) for p in (r"(.+?) (?:is|ist|est) ", r"(?:A|Eine?|Une?) .*: (.+)", r"(.+?) ?: ")),
        )
    )[1]


def test_sizes_and_names_that_do_not_exist(world):
    with pytest.raises(ValueError, match="size=234909: a world has between 7 and 234,908 places"):
        EmbeddedWorld(size=234_909)
    with pytest.raises(ValueError, match="split='country': a world is split by 'blocks' or at 'random'"):
        EmbeddedWorld(split="country")
    with pytest.raises(ValueError, match="split='dev': a world has the splits train, validation, test"):
        world.rows("dev")
    with pytest.raises(ValueError, match=r"rows 5 to 3 of split 'test'"):
        world.rows("test", 5, 3)


@pytest.mark.parametrize("split", ["blocks", "random"])
def test_the_smallest_worlds_have_a_cell(split):
    for seed in range(20):
        world = EmbeddedWorld(size=7, split=split, seed=seed)
        assert len(list(world.rows("train"))) == world.split_sizes["train"] and len(world.partition) >= 1


def test_the_whole_world_has_the_papers_cells():
    world = EmbeddedWorld(size=234_908, split="random")
    assert len(world.partition) == 1160 and sum(world.split_sizes.values()) == 234_406
    assert np.bincount(world.partition.levels).tolist() == [1, 3, 16, 63, 151, 307, 299, 292, 28]
    assert len(list(world.rows("validation", 23_000, 23_100))) == 100
