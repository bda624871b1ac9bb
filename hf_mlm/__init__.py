"""Multimodal retrieval, geolocation and named entity recognition for the Hugging Face stack.

Importing the package registers its datasets, models, processors and pipelines with ``datasets`` and ``transformers``,
whichever is imported first, and costs milliseconds: every public name is loaded when it is first used (PEP 562). The
names follow from `hf_mlm.registry`; ``__init__.pyi`` lists them for type checkers.
"""

from __future__ import annotations

from typing import Any

from hf_mlm.registration import install_hooks
from hf_mlm.registry import load, public_names


__version__ = "0.1.0"
__all__ = sorted(public_names())  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used; an unknown one is an AttributeError."""
    path = public_names().get(name)
    if path is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = load(path)
    return value


def __dir__() -> list[str]:
    """List the names that are loaded and those that can be."""
    return sorted({*globals(), *public_names()})


install_hooks()
