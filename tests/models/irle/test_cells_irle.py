from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from hypothesis import given
from hypothesis import strategies as st
from s2sphere import CellId, LatLng

from hf_mlm.geo.partition import GeoCellPartition
from hf_mlm.models.irle.cells_irle import GeoCells, Locator, coarse_groups
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


class Known:
    """A gallery of three entities on the axes, whose embeddings are the axes of the space."""

    def __init__(self, positions: list[list[float]]):
        self.positions = np.array(positions, dtype=np.float64)

    def search(self, queries: torch.Tensor, modality: str, top_k: int) -> tuple[np.ndarray, np.ndarray]:
        scores = queries.double().numpy()[:, : len(self.positions)]
        order = np.argsort(-scores, axis=1)[:, :top_k]
        return np.take_along_axis(scores, order, 1), order


QUANTILES = [2.0] * 99


def calibrated(**changes: Any) -> IRLEConfig:
    """Settings of a model that was calibrated: the nearest neighbour alone, circles of twice the expected distance."""
    config = feature_config(embedding_size=3)
    kernel = {"temperature": 0.01, "cell_weight": 0.0, "bandwidth_km": 50.0}
    strategies = dict.fromkeys(("neighbours", "mean", "best"), QUANTILES)
    config.calibration = {
        "cells": config.cell_digest,
        "temperatures": {"image": 2.0, "text": 1.0},
        "kernels": {"image": kernel, "text": kernel},
        "quantiles": {"image": strategies, "text": strategies, "image+text": strategies},
        **changes,
    }
    return config


POSITIONS = [[48.2, 16.4], [-33.9, 151.2], [0.0, 179.0]]


def outputs(*modalities: str, row: int = 1) -> dict[str, dict[str, torch.Tensor]]:
    logits = torch.zeros(1, len(TOKENS))
    return {name: {"embeds": torch.eye(3)[[row]], "geo_logits": logits} for name in modalities}


@pytest.mark.parametrize("modalities", [("image",), ("text",), ("image", "text")])
def test_the_nearest_entity_is_the_position(modalities: tuple[str, ...]) -> None:
    locator = Locator(calibrated(), Known(POSITIONS))
    assert locator.strategy == "neighbours"
    found = locator.locate(outputs(*modalities))
    assert (found.latitudes.item(), found.longitudes.item()) == pytest.approx((-33.9, 151.2), abs=1e-3)
    spread = locator.positions(outputs(*modalities), "neighbours")[2].item()
    assert found.radius_km.item() == pytest.approx(2 * spread)


def test_the_probability_of_cells_decides_between_entities_that_are_alike() -> None:
    positions = [GeoCells.from_config(feature_config())[0][:2], GeoCells.from_config(feature_config())[1][:2]]
    config = calibrated(kernels={"image": {"temperature": 1.0, "cell_weight": 1.0, "bandwidth_km": 50.0}})
    locator = Locator(config, Known(np.stack(positions, axis=1).tolist()))
    for cell in (0, 1):
        logits = torch.full((1, len(TOKENS)), -9.0)
        logits[0, cell] = 9.0
        found = locator.locate({"image": {"embeds": torch.zeros(1, 3), "geo_logits": logits}})
        assert (found.latitudes.item(), found.longitudes.item()) == pytest.approx(
            (positions[0][cell], positions[1][cell]), abs=0.01
        )


def test_a_temperature_flattens_the_probabilities_of_its_modality() -> None:
    logits = torch.tensor([[4.0] + [0.0] * (len(TOKENS) - 1)])
    found = {
        name: Locator(calibrated()).log_probabilities({name: {"geo_logits": logits}}) for name in ("image", "text")
    }
    assert np.exp(found["text"]) == pytest.approx(logits.softmax(1).numpy())
    assert np.exp(found["image"]) == pytest.approx((logits / 2).softmax(1).numpy())


def test_coarser_cells_multiply_the_fine_ones_where_that_helped() -> None:
    config = IRLEConfig(cell_tokens=["0c4", "0cc", "0d4", "479"], hierarchy_levels=[2])
    config.calibration = {"cells": config.cell_digest, "hierarchy": True}
    fine = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    parents = [CellId.from_token(token).parent(2).to_token() for token in config.cell_tokens]
    sums = [sum(p for p, other in zip(fine[0].tolist(), parents, strict=True) if other == own) for own in parents]
    expected = fine.numpy() * np.array(sums)
    found = np.exp(Locator(config).log_probabilities({"image": {"geo_logits": fine.log()}}))
    assert found == pytest.approx(expected / expected.sum())


def test_entities_without_a_position_do_not_speak() -> None:
    unknown = [*POSITIONS[:1], [np.nan, np.nan], POSITIONS[2]]
    found = Locator(calibrated(), Known(unknown)).locate(outputs("image"))
    assert np.isfinite(found.latitudes).all() and found.latitudes.item() != pytest.approx(-33.9, abs=1)
    assert Locator(calibrated(), Known([[np.nan, np.nan]])).strategy == "mean"


def test_neighbours_need_a_gallery_and_a_calibration() -> None:
    for locator in (Locator(calibrated()), Locator(feature_config(embedding_size=3), Known(POSITIONS))):
        assert locator.strategy == "mean"
        with pytest.raises(ValueError, match="gallery of the run.*strategy='neighbours'"):
            locator.locate(outputs("image"), strategy="neighbours")


def test_a_calibrated_radius_needs_a_share_below_1() -> None:
    with pytest.raises(ValueError, match=r"share in \(0, 1\), found 1"):
        Locator(calibrated()).locate(outputs("image"), share=1)


def test_a_calibration_of_other_cells_is_refused() -> None:
    settings = feature_config().to_dict()
    with pytest.raises(StrictDataclassError, match="calibration of these .* cells"):
        IRLEConfig(**{**settings, "calibration": {"cells": "0123456789abcdef"}})


def test_a_world_of_one_cell_is_located_in_it() -> None:
    config = IRLEConfig(cell_tokens=["479"])
    found = Locator(config).locate({"text": {"geo_logits": torch.zeros(2, 1)}})
    assert found.latitudes == pytest.approx(GeoCells.from_config(config).latitudes.repeat(2))


def test_the_model_locates_by_its_neighbours(tmp_path: Path) -> None:
    model = IRLEForRetrievalAndGeo(calibrated()).eval()
    model.save_pretrained(tmp_path)
    loaded = IRLEForRetrievalAndGeo.from_pretrained(tmp_path)
    given = outputs("image", row=2)["image"]
    place = loaded.predict_coordinates(**given, strategy="neighbours", share=0.5, gallery=Known(POSITIONS))
    assert (place.latitudes.item(), place.longitudes.item()) == pytest.approx((0.0, 179.0), abs=1e-3)
