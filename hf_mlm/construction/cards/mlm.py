"""The description of an edition of MLM, written from the record and the manifests of its build."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from hf_mlm.construction.cards.card import PROVENANCE, UNSTATED, Description, images_by_licence, stage_table
from hf_mlm.construction.cards.croissant import write_fair_files
from hf_mlm.construction.manifest import StageManifest
from hf_mlm.construction.mlm.dataset import ARTICLES, LICENCES
from hf_mlm.files import write_text
from hf_mlm.publishing.figures import markdown_table
from hf_mlm.publishing.model_card import CITATIONS, HOME


_LICENCES = {
    "cc0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "cc-by-sa-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "other": f"Each image has a licence of its own, which the files in {LICENCES} name.",
}
_LIMITS = (
    "Places are in here because somebody wrote about them and photographed them: Europe and North America have far "
    "more than their share of the world's settlements (72 % of the authors' MLM is European). Coordinates are those "
    "of settlements, not of cameras; an image may be of a detail, of another century, or of what is not there. "
    "Summaries are what an encyclopaedia said on the day of the build, translated by nobody: the languages of a place "
    "may say different things."
)
_USE = (
    "Photographs may show people. Do not train on this to find persons or where they live, and show an estimated "
    "position with its uncertainty."
)


def describe_folder(dataset: Path, record: Mapping[str, Any], manifests: Mapping[str, StageManifest]) -> None:
    """Write card, Croissant and ``provenance.json`` into the folder of a finished build; the same bytes every time.

    Args:
        dataset: the folder.
        record: of the build, see `hf_mlm.construction.mlm.build.RECORD`.
        manifests: of all stages, by name.
    """
    stages = {name: asdict(manifest) for name, manifest in manifests.items()}
    write_text(dataset / PROVENANCE, json.dumps({"build": record, "stages": stages}, indent=1, ensure_ascii=False))
    files = manifests["dataset"].files
    licences = images_by_licence(dataset / file.name for file in files if file.name.startswith(f"{LICENCES}/"))
    write_fair_files(dataset, describe(record, manifests, licences), files)


def describe(
    record: Mapping[str, Any], manifests: Mapping[str, StageManifest], licences: Mapping[str, int]
) -> Description:
    """Say what an edition is.

    Args:
        record: of the build.
        manifests: of its stages, by name.
        licences: licence -> number of images.
    """
    languages, source = record["edition"]["languages"], record["source"]
    asked = [*source.get("dump", ["https://www.wikidata.org/"]), source.get("endpoint")]
    date = iso_date(source.get("date", ""))
    made = f"Wikidata, Wikipedia ({', '.join(languages)}) and Wikimedia Commons, by hf_mlm {record['code']}"
    return Description(
        name="mlm",
        title="MLM: multiple languages and modalities, built anew",
        summary=f"{_contents(manifests)}, from {made}, after [Armitage et al., CIKM 2020]"
        "(https://doi.org/10.1145/3340531.3412783).",
        languages=languages,
        licences=_LICENCES,
        citation=CITATIONS["mlm"],
        url=HOME,
        version=record["code"],
        date=date if re.fullmatch(r"\d{4}-\d\d-\d\d", date) else None,
        based_on=[*filter(None, asked), *record["services"].values()],
        tasks=("image-to-text", "feature-extraction"),
        tags=("geospatial", "wikidata", "multilingual", "multimodal"),
        sections={
            "Fields": _FIELDS,
            "Where it comes from": _provenance(record, manifests),
            "Licences": _licence_section(licences),
            "Limits and responsible use": f"{_LIMITS}\n\n{_USE}",
        },
        responsible={
            "dataCollection": f"Read from {made}; {PROVENANCE} holds queries, hashes, and what was left out and why.",
            "dataBiases": _LIMITS,
            "dataSocialImpact": _USE,
            "personalSensitiveInformation": "Photographs of public places may show people; authors of images are "
            "named where their licences ask for it.",
        },
    )


def iso_date(name: str) -> str:
    """The date of a dump as ISO 8601 writes it; what is no date stays.

    Example:
        >>> iso_date("20260105"), iso_date("unknown")
        ('2026-01-05', 'unknown')
    """
    return re.sub(r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3", name)


_FIELDS = (
    "`entity_id` (Wikidata), `label`, `summaries` (a text or null for each language), `images`, `classes`, `latitude` "
    "and `longitude` in degrees, `country` (ISO 3166 alpha-2 or null); `irle` and `irle-gr` also have `geo_cell`, a "
    f"class whose names are S2 tokens. `{LICENCES}` has a row an image: author, licence, page on Commons and SHA-1 of "
    f"the original; `image` is the file's name in `images`. `{ARTICLES}` has a row a summary: article and revision."
)


def _contents(manifests: Mapping[str, StageManifest]) -> str:
    rows = manifests["selection"].rows
    illustrated = manifests["selection"].noted.get("entities with image and summary", 0)
    return f"{rows:,} settlements with summaries, {illustrated:,} of them with images"


def _provenance(record: Mapping[str, Any], manifests: Mapping[str, StageManifest]) -> str:
    edition = yaml.safe_dump(
        record["edition"], allow_unicode=True, sort_keys=False, default_flow_style=None, width=110
    )
    return (
        f"{_source(record)}\n\n{stage_table(manifests)}"
        f"\n\n`{PROVENANCE}` has the same with queries and with the hashes of every input and output. The edition:"
        f"\n\n```yaml\n{edition.strip()}\n```"
    )


def _source(record: Mapping[str, Any]) -> str:
    source = record["source"]
    if "dump" in source:
        names = ", ".join(f"`{name}` ({size:,} bytes)" for name, size in source["dump"].items())
        entities = f"Entities are from Wikidata's dump of {iso_date(source['date'])}: {names}."
    else:
        entities = f"Entities are from the SPARQL endpoint {source['endpoint']}."
    services = record["services"]
    return f"{entities} Summaries are from {services['wikipedia']}, images from {services['commons']}."


def _licence_section(licences: Mapping[str, int]) -> str:
    rows = [[licence.replace("|", "/"), f"{count:,}"] for licence, count in licences.items()]
    told = (
        "Facts of Wikidata are CC0. Summaries are Wikipedia's, CC BY-SA 4.0: credit the article, which is in "
        f"`{ARTICLES}` with its revision. Every image has an author and a licence of its own, a row each in "
        f"`{LICENCES}`:"
    )
    table = f"\n\n{markdown_table(['licence', 'images'], rows)}" if rows else " there are none."
    unstated = f"\n\nDo not pass on images whose licence is *{UNSTATED}*." if UNSTATED in licences else ""
    return told + table + unstated
