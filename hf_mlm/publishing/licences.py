"""Licences by the names that the Hub gives them."""

from __future__ import annotations

import difflib


# https://huggingface.co/docs/hub/repositories-licenses.
_NAMES = """
afl-3.0 agpl-3.0 apache-2.0 apple-amlr apple-ascl artistic-2.0 bigcode-openrail-m bigscience-bloom-rail-1.0
bigscience-openrail-m bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5
cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0
cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0
cdla-permissive-2.0 cdla-sharing-1.0 creativeml-openrail-m deepfloyd-if-license ecl-2.0 epl-1.0 epl-2.0 etalab-2.0
eupl-1.1 eupl-1.2 fair-noncommercial-research-license gemma gfdl gpl gpl-2.0 gpl-3.0 h-research intel-research isc
lgpl lgpl-2.1 lgpl-3.0 lgpl-lr llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 lppl-1.3c mit mpl-2.0 ms-pl ncsa odbl
odc-by ofl-1.1 openmdw-1.0 openrail openrail++ osl-3.0 other pddl postgresql unknown unlicense wtfpl zlib
"""
LICENCES = frozenset(_NAMES.split())


def check_licence(licence: str) -> str:
    """Refuse a licence that the Hub does not know.

    Args:
        licence: its identifier, such as ``"apache-2.0"``.

    Returns:
        ``licence``.

    Raises:
        ValueError: if the Hub has no such identifier; the sentence names the nearest.

    Example:
        >>> check_licence("Apache 2")
        Traceback (most recent call last):
        ValueError: the Hub knows no licence 'Apache 2'; did you mean 'apache-2.0'? For one ...
    """
    if licence not in LICENCES:
        near = _nearest(licence.lower().replace(" ", "-"))
        raise ValueError(
            f"the Hub knows no licence {licence!r}; did you mean {near!r}? For one that it has no name for, write "
            "'other' (all names: https://huggingface.co/docs/hub/repositories-licenses)."
        )
    return licence


def _nearest(name: str) -> str:
    """The latest of those that begin so, else the most similar."""
    longer = [licence for licence in LICENCES if licence.startswith(name)]
    if name and longer:
        return max(longer, key=lambda licence: (-len(licence), licence))
    return difflib.get_close_matches(name, sorted(LICENCES), n=1, cutoff=0)[0]
