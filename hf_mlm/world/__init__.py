"""The embedded world behind the ``demo`` configs: GeoNames, NASA's Blue Marble and the Unicode CLDR; NumPy only."""

from hf_mlm.world.embedded import EmbeddedWorld
from hf_mlm.world.sources import ATTRIBUTION, SOURCES, Source


__all__ = ["ATTRIBUTION", "SOURCES", "EmbeddedWorld", "Source"]
