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
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hf_mlm.geo import s2
from hf_mlm.world import EmbeddedWorld
from hf_mlm.world.embedded import BLOCK_LEVEL, blocks, fit_cells, hashed, sample, split_by_group, uniform
from hf_mlm.world.languages import SUMMARIES
from hf_mlm.world.places import load_places


WORD = 2**64


def splitmix64(state: int) -> int:
    """One step of SplitMix64 in unbounded integers, as its authors give it."""
    state = (state + 0x9E3779B97F4A7C15) % WORD
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) % WORD
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) % WORD
    return state ^ (state >> 31)


@given(st.lists(st.integers(0, 2**63 - 1), min_size=2, max_size=20))
def test_equals_splitmix64_in_unbounded_integers(ids):
    got = hashed(np.array(ids), "anything").tolist()
    salt = next(s for s in [_salt(ids[0], got[0])])
    assert got == [splitmix64(i ^ salt) for i in ids]


def _salt(number: int, result: int) -> int:
    """The salt that leads from a number to its hash: SplitMix64 run backwards."""
    result ^= result >> 31 ^ result >> 62
    result = result * pow(0x94D049BB133111EB, -1, WORD) % WORD
    result ^= result >> 27 ^ result >> 54
    result = result * pow(0xBF58476D1CE4E5B9, -1, WORD) % WORD
    result ^= result >> 30 ^ result >> 60
    return (result - 0x9E3779B97F4A7C15) % WORD ^ number


def test_purposes_and_seeds_give_unrelated_numbers():
    ids = np.arange(20_000)
    draws = [uniform(ids, "a"), uniform(ids, "b"), uniform(ids, "a", seed=1)]
    assert np.abs(np.corrcoef(draws) - np.eye(3)).max() < 0.03


def test_uniform_fills_the_open_interval_evenly():
    draws = uniform(np.arange(100_000), "evenness")
    assert draws.min() > 0 and draws.max() < 1
    counts = np.histogram(draws, bins=10, range=(0, 1))[0]
    assert np.abs(counts - 10_000).max() < 500  # five standard deviations


@pytest.fixture
def spread(made_up):
    """Makes places that are all far apart."""

    def make(count: int, **columns):
        grid = np.arange(count)
        far = {"latitudes": (grid // 300 - 30) * 1.0, "longitudes": (grid % 300 - 150) * 1.0}
        return made_up(count, names=["Town"] * count, **far, **columns)

    return make


def test_does_not_depend_on_the_order_of_the_places(spread):
    original = spread(500, populations=np.arange(500) ** 2)
    shuffled = original.take(np.random.default_rng(0).permutation(500))
    assert original.geoname_ids[sample(original, 60)].tolist() == shuffled.geoname_ids[sample(shuffled, 60)].tolist()


def test_worlds_are_nested_and_seeds_differ(spread):
    all_places = spread(500)
    small, large, other = sample(all_places, 50), sample(all_places, 200), sample(all_places, 50, seed=1)
    assert set(small) < set(large)
    assert len(set(small) & set(other)) < 20
    assert sorted(sample(all_places, 500)) == list(range(500))


def test_countries_are_drawn_by_the_root_of_their_number_of_places(spread):
    all_places = spread(10_100, countries=["AA"] * 10_000 + ["BB"] * 100)
    drawn = [np.mean(all_places.countries[sample(all_places, 40, seed)] == "BB") for seed in range(60)]
    assert np.mean(drawn) == pytest.approx(10 / 110, abs=0.02)  # 0.01, were places drawn evenly


def test_bigger_places_are_likelier_by_the_fourth_root(spread):
    all_places = spread(10_000, populations=np.repeat([0, 81 * 500 - 500], 5_000))
    drawn = [np.mean(sample(all_places, 40, seed) >= 5_000) for seed in range(60)]
    assert np.mean(drawn) == pytest.approx(3 / 4, abs=0.03)


def test_one_place_a_pixel_and_no_numbers_until_the_others_are_used_up(made_up):
    crowded = made_up(
        10,
        names=["Village", "City", "Hamlet", "Ct 0001", *"ABCDEF"],
        latitudes=[10.0, 10.01, 9.99, 40.0, *range(50, 56)],
        longitudes=[10.0, 10.01, 9.99, 40.0, *range(50, 56)],
        populations=[200, 90_000, 100, 5_000, *[10] * 6],
    )
    for seed in range(20):
        assert set(crowded.names[sample(crowded, 7, seed)]) == {"City", *"ABCDEF"}


@pytest.mark.parametrize("size", [0, -1, 6, 11])
def test_says_how_many_places_there_are(size, made_up):
    with pytest.raises(ValueError, match=rf"size={size}: a world has between 7 and 10 places"):
        sample(made_up(10), size)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=300), st.integers(0, 5))
def test_groups_stay_together_and_shares_miss_by_at_most_the_largest_group(groups, seed):
    groups = np.array(groups)
    sides = split_by_group(groups, seed)
    assert all(len(set(sides[groups == group])) == 1 for group in set(groups))
    largest = np.bincount(groups).max()
    counts = np.bincount(sides, minlength=3)
    assert np.abs(counts - len(groups) * np.array([0.8, 0.1, 0.1])).max() <= largest


