"""Languages of Wikidata and Wikimedia: labels and their stand-ins, keys and domains of Wikipedias, names of files."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence


MULTIPLE = "mul"  # labels that hold in every language, Wikidata's default where a language has none of its own
# Wikipedias whose key is not the language's code, from the site matrix of Wikimedia's API (action=sitematrix):
# key without "wiki", domain, codes of the language on Wikidata and elsewhere.
_SITES = """
als als gsw als
bat_smg bat-smg sgs bat-smg
be_x_old be-tarask be-tarask be-x-old
bh bh bho bh
crh crh crh-latn crh
eml eml egl eml
fiu_vro fiu-vro vro fiu-vro
no no nb no
nrm nrm nrf nrm
roa_rup roa-rup rup roa-rup
simple simple en-simple simple
zh_classical zh-classical lzh zh-classical
zh_min_nan zh-min-nan nan zh-min-nan
zh_yue zh-yue yue zh-yue
"""
_IRREGULAR = {code: tuple(line.split()) for line in _SITES.split("\n") for code in line.split()[2:]}
# Variants that share a Wikipedia, and languages with a hyphen that have their own, which do not.
_VARIANT = re.compile(r"(?!cbk-zam|map-bms|nds-nl|roa-tara)(\w{2,3})-\w+(-\w+)*")


def site_of(language: str) -> str:
    """The site key of a language's Wikipedia, of which Wikidata's sitelinks have names.

    Example:
        >>> [site_of(code) for code in ("en", "be-tarask", "nb", "zh-yue", "gsw", "nds-nl", "zh-hant")]
        ['enwiki', 'be_x_oldwiki', 'nowiki', 'zh_yuewiki', 'alswiki', 'nds_nlwiki', 'zhwiki']
    """
    return f"{_site(language)[0]}wiki"


def domain_of(language: str) -> str:
    """The first part of the address of a language's Wikipedia.

    Example:
        >>> [domain_of(code) for code in ("en", "be-tarask", "nb", "yue")]
        ['en', 'be-tarask', 'no', 'zh-yue']
    """
    return _site(language)[1]


def label_codes(language: str) -> list[str]:
    """Codes under which Wikidata has labels of a language, without the one for all languages.

    Example:
        >>> label_codes("no"), label_codes("gsw"), label_codes("de")
        (['no', 'nb'], ['gsw', 'als'], ['de'])
    """
    return list(dict.fromkeys([language, *_site(language)[2:]]))


def _site(language: str) -> tuple[str, ...]:
    variant = _VARIANT.fullmatch(language)
    base = language if language in _IRREGULAR or not variant else variant[1]
    return _IRREGULAR.get(base) or (base.replace("-", "_"), base)


def label_of(labels: Mapping[str, str], aliases: Sequence[str], language: str) -> str | None:
    """The label of an item in a language, or one for all languages, or the first alias for all, in alphabetical order.

    Args:
        labels: code -> label.
        aliases: for all languages.
        language: that is wanted.

    Example:
        >>> [label_of({"nb": "Oslo", "mul": "Kristiania"}, [], code) for code in ("no", "de")]
        ['Oslo', 'Kristiania']
    """
    for code in (*label_codes(language), MULTIPLE):
        if labels.get(code):
            return labels[code]
    return min(aliases, default=None)


_INVISIBLE = re.compile("[\u200e\u200f\u202a-\u202e]")  # marks of direction


def file_name(name: str) -> str:
    """Normalise a file's name as MediaWiki does titles.

    Letters without a single capital of their script keep their form, Georgian ones as well.

    Example:
        >>> [file_name(name) for name in ("berlin_mitte.jpg", "ßa.jpg", "თბილისი.jpg", "éa.jpg")]
        ['Berlin mitte.jpg', 'ßa.jpg', 'თბილისი.jpg', 'Éa.jpg']
    """
    plain = " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFC", name)).replace("_", " ").split())
    first = plain[:1]
    capital = next((form for form in (first.upper(), first.title()) if len(form) == 1), first)
    return (first if "\u10d0" <= first <= "\u10ff" else capital) + plain[1:]
