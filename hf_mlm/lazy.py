"""Packages whose names load when they are first used, so that importing a package costs nothing (PEP 562)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy_attributes(package: str, modules: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make ``__getattr__`` and ``__dir__`` of a package; a name that was loaded once is an ordinary attribute.

    Args:
        package: its ``__name__``.
        modules: public name -> the module that holds it, relative to the package.

    Example:
        >>> load, listing = lazy_attributes("hf_mlm.geo", {"GeoCellPartition": "partition"})
        >>> load("GeoCellPartition").__module__, "GeoCellPartition" in listing()
        ('hf_mlm.geo.partition', True)
    """

    def load(name: str) -> Any:
        """Load a public name when it is first used; an unknown one is an AttributeError."""
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def listing() -> list[str]:
        """The names that are loaded and those that can be."""
        return sorted({*vars(sys.modules[package]), *modules})

    return load, listing
