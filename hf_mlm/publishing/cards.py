"""Parts that the cards of models and datasets share: Markdown, front matter, licences, and origins of data."""

from __future__ import annotations

import difflib
import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CardData

from hf_mlm.data.mlm.builder import CITATION as MLM_CITATION
from hf_mlm.data.mmnerd.builder import CITATION as MMNERD_CITATION
from hf_mlm.runs.provenance import OWN
from hf_mlm.world.sources import ATTRIBUTION


TEMPLATES = Path(__file__).parent / "templates"
HOME = "https://pypi.org/project/hf-mlm/"
LIBRARY = "hf-mlm"
CITATIONS = {"mlm": MLM_CITATION, "mmnerd": MMNERD_CITATION}


@dataclass(frozen=True)
class Origin:
    """An origin of data, and what follows from it for cards.

    Args:
        name: as metrics call the dataset.
        title: heading of a card of the data itself.
        terms: sentence on the data's licence.
        data_licence: the Hub's name for it; None where the publisher has to state one.
        weights_licence: of models trained on the data, likewise.
    """

    name: str
    title: str
    terms: str
    data_licence: str | None = None
    weights_licence: str | None = None


ORIGINS = {
    "mlm": Origin(
        "MLM",
        "MLM: multiple languages and modalities",
        "Data: MLM, CC BY 4.0 (Zenodo record 3885753); its summaries are Wikipedia's, CC BY-SA.",
        "cc-by-4.0",
        "apache-2.0",
    ),
    "mmnerd": Origin(
        "MMNERD",
        "MMNERD: multilingual multimodal entities",
        "Data: MMNERD states no licence; its authors give it for research.",
        "unknown",
    ),
    "demo": Origin("embedded world of hf_mlm", "The embedded world of hf_mlm", ATTRIBUTION, "cc-by-4.0", "apache-2.0"),
    OWN: Origin(
        "files of the publisher's own",
        "Files of the publisher's own",
        "Data: files of the publisher's own, whose licence is for them to tell.",
    ),
}


def escape(value: object) -> str:
    r"""Write a value from data or settings so that Markdown and HTML show it as it is, on one line.

    Example:
        >>> print(escape("<b>port</b> [here](http://x) *new*"))
        &lt;b&gt;port&lt;/b&gt; \[here\](http&#58;//x) \*new\*
    """
    text = html.escape(" ".join(str(value).split()), quote=False)
    return re.sub(r"([\\`*_\[\]~$])", r"\\\1", text).replace("://", "&#58;//")


def code(value: object) -> str:
    """Write a value from data or settings as a code span, whatever backquotes it holds.

    Example:
        >>> print(code("entity_id"), code("a`b"))
        `entity_id` `` a`b ``
    """
    text = " ".join(str(value).split())
    runs = re.findall("`+", text)
    fence = "`" * (max(map(len, runs), default=0) + 1)
    return f"{fence} {text} {fence}" if runs else f"`{text}`"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: bool = True) -> str:
    """Write a Markdown table.

    Args:
        header: names of the columns.
        rows: cells in Markdown; a ``|`` in them is escaped.
        numbers: whether all columns but the first are aligned to the right.

    Example:
        >>> print(markdown_table(["split", "rows"], [["train", "12"]]))
        | split | rows |
        |---|---:|
        | train | 12 |
    """
    rule = ["---", *["---:" if numbers else "---"] * (len(header) - 1)]
    lines = [[re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in cells] for cells in (header, *rows)]
    first, *others = [f"| {' | '.join(cells)} |" for cells in lines]
    return "\n".join([first, f"|{'|'.join(rule)}|", *others])


def with_front_matter(data: CardData, body: str) -> str:
    """Put the Hub's metadata, in YAML, above the body of a card."""
    return f"---\n{data}\n---\n\n{body}"


# The vocabulary of the Hub, which refuses a card with any other name; no library holds it
# (https://huggingface.co/docs/hub/repositories-licenses).
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
    """Find the Hub's name for a licence.

    Args:
        licence: that name, or the identifier of SPDX, in letters of any case.

    Raises:
        ValueError: if the Hub has no such licence; the message names the nearest.

    Example:
        >>> check_licence("CC-BY-4.0"), check_licence("GPL-3.0-or-later"), check_licence("ODbL-1.0")
        ('cc-by-4.0', 'gpl-3.0', 'odbl')
        >>> check_licence("Apache 2")
        Traceback (most recent call last):
        ValueError: Expected a licence that the Hub knows, found 'Apache 2'; did you mean 'apache-2.0'? For one ...
    """
    name = re.sub(r"-(only|or-later)$", "", licence.lower())
    for known in (name, name.removesuffix("-1.0")):
        if known in LICENCES:
            return known
    raise ValueError(
        f"Expected a licence that the Hub knows, found {licence!r}; did you mean {_nearest(name)!r}? For one that it "
        "has no name for, write 'other' (all names: https://huggingface.co/docs/hub/repositories-licenses)."
    )


def _nearest(name: str) -> str:
    """The latest of those that begin so, else the most similar."""
    name = name.replace(" ", "-")
    longer = [licence for licence in LICENCES if licence.startswith(name)]
    if name and longer:
        return max(longer, key=lambda licence: (-len(licence), licence))
    return difflib.get_close_matches(name, sorted(LICENCES), n=1, cutoff=0)[0]