def test_the_split_depends_on_groups_and_seed_alone():
    groups = np.random.default_rng(0).integers(0, 200, 1000)
    order = np.random.default_rng(1).permutation(1000)
    np.testing.assert_array_equal(split_by_group(groups)[order], split_by_group(groups[order]))
    assert (split_by_group(groups) != split_by_group(groups, seed=1)).mean() > 0.2


def test_blocks_are_cells_of_s2sphere():
    rng = np.random.default_rng(2)
    latitudes, longitudes = rng.uniform(-90, 90, 200), rng.uniform(-180, 180, 200)
    expected = [
        s2sphere.CellId.from_lat_lng(s2sphere.LatLng.from_degrees(*place)).parent(5).id()
        for place in zip(latitudes.tolist(), longitudes.tolist(), strict=True)
    ]
    assert blocks(latitudes, longitudes).tolist() == expected


def crowd(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.normal(48, 2, count), rng.normal(9, 3, count)


def test_thresholds_are_the_papers_in_the_whole_world_and_shrink_with_it():
    latitudes, longitudes = crowd(3000)
    whole = fit_cells(latitudes, longitudes, share=1.0, coarser_than_blocks=False)
    assert whole.settings["max_entities"] == 500 and whole.settings["min_entities"] == 20
    demo = fit_cells(latitudes, longitudes, share=6000 / 234_908, coarser_than_blocks=False)
    assert demo.settings["max_entities"] == 240 and demo.settings["min_entities"] == 10


def test_cells_finer_than_blocks_are_merged_and_counted_anew():
    latitudes, longitudes = crowd(5000)
    fine = fit_cells(latitudes, longitudes, share=0.01, coarser_than_blocks=False)
    merged = fit_cells(latitudes, longitudes, share=0.01, coarser_than_blocks=True)
    assert fine.levels.max() > BLOCK_LEVEL > merged.levels.max()
    index = merged.assign(latitudes, longitudes)
    assert merged.counts.tolist() == [int((index == cell).sum()) for cell in range(len(merged))]
    assert (index[fine.assign(latitudes, longitudes) >= 0] >= 0).all()
    covered = s2.parents(fine.cell_ids[fine.levels >= 4], 4)
    assert set(merged.cell_ids.tolist()) == set(covered.tolist()) | set(fine.cell_ids[fine.levels < 4].tolist())


def test_a_world_too_small_for_cells_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="No cell holds enough"):
        fit_cells(np.array([0.0]), np.array([0.0]), share=1.0, coarser_than_blocks=True)


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
        assert re.fullmatch(r"G\d+", row["entity_id"]) and set(row["summaries"]) == set(SUMMARIES)
        (image,) = row["images"]
        with Image.open(io.BytesIO(image["bytes"])) as picture:
            assert picture.size == (64, 64) and picture.mode == "RGB" and image["path"].endswith(".jpg")
        assert {type(row[key]) for key in ("label", "country")} == {str} and type(row["geo_cell"]) is int
        assert {type(row[key]) for key in ("latitude", "longitude")} == {float}


def test_every_place_lies_in_its_cell(world, rows):
    for row in rows[::10]:
        assert s2sphere.CellId.from_token(world.partition.tokens[row["geo_cell"]]).contains(leaf(row))


def test_a_denser_world_trains_on_more_places_of_the_same_blocks(world, rows):
    denser = EmbeddedWorld(size=1500, density=3)
    assert denser.partition.tokens == world.partition.tokens
    assert digest(denser.rows("test")) == digest(world.rows("test"))
    training = list(denser.rows("train"))
    assert 2.5 * world.split_sizes["train"] < len(training) < 3.5 * world.split_sizes["train"]
    kept = {row["entity_id"] for row in training}
    assert {row["entity_id"] for row in world.rows("train")} <= kept and len(kept) == len(training)
    held_out = {leaf(row).parent(5).id() for split in ("validation", "test") for row in world.rows(split)}
    assert not held_out & {leaf(row).parent(5).id() for row in training}
    with pytest.raises(ValueError, match="density=0"):
        EmbeddedWorld(size=1500, density=0)


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

    for language in SUMMARIES:
        territories = Locale(language).territories
        assert all(territories[r["country"]].split(" (")[0] in r["summaries"][language] for r in rows)


def test_without_hints_nothing_tells_the_country_or_the_region(rows, rows_without_hints):
    from babel import Locale

    countries = set(load_places().countries)
    for language in SUMMARIES:
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
    "en": {"A", "Population", "About", "It", "Land", "Around", "Elevation", "Sea", "The"},
    "de": {
        *("Ein", "Eine", "Ort", "Kleinstadt", "Stadt", "Großstadt", "Millionenstadt", "Hauptstadt"),
        *("Meer", "See", "Einwohner", "Hier", "Menschen", "Der", "Ringsum", "Umland", "Höhe", "Das", "Teil", "Seiten"),
        *("Norden", "Osten", "Süden", "Westen", "Wald", "Buschland", "Savanne", "Grasland", "Feuchtgebiete"),
        *("Ackerland", "Wüste", "Ödland", "Schnee", "Eis"),
    },
    "fr": {"Un", "Une", "Population", "Environ", "On", "Alentours", "Paysage", "Altitude", "Mer", "La"},
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
