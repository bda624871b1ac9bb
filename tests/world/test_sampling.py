import numpy as np
import pytest

from hf_mlm.world.sampling import sample


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
