import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from hf_mlm.data.mmnerd.schemes import entities, violation
from hf_mlm.world.captions import LANGUAGES, SCENE_TYPES, CaptionedWorld, caption
from hf_mlm.world.embedded import blocks
from hf_mlm.world.languages import CAPTIONS
from hf_mlm.world.places import Facts, load_places


pytestmark = [pytest.mark.real, pytest.mark.usefixtures("demo_packages")]
pytest.importorskip("faker")

SHOWN = {tuple(template.split()) for phrases in CAPTIONS.values() for template in phrases.shown}


@pytest.fixture(scope="module")
def captioned(demo_packages):
    return CaptionedWorld(size=900)


@pytest.fixture(scope="module")
def rows(captioned):
    return {split: list(captioned.rows(split)) for split in captioned.split_sizes}


def shown_entity(row):
    """Start of the bare name that only the image tells the type of; None in the other half of the sentences."""
    for template in SHOWN:
        position = 0
        starts = {}
        found = {entity.start: entity for entity in entities(row["tags"])}
        for piece in template:
            if piece.startswith("{") and position in found:
                starts[piece] = position
                position = found[position].stop
            elif position < len(row["tokens"]) and row["tokens"][position] == piece:
                position += 1
            else:
                break
        else:
            if position == len(row["tokens"]):
                return starts["{name}"]
    return None


def shown_rows(rows):
    """Pictures' mean colours, sentences with the name masked, names and types of the bare names."""
    colours, texts, types = [], [], []
    for row in rows:
        start = shown_entity(row)
        if start is not None:
            with Image.open(io.BytesIO(row["image"]["bytes"])) as picture:
                colours.append(np.asarray(picture).mean(axis=(0, 1)))
            texts.append(f"{row['language']} " + " ".join(row["tokens"]))
            types.append(row["tags"][start][2:])
    return np.array(colours), texts, np.array(types)


def test_rows_keep_the_contract(captioned, rows):
    everything = [row for part in rows.values() for row in part]
    assert len(everything) == sum(captioned.split_sizes.values()) == 4 * 900
    assert len({row["id"] for row in everything}) == len(everything)
    for row in everything:
        assert list(row) == ["id", "tokens", "tags", "language", "source", "image_id", "image"]
        assert violation(row["tags"]) is None and len(row["tokens"]) == len(row["tags"])
        assert row["source"] == "generated" and row["id"] == f"{row['language']}-{row['image_id']}"
        assert not any("{" in token or token.split() != [token] for token in row["tokens"])
    assert Counter(row["language"] for row in everything) == dict.fromkeys(LANGUAGES, 900)
    counts = Counter(entity.type for row in everything for entity in entities(row["tags"]))
    assert set(counts) == {"PER", "LOC", "ORG", "MISC"} and min(counts.values()) > 500


def test_splits_share_neither_images_nor_blocks(rows):
    places = load_places()
    where = {int(number): i for i, number in enumerate(places.geoname_ids)}
    groups = {}
    for split, part in rows.items():
        chosen = [where[int(row["image_id"][1:])] for row in part]
        groups[split] = set(blocks(places.latitudes[chosen], places.longitudes[chosen]).tolist())
    assert not groups["train"] & groups["test"] and not (groups["train"] | groups["test"]) & groups["validation"]
    assert [len(rows[split]) / 3600 for split in rows] == pytest.approx([0.8, 0.1, 0.1], abs=0.02)


def test_any_slice_gives_the_same_rows(captioned, rows):
    assert list(captioned.rows("train", 1500, 1511)) == rows["train"][1500:1511]
    assert list(CaptionedWorld(size=900).rows("test", 0, 9)) == rows["test"][:9]
    assert {row["image_id"] for row in CaptionedWorld(size=900, seed=1).rows("train", 0, 80)} != {
        row["image_id"] for row in rows["train"][:80]
    }
    with pytest.raises(ValueError, match="rows 5 to 4 of split 'test'"):
        next(captioned.rows("test", 5, 4))
    with pytest.raises(ValueError, match="split='dev': a world has the splits train, validation, test"):
        next(captioned.rows("dev"))


def test_the_image_tells_the_bare_names_and_the_text_does_not(rows):
    """Logistic regressions: on three mean colours, and on the words, with the names that both splits share."""
    pytest.importorskip("sklearn")
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    colours, texts, types = shown_rows(rows["train"])
    held_colours, held_texts, held_types = shown_rows(rows["test"] + rows["validation"])
    assert len(types) == pytest.approx(len(rows["train"]) / 2, rel=0.1)
    shares = np.unique(types, return_counts=True)[1] / len(types)
    assert shares == pytest.approx([1 / 3] * 3, abs=0.07)
    seeing = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced")).fit(colours, types)
    assert seeing.score(held_colours, held_types) > 0.95
    assert seeing.score(np.random.default_rng(0).permutation(held_colours), held_types) < 0.45
    reading = make_pipeline(CountVectorizer(token_pattern=r"\S+", ngram_range=(1, 2)), LogisticRegression(C=0.1))
    assert reading.fit(texts, types).score(held_texts, held_types) < 0.45
    assert reading.score(texts, types) > 0.6  # it learns its sentences by heart, and that is of no use


def test_types_follow_the_image_alone(rows):
    types = {}
    for row in [row for part in rows.values() for row in part]:
        start = shown_entity(row)
        if start is not None:
            types.setdefault(row["image_id"], set()).add(row["tags"][start])
    assert all(len(found) == 1 for found in types.values())
    assert set().union(*types.values()) == {f"B-{kind}" for kind in SCENE_TYPES.values()}


def test_places_and_countries_are_called_as_the_language_calls_them():
    london = Facts(
        {"en": "London", "de": "London", "fr": "Londres", "es": "Londres"}, country="GB", timezone="Europe/London"
    )

    def words(facts, language):
        return " ".join(" ".join(caption(facts, language, bits, "LOC")[0]) for bits in range(200))

    assert ["Londres" in words(london, language) for language in ("en", "de", "fr", "es")] == [
        False,
        False,
        True,
        True,
    ]
    assert "Vereinigtes Königreich" in words(london, "de") and "Reino Unido" in words(london, "es")


@pytest.mark.parametrize("size", [0, 2])
def test_worlds_that_are_too_small_are_refused(size):
    with pytest.raises(ValueError, match=f"size={size}: a captioned world has 3 places or more"):
        CaptionedWorld(size=size)


def test_a_world_that_is_too_large_is_told_how_large_it_can_be(monkeypatch):
    monkeypatch.setattr("hf_mlm.world.captions.sample", lambda places, size, seed: np.arange(3000))
    with pytest.raises(ValueError, match=r"size=9000: at most [0-9,]+ places can be had with a third of each scene"):
        CaptionedWorld(size=9000)
