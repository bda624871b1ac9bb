"""HTML that is well-formed, escaped and self-contained by construction: one function builds every element.

What comes out is also XML, so any XML parser can check it; no page here needs a script or another file.
"""

from __future__ import annotations

import base64
import html
from pathlib import Path


class Markup(str):
    """A string that is markup already; every other string is text and gets escaped.

    Example:
        >>> element("p", "a < b")
        '<p>a &lt; b</p>'
        >>> element("p", element("b", "bold"))
        '<p><b>bold</b></p>'
    """

    __slots__ = ()


def element(tag: str, /, *children: str | None, **attributes: object) -> Markup:
    """Build one HTML or SVG element.

    Args:
        tag: its name.
        children: text (escaped) or ``Markup`` (kept); ``None`` is left out.
        attributes: their values are escaped, ``None`` leaves one out; ``class_`` stands for ``class`` and an inner
            underscore for a hyphen.

    Example:
        >>> element("td", "±180°", class_="number", data_unit="°")
        '<td class="number" data-unit="°">±180°</td>'
        >>> element("img", src="a.png", alt=None)
        '<img src="a.png"/>'
    """
    pairs = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items() if value is not None}
    opening = tag + "".join(f' {key}="{html.escape(str(value))}"' for key, value in pairs.items())
    content = join(*children)
    if not content and tag in _EMPTY_ELEMENTS:
        return Markup(f"<{opening}/>")
    return Markup(f"<{opening}>{content}</{tag}>")


def join(*children: str | None, separator: str = "") -> Markup:
    """Concatenate text (escaped) and ``Markup`` (kept)."""
    return Markup(
        separator.join(
            child if isinstance(child, Markup) else html.escape(child, quote=False)
            for child in children
            if child is not None
        )
    )


def drawing(width: float, height: float, title: str, /, *marks: str | None, **attributes: object) -> Markup:
    """Build an SVG drawing, as wide as the page leaves it room.

    Args:
        width: of its coordinates, from 0; rounded.
        height: likewise, y downwards.
        title: what a screen reader says instead of the picture.
        marks: what is drawn, the lowest first; ``None`` is left out.
        attributes: as in `element`.

    Example:
        >>> drawing(8, 4, "a dot", element("circle", r=2), class_="map")
        '<svg class="map" viewBox="0 0 8 4" role="img" aria-label="a dot" xmlns="http://www.w3.org/2000/svg"><circle...'
    """
    shared = {"viewBox": f"0 0 {width:.0f} {height:.0f}", "role": "img", "aria_label": title, "xmlns": _SVG}
    return element("svg", *marks, **attributes, **shared)


def data_uri(content: bytes, media_type: str) -> str:
    """Put a file's bytes into an address, so that the page needs no second file.

    Example:
        >>> data_uri(b"hi", "text/plain")
        'data:text/plain;base64,aGk='
    """
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def page(title: str, *sections: Markup | None, language: str = "en") -> str:
    """Wrap sections into a whole document with the house style sheet inside it."""
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(style)),
    )
    body = element("body", element("main", *sections))
    return "<!DOCTYPE html>\n" + element("html", head, body, lang=language) + "\n"


_SVG = "http://www.w3.org/2000/svg"
_EMPTY_ELEMENTS = frozenset(
    ("br", "hr", "img", "meta", "link", "input", "path", "line", "rect", "circle", "polyline", "image", "use")
)
