"""Card, Croissant and provenance of a finished build, MLM's or MMNERD's, from its record and its manifests."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from hf_mlm.construction.cards.card import (
    PROVENANCE,
    UNSTATED,
    Description,
    images_by_licence,
    stage_table,
    write_dataset_card,
)
from hf_mlm.construction.mlm.dataset import ARTICLES, ENTITIES, LICENCES
from hf_mlm.construction.mlm.items import BASE_TYPES
from hf_mlm.construction.mlm.revisions import content_hash
from hf_mlm.construction.mmnerd.dataset import SOURCES, Written
from hf_mlm.construction.stage import OutputFile, StageManifest
from hf_mlm.files import write_text
from hf_mlm.publishing.cards import CITATIONS, HOME, markdown_table


PEOPLE, MACHINE = "people", "machine"
SETTLEMENT, SETTLEMENTS = "Q486972", "settlements"
_MLM_LICENCES = {
    "cc0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "cc-by-sa-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "other": f"Each image has a licence of its own, which the files in {LICENCES} name.",
}
_MLM_LIMITS = (
    "Entities are in here because somebody wrote about them and photographed them: Europe and North America have far "
    "more than their share (72 % of the authors' MLM, of settlements, is European). Coordinates are those of the "
    "entities, not of cameras; an image may be of a detail, of another century, or of what is not there. Summaries "
    "are what an encyclopaedia said on the day of the build, translated by nobody: the languages of an entity may say "
    "different things."
)
_MLM_USE = (
    "Photographs may show people. Do not train on this to find persons or where they live, and show an estimated "
    "position with its uncertainty."
)
_MLM_FIELDS = (
    "`entity_id` (Wikidata), `label`, `summaries` (a text or null for each language), `images`, `classes`, `latitude` "
    "and `longitude` in degrees, `country` (ISO 3166 alpha-2 or null); `irle` and `irle-gr` also have `geo_cell`, a "
    f"class whose names are S2 tokens. `{LICENCES}` has a row an image: author, licence, page on Commons and SHA-1 of "
    f"the original; `image` is the file's name in `images`. `{ARTICLES}` has a row a summary: article and revision. "
    f"`{ENTITIES}` has a row an entity: the countries that Wikidata states, the rule by which one was chosen, and "
    "digests of texts, facts and images, by which two builds are compared."
)


def describe_folder(dataset: Path, record: Mapping[str, Any], manifests: Mapping[str, StageManifest]) -> None:
    """Write card, Croissant and ``provenance.json`` into the folder of a finished build of MLM; always the same bytes.

    Args:
        dataset: the folder.
        record: of the build, see `hf_mlm.construction.mlm.build.RECORD`.
        manifests: of all stages, by name.
    """
    _write_provenance(dataset, record, manifests, {"content": content_hash(dataset)})
    files = manifests["dataset"].files
    write_dataset_card(dataset, describe(record, manifests, _licences(dataset, files, LICENCES)), files)


def describe(
    record: Mapping[str, Any], manifests: Mapping[str, StageManifest], licences: Mapping[str, int]
) -> Description:
    """Describe a build of MLM."""
    languages, source = record["edition"]["languages"], record["source"]
    asked = [*source.get("dump", ["https://www.wikidata.org/"]), source.get("endpoint")]
    date = iso_date(source.get("date", ""))
    made = f"Wikidata, Wikipedia ({', '.join(languages)}) and Wikimedia Commons, by hf_mlm {record['code']}"
    nouns = entity_nouns(record, manifests["names"].facts)
    facts = (
        "Facts of Wikidata are CC0. Summaries are Wikipedia's, CC BY-SA 4.0: credit the article, which is in "
        f"`{ARTICLES}` with its revision. Every image has an author and a licence of its own, a row each in "
        f"`{LICENCES}`:"
    )
    return Description(
        name="mlm" if nouns == SETTLEMENTS else f"mlm-{re.sub(r'[^a-z0-9]+', '-', nouns.lower()).strip('-')}",
        title="MLM: multiple languages and modalities, " + ("built anew" if nouns == SETTLEMENTS else f"of {nouns}"),
        summary=f"{_contents(manifests, nouns)}, from {made}, after [Armitage et al., CIKM 2020]"
        "(https://doi.org/10.1145/3340531.3412783).",
        languages=languages,
        licences=_MLM_LICENCES,
        citation=CITATIONS["mlm"],
        url=HOME,
        version=record["code"],
        date=date if re.fullmatch(r"\d{4}-\d\d-\d\d", date) else None,
        based_on=[*filter(None, asked), *record["services"].values()],
        tasks=("image-to-text", "feature-extraction"),
        tags=("geospatial", "wikidata", "multilingual", "multimodal"),
        sections={
            "Fields": _MLM_FIELDS,
            "Where it comes from": f"{_source(record)}\n\n{_stages(record, manifests)}",
            "Licences": _licence_section(facts, licences, "there are none."),
            "Limits and responsible use": f"{_MLM_LIMITS}\n\n{_MLM_USE}",
        },
        responsible={
            "dataCollection": f"Read from {made}; {PROVENANCE} holds queries, hashes, and what was left out and why.",
            "dataBiases": _MLM_LIMITS,
            "dataSocialImpact": _MLM_USE,
            "personalSensitiveInformation": "Photographs of public places may show people; authors of images are "
            "named where their licences ask for it.",
        },
    )


def iso_date(name: str) -> str:
    """The date of a dump as ISO 8601 writes it; any other name stays.

    Example:
        >>> iso_date("20260105"), iso_date("unknown")
        ('2026-01-05', 'unknown')
    """
    return re.sub(r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3", name)


def entity_nouns(record: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """The plural of what was built, by the labels of its base types.

    Args:
        record: of the build.
        facts: of the stage ``names``.

    Example:
        >>> entity_nouns({"edition": {"base_types": ["Q23413", "Q16970"]}}, {"base types": {"Q23413": "castle"}})
        'castles and instances of Q16970'
    """
    if list(record["edition"].get("base_types", [SETTLEMENT])) == [SETTLEMENT]:
        return SETTLEMENTS
    labels = {base: facts.get(BASE_TYPES, {}).get(base) for base in record["edition"]["base_types"]}
    return " and ".join(_plural(label) if label else f"instances of {base}" for base, label in labels.items())


def _plural(noun: str) -> str:
    if re.search(r"[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"


def _contents(manifests: Mapping[str, StageManifest], nouns: str) -> str:
    rows = manifests["selection"].rows
    illustrated = manifests["selection"].noted.get("entities with image and summary", 0)
    return f"{rows:,} {nouns} with summaries, {illustrated:,} of them with images"


def _source(record: Mapping[str, Any]) -> str:
    source = record["source"]
    if "dump" in source:
        names = ", ".join(f"`{name}` ({size:,} bytes)" for name, size in source["dump"].items())
        entities = f"Entities are from Wikidata's dump of {iso_date(source['date'])}: {names}."
    else:
        entities = f"Entities are from the SPARQL endpoint {source['endpoint']}."
    services = record["services"]
    return f"{entities} Summaries are from {services['wikipedia']}, images from {services['commons']}."


_NER_LIMITS = (
    "Sentences are what somebody wrote below an image, and say little of what is not in a picture. Which entities "
    "there are was proposed by a machine before people looked: what it overlooks, people overlook more easily. "
    "Translations are a machine's, and their entities were carried over by alignment; those that could not be are "
    "missing. Images are not in this folder: an address may have gone, or show something else by now."
)
_NER_USE = (
    "Captions and posts may name private persons and show them. Do not look for their authors or for who is shown, "
    "keep posts private where their platform says so, and delete what their authors have deleted."
)
_NER_FIELDS = (
    "`id`, `text`, `tokens` (its words), `ner_tags` (O, B-PER, I-PER, B-LOC, I-LOC, B-ORG, I-ORG, B-MISC, I-MISC), "
    "`spans` (first character, the one after the last, and type of each entity: the master, from which `ner_tags` "
    f"are made), `language`, `source`, `image_id` (null where there is none). `{SOURCES}` has a row an image: source, "
    "address and licence where the source gives them, number of sentences, and name and SHA-256 of the file that was "
    "at hand.\n\nThe same sentences are in `train_valid_test_LANGUAGE` as CoNLL files, which `load_dataset('mmnerd', "
    "…, data_dir=…, image_dir=…)` of hf_mlm joins with their images; `report.json` validates them, `table2.json` "
    "counts them as Table 2 of the paper does."
)


@dataclass(frozen=True)
class NERBuild:
    """A finished build of MMNERD."""

    record: Mapping[str, Any]
    manifests: Mapping[str, StageManifest]
    annotated_by: str
    agreement: Mapping[str, Any] | None
    division: Mapping[str, Any]


def describe_ner_folder(written: Written, build: NERBuild) -> None:
    """Write card, Croissant and ``provenance.json`` into a dataset like MMNERD; always the same bytes."""
    more = {"division": build.division, "annotated_by": build.annotated_by, "agreement": build.agreement}
    _write_provenance(written.folder, build.record, build.manifests, more)
    write_dataset_card(written.folder, describe_ner(written, build), written.files)


def describe_ner(written: Written, build: NERBuild) -> Description:
    """Describe a dataset like MMNERD; arguments as of `describe_ner_folder`."""
    sentences, code = sum(written.sizes.values()), build.record["code"]
    licences = _licences(written.folder, written.files, SOURCES)
    sources = build.record["edition"]["sources"]
    made = f"{', '.join(dict.fromkeys(source['name'] for source in sources))}, by hf_mlm {code}"
    terms = f"Each source has terms of its own, which the card and the table {SOURCES} tell."
    facts = (
        "Texts and images belong to those who made them; a source's licence stands in the table above, an image's in "
        f"`{SOURCES}`:"
    )
    return Description(
        name="mmnerd",
        title="MMNERD: multilingual multimodal named entities, made anew",
        summary=f"{sentences:,} sentences with persons, places, organisations and others, and the ids of their "
        f"images, from {made}, after [Wang et al., 2024](https://arxiv.org/abs/2404.17122).",
        languages=written.languages,
        licences={"other": terms} if set(licences) - {UNSTATED} else {"unknown": "No source states a licence."},
        citation=CITATIONS["mmnerd"],
        url=HOME,
        version=code,
        tasks=("token-classification",),
        tags=("named-entity-recognition", "multilingual", "multimodal"),
        sections={
            "Fields": _NER_FIELDS,
            "Where it comes from": f"{_source_table(sources)}\n\n{_stages(build.record, build.manifests)}",
            "Annotation": _annotation(build),
            "Licences": _licence_section(facts, licences, "there are no images."),
            "Limits and responsible use": f"{_NER_LIMITS}\n\n{_NER_USE}",
        },
        responsible={
            "dataCollection": f"Read from {made}; {PROVENANCE} holds hashes, and what was left out and why.",
            "dataAnnotationProtocol": _annotation(build),
            "dataBiases": _NER_LIMITS,
            "dataSocialImpact": _NER_USE,
            "personalSensitiveInformation": "Captions and posts may name persons; entities of type PER mark them.",
        },
    )


def _source_table(sources: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            *(source[name] for name in ("name", "kind", "language")),
            ", ".join(source["translate_to"]) or "–",
            source["licence"] or UNSTATED,
        ]
        for source in sources
    ]
    return markdown_table(["source", "kind", "language", "translated to", "licence"], rows)


def _annotation(build: NERBuild) -> str:
    proposed = ", ".join(
        f"{name.rpartition('annotator ')[2]}: {value}"
        for manifest in build.manifests.values()
        for name, value in manifest.facts.items()
        if "annotator " in name
    )
    machine = f"Entities in captions were proposed by {proposed}. " if proposed else ""
    if build.annotated_by == MACHINE:
        return f"{machine}Nobody has checked them: these are silver labels."
    told = f"{machine}Two people annotated each sentence, and an inspector decided where they differed."
    found = build.agreement
    if found is None:
        return told
    kappa, inside = (f"{found[name]:.3f}" if found[name] is not None else "–" for name in ("kappa", "kappa_entities"))
    return (
        f"{told} Over {found['sentences']:,} sentences and {found['words']:,} words the two agree with a Cohen's "
        f"kappa of {kappa} ({inside} without words that both left outside of entities) and a span F1 of "
        f"{found['span_f1']:.3f}; {found['equal_sentences']:,} sentences are without any difference."
    )


def without_folders(tree: Any) -> Any:
    """Copy nested mappings and lists, keeping only the last name of every absolute path, which tells of one disk.

    Example:
        >>> without_folders({"path": "/home/eve/captions.tsv", "model": "google/mt5-small"})
        {'path': 'captions.tsv', 'model': 'google/mt5-small'}
    """
    if isinstance(tree, Mapping):
        return {name: without_folders(value) for name, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [without_folders(value) for value in tree]
    return Path(tree).name if isinstance(tree, str) and Path(tree).is_absolute() else tree


def _write_provenance(
    folder: Path, record: Mapping[str, Any], manifests: Mapping[str, StageManifest], more: Mapping[str, Any]
) -> None:
    stages = {name: asdict(manifest) for name, manifest in manifests.items()}
    provenance = without_folders({"build": record, "stages": stages, **more})
    write_text(folder / PROVENANCE, json.dumps(provenance, indent=1, ensure_ascii=False))


def _licences(folder: Path, files: Sequence[OutputFile], table: str) -> dict[str, int]:
    return images_by_licence(folder / file.name for file in files if file.name.startswith(f"{table}/"))


def _stages(record: Mapping[str, Any], manifests: Mapping[str, StageManifest]) -> str:
    """The table of stages and the build config; records call it "edition", as those of version 1 did."""
    config = yaml.safe_dump(
        without_folders(record["edition"]), allow_unicode=True, sort_keys=False, default_flow_style=None, width=110
    )
    return (
        f"{stage_table(manifests)}\n\n`{PROVENANCE}` has the same with queries and with the hashes of every input and "
        f"output. The build config:\n\n```yaml\n{config.strip()}\n```"
    )


def _licence_section(facts: str, licences: Mapping[str, int], none: str) -> str:
    rows = [[licence, f"{count:,}"] for licence, count in licences.items()]
    table = f"\n\n{markdown_table(['licence', 'images'], rows)}" if rows else f" {none}"
    unstated = f"\n\nDo not pass on images whose licence is *{UNSTATED}*." if UNSTATED in licences else ""
    return facts + table + unstated
