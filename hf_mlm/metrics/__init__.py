"""Metrics: pure functions in ``functional``, and modules over them for ``evaluate.load``.

Importing this package loads neither NumPy nor ``evaluate``.
"""

from __future__ import annotations

from pathlib import Path


def path(name: str) -> str:
    """Return the folder of a metric, which ``evaluate.load`` opens without a network.

    Args:
        name: ``"retrieval"``, ``"geo"`` or ``"entity_f1"``.

    Raises:
        ValueError: where there is no such metric.

    Example:
        >>> path("entity_f1").endswith("entity_f1")
        True
    """
    here = Path(__file__).parent
    names = sorted(card.parent.name for card in here.glob("*/README.md"))
    if name not in names:
        raise ValueError(f"there is no metric {name!r}; choose one of {', '.join(names)}.")
    return str(here / name)
