import pytest

from hf_mlm.world.facts import Facts, band, classes
from hf_mlm.world.shores import LAKE, SEA


@pytest.mark.parametrize(
    ("population", "expected"),
    [
        (0, "human settlement"),
        (9, "human settlement"),
        (10, "small settlement"),
        (4_999, "small settlement"),
        (5_000, "small town"),
        (19_999, "small town"),
        (20_000, "town"),
        (99_999, "town"),
        (100_000, "big city"),
        (999_999, "big city"),
        (1_000_000, "city with millions of inhabitants"),
    ],
)
def test_bands_begin_at_their_bound(population, expected):
    assert band(population) == expected


def test_classes_tell_size_capital_and_shore_once_each():
    assert classes(Facts({}, population=0)) == ["human settlement"]
    lisbon = Facts({}, population=517_802, capital=True, shore=SEA)
    assert classes(lisbon) == ["human settlement", "big city", "capital city", "coastal settlement"]
    assert classes(Facts({}, population=50, shore=LAKE))[-1] == "lakeside settlement"
