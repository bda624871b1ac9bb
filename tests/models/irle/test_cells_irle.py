from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from s2sphere import CellId, LatLng

from hf_mlm.geo.partition import GeoCellPartition
from hf_mlm.models.irle.cells_irle import GeoCells, coarse_groups
from hf_mlm.models.irle.configuration_irle import IRLEConfig
from hf_mlm.models.irle.modeling_irle import IRLEForRetrievalAndGeo
from tests.models.irle.tiny import TOKENS, feature_config


EARTH_KM = 6371.0088


def cells() -> GeoCells:
    return GeoCells.from_config(feature_config())


def test_places_follow_from_the_tokens() -> None:
    for token, latitude, longitude, radius in zip(TOKENS, *cells(), strict=True):
        centre = CellId.from_token(token).to_lat_lng()
        assert (latitude, longitude) == pytest.approx((centre.lat().degrees, centre.lng().degrees))
        inside = CellId.from_token(token).range_min().to_lat_lng()
        assert 0 < centre.get_distance(inside).radians * EARTH_KM <= radius * (1 + 1e-9)


def test_places_that_are_given_are_taken() -> None:
    places = {"cell_latitudes": [0, 0, 10], "cell_longitudes": [0, 1, 0]}
    assert GeoCells.from_config(IRLEConfig(**places)).radii_km == pytest.approx([111.2, 111.2, 1111.9], abs=0.1)
    assert GeoCells.from_config(IRLEConfig(**places, cell_radii_km=[1, 2, 3])).radii_km.tolist() == [1, 2, 3]


@pytest.mark.parametrize("token", ["1", "14", "479", "b"])
def test_the_circle_around_any_place_of_a_cell_covers_the_cell(token: str) -> None:
    cell, generator = CellId.from_token(token), np.random.default_rng(0)
    first, last = cell.range_min().id(), cell.range_max().id()
    leaves = [CellId(int(number) | 1).to_lat_lng() for number in generator.uniform(first, last, 300)]
    for place in leaves[:20]:
        where = {"cell_latitudes": [place.lat().degrees], "cell_longitudes": [place.lng().degrees]}
        radius = GeoCells.from_config(IRLEConfig(cell_tokens=[token], **where)).radii_km[0]
        farthest = max(place.get_distance(other).radians for other in leaves) * EARTH_KM
        assert farthest <= radius * (1 + 1e-9) < 1.6 * farthest


def test_without_a_map_there_is_a_sentence() -> None:
    with pytest.raises(ValueError, match="99 cells and no map"):
        GeoCells.from_config(IRLEConfig(num_geo_cells=99))


def test_the_best_strategy_gives_the_centre_of_the_likeliest_cell() -> None:
    logits = torch.eye(len(TOKENS)) * 3
    place = cells().locate(logits, strategy="best")
    assert_same = np.testing.assert_array_equal
    assert_same(place.latitudes, cells().latitudes)
    assert_same(place.longitudes, cells().longitudes)
    assert place.latitudes.dtype == place.radius_km.dtype == np.float64


def test_the_mean_crosses_the_antimeridian() -> None:
    pacific = GeoCells(np.array([-17.0, -17.0, 60.0]), np.array([178.0, -178.0, 10.0]), np.ones(3))
    place = pacific.locate([[2.0, 2.0, -9.0]], top_k=2)
    assert abs(place.longitudes[0]) == pytest.approx(180)
    assert place.latitudes[0] == pytest.approx(-17, abs=0.02)  # the middle of a great circle lies a little poleward


def test_antipodes_have_no_mean_and_give_the_best_centre() -> None:
    poles = GeoCells(np.array([90.0, -90.0]), np.zeros(2), np.ones(2))
    assert poles.locate([[0.0, 0.0]]).latitudes.tolist() == [90.0]


@given(
    st.lists(st.tuples(st.floats(-89, 89), st.floats(-180, 180), st.floats(0, 9)), min_size=1, max_size=8),
    st.floats(0.05, 1),
)
def test_the_radius_holds_its_share(rows: list[tuple[float, float, float]], share: float) -> None:
    """Brute force: the smallest circle whose whole cells have the share of the probability."""
    latitudes, longitudes, logits = (np.array(column) for column in zip(*rows, strict=True))
    radii = np.full(len(rows), 30.0)
    place = GeoCells(latitudes, longitudes, radii).locate(logits[None], share=share)
    found = LatLng.from_degrees(place.latitudes[0], place.longitudes[0])
    reach = [
        EARTH_KM * found.get_distance(LatLng.from_degrees(*centre)).radians + 30
        for centre in zip(latitudes, longitudes, strict=True)
    ]
    probabilities = np.exp(logits) / np.exp(logits).sum()

    def inside(radius: float) -> float:
        return sum(p for p, far in zip(probabilities, reach, strict=True) if min(far, np.pi * EARTH_KM) <= radius)

    assert inside(place.radius_km[0] + 1e-3) >= share - 1e-9
    smaller = max((far for far in reach if far < place.radius_km[0] - 1e-3), default=-1.0)
    assert inside(smaller) < share + 1e-9


def test_galleries_larger_than_a_block_come_out_in_order() -> None:
    logits = np.random.default_rng(0).normal(size=(2500, len(TOKENS)))
    whole, parts = cells().locate(logits), [cells().locate(logits[i : i + 1]) for i in (0, 1023, 1024, 2499)]
    for name in whole._fields:
        expected = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_allclose(getattr(whole, name)[[0, 1023, 1024, 2499]], expected)
    assert cells().locate(np.zeros((0, len(TOKENS)))).latitudes.shape == (0,)


@pytest.mark.parametrize(
    ("logits", "options", "sentence"),
    [
        (np.zeros((2, 4)), {}, r"geo_logits has shape \(2, 4\); this map has \(batch, 5\)"),
        (np.zeros((2, 5)), {"strategy": "median"}, "strategy='median'"),
        (np.zeros((2, 5)), {"share": 0.0}, "share=0.0"),
        (np.zeros((2, 5)), {"top_k": 0}, "top_k=0"),
    ],
)
def test_a_wrong_argument_gets_a_sentence(logits: np.ndarray, options: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        cells().locate(logits, **options)


def test_the_model_locates_by_its_own_map() -> None:
    model = IRLEForRetrievalAndGeo(feature_config())
    ours = model.predict_coordinates(torch.eye(len(TOKENS)).bfloat16(), strategy="best")
    np.testing.assert_array_equal(ours.latitudes, GeoCellPartition.from_tokens(TOKENS).centers[0])


@pytest.mark.parametrize("level", [0, 1, 2, 5])
def test_coarse_groups_are_those_of_s2sphere(level: int) -> None:
    tokens = ["0c4", "0cc", "0d4", "1", "479", "47b", "47d04"]
    ids = [CellId.from_token(token) for token in tokens]
    ancestors = [cell.parent(level) if cell.level() > level else cell for cell in ids]
    groups = coarse_groups(tokens, level)
    for i, one in enumerate(ancestors):
        assert [groups[i] == group for group in groups] == [one == other for other in ancestors]
