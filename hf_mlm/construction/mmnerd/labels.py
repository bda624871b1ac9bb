"""From an annotator's labels to the four types of MMNERD."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from hf_mlm.data.formats.iob2 import TYPES


REST = "*"  # every label that a map does not name
DROPPED = "O"
# "paper" takes 2M-NER literally: all but PER, LOC and ORG becomes MISC, so spaCy's GPE (cities, countries), too.
LABEL_MAPS: dict[str, dict[str, str]] = {
    "paper": {"PER": "PER", "PERSON": "PER", "LOC": "LOC", "ORG": "ORG", REST: "MISC"},
    "gpe_as_loc": {"PER": "PER", "PERSON": "PER", "LOC": "LOC", "GPE": "LOC", "ORG": "ORG", REST: "MISC"},
}


def load_label_map(name: str) -> dict[str, str]:
    """Look up a label map, or read one from a YAML file.

    Args:
        name: ``"paper"``, ``"gpe_as_loc"``, or a file that maps labels to PER, LOC, ORG, MISC or O (dropped), with
            ``"*"`` for all others.

    Raises:
        FileNotFoundError: if it is neither.
        ValueError: if the file is no such map.

    Example:
        >>> load_label_map("gpe_as_loc")["GPE"]
        'LOC'
    """
    if name in LABEL_MAPS:
        return LABEL_MAPS[name]
    if not Path(name).is_file():
        raise FileNotFoundError(f"label_map={name!r} is neither a file nor one of {', '.join(LABEL_MAPS)}.")
    content = yaml.safe_load(Path(name).read_text(encoding="utf-8"))
    if not isinstance(content, dict) or not set(content.values()) <= {*TYPES, DROPPED}:
        raise ValueError(f"{name} has to map labels to {', '.join(TYPES)} or {DROPPED}, such as 'GPE: LOC'.")
    return {str(label): kind for label, kind in content.items()}


def mapped(label: str, label_map: Mapping[str, str]) -> str | None:
    """The type that a label becomes; None where it is dropped, or the map knows neither it nor all others.

    Example:
        >>> [mapped(label, LABEL_MAPS["paper"]) for label in ("PERSON", "GPE")]
        ['PER', 'MISC']
    """
    kind = label_map.get(label, label_map.get(REST, DROPPED))
    return None if kind == DROPPED else kind
