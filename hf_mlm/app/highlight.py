"""Entities marked in their text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hf_mlm.reporting.html import Markup, element


def highlighted(text: str, entities: Sequence[Mapping[str, Any]]) -> Markup:
    """Mark entities in their text.

    Args:
        text: as the tagger got it.
        entities: of the pipeline ``multimodal-ner``, in the order of the text.

    Example:
        >>> found = [{"entity_group": "LOC", "score": 0.9, "start": 3, "end": 7}]
        >>> highlighted("in Rome!", found)
        '<p class="text" dir="auto">in <mark class="loc" title="90%">Rome<span>LOC</span></mark>!</p>'
    """
    parts: list[str] = []
    end = 0
    for entity in entities:
        kind, marked = entity["entity_group"], text[entity["start"] : entity["end"]]
        score = f"{entity['score']:.0%}"
        parts += [text[end : entity["start"]]]
        parts += [element("mark", marked, element("span", kind), class_=kind.lower(), title=score)]
        end = entity["end"]
    return element("p", *parts, text[end:], class_="text", dir="auto")


def named_in(text: str, entities: Sequence[Mapping[str, Any]]) -> Markup:
    """The section on a text: the text with its entities, or that there are none."""
    none = None if entities else element("p", "No entity was found.", class_="quiet")
    return element("section", element("h2", "Named in the text"), highlighted(text, entities), none)
