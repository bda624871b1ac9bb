"""The description of a dataset that was made as MMNERD was, written from the record of its build."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from hf_mlm.construction.cards.card import PROVENANCE, UNSTATED, Description, images_by_licence, stage_table
from hf_mlm.construction.cards.croissant import write_fair_files
from hf_mlm.construction.manifest import StageManifest
from hf_mlm.construction.mmnerd.dataset import SOURCES, Written
from hf_mlm.files import write_text
from hf_mlm.publishing.figures import markdown_table
from hf_mlm.publishing.model_card import CITATIONS, HOME


PEOPLE, MACHINE = "people", "machine"
_LIMITS = (
    "Sentences are what somebody wrote below an image, and say little of what is not in a picture. Which entities "
    "there are was proposed by a machine before people looked: what it overlooks, people overlook more easily. "
    "Translations are a machine's, and their entities were carried over by alignment; those that could not be are "
    "missing. Images are not in this folder: an address may have gone, or show something else by now."
)
_USE = (
    "Captions and posts may name private persons and show them. Do not look for their authors or for who is shown, "
    "keep posts private where their platform says so, and delete what their authors have deleted."
)
_TERMS = f"Each source has terms of its own, which the card and the table {SOURCES} tell."


@dataclass(frozen=True)
class NERBuild:
    """What is known of a finished build.

    Attributes:
        record: what it was begun with, see `hf_mlm.construction.mmnerd.build.RECORD`.
        manifests: of its stages, by name.
        annotated_by: ``"people"`` or ``"machine"``.
        agreement: of people, see `hf_mlm.construction.mmnerd.adjudication.Agreement`; None where nobody was compared.
        division: how sentences were divided.
    """

    record: Mapping[str, Any]
    manifests: Mapping[str, StageManifest]
    annotated_by: str
    agreement: Mapping[str, Any] | None
    division: Mapping[str, Any]


def describe_ner_folder(written: Written, build: NERBuild) -> None:
    """Write card, Croissant and ``provenance.json`` into the folder of a finished dataset; the same bytes every time.

    Args:
        written: the dataset.
        build: that it is from.
    """
    stages = {name: asdict(manifest) for name, manifest in build.manifests.items()}
    known = {"build": build.record, "stages": stages, "division": build.division}
    provenance = without_folders(known | {"annotated_by": build.annotated_by, "agreement": build.agreement})
    write_text(written.folder / PROVENANCE, json.dumps(provenance, indent=1, ensure_ascii=False))
    write_fair_files(written.folder, describe_ner(written, build), written.files)


def describe_ner(written: Written, build: NERBuild) -> Description:
    """Say what a dataset is; arguments as of `describe_ner_folder`."""
    sentences, code = sum(written.sizes.values()), build.record["code"]
    images = [written.folder / file.name for file in written.files if file.name.startswith(f"{SOURCES}/")]
    licences = images_by_licence(images)
    sources = build.record["edition"]["sources"]
    made = f"{', '.join(dict.fromkeys(source['name'] for source in sources))}, by hf_mlm {code}"
    return Description(
        name="mmnerd",
        title="MMNERD: multilingual multimodal named entities, made anew",
        summary=f"{sentences:,} sentences with persons, places, organisations and others, and the ids of their "
        f"images, from {made}, after [Wang et al., 2024](https://arxiv.org/abs/2404.17122).",
        languages=written.languages,
        licences={"other": _TERMS} if set(licences) - {UNSTATED} else {"unknown": "No source states a licence."},
        citation=CITATIONS["mmnerd"],
        url=HOME,
        version=code,
        tasks=("token-classification",),
        tags=("named-entity-recognition", "multilingual", "multimodal"),
        sections={
            "Fields": _FIELDS,
            "Where it comes from": _provenance(sources, build),
            "Annotation": _annotation(build),
            "Licences": _licence_section(licences),
            "Limits and responsible use": f"{_LIMITS}\n\n{_USE}",
        },
        responsible={
            "dataCollection": f"Read from {made}; {PROVENANCE} holds hashes, and what was left out and why.",
            "dataAnnotationProtocol": _annotation(build),
            "dataBiases": _LIMITS,
            "dataSocialImpact": _USE,
            "personalSensitiveInformation": "Captions and posts may name persons; entities of type PER mark them.",
        },
    )


def without_folders(tree: Any) -> Any:
    """Copy nested mappings and lists, leaving only the last name of every absolute path: whose disk it was is no news.

    Example:
        >>> without_folders({"path": "/home/eve/captions.tsv", "model": "google/mt5-small"})
        {'path': 'captions.tsv', 'model': 'google/mt5-small'}
    """
    if isinstance(tree, Mapping):
        return {name: without_folders(value) for name, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [without_folders(value) for value in tree]
    return Path(tree).name if isinstance(tree, str) and Path(tree).is_absolute() else tree


_FIELDS = (
    "`id`, `text`, `tokens` (its words), `ner_tags` (O, B-PER, I-PER, B-LOC, I-LOC, B-ORG, I-ORG, B-MISC, I-MISC), "
    "`spans` (first character, the one after the last, and type of each entity: the master, from which `ner_tags` "
    f"are made), `language`, `source`, `image_id` (null where there is none). `{SOURCES}` has a row an image: source, "
    "address and licence where the source gives them, number of sentences, and name and SHA-256 of the file that was "
    "at hand.\n\nThe same sentences are in `train_valid_test_LANGUAGE` as CoNLL files, which `load_dataset('mmnerd', "
    "…, data_dir=…, image_dir=…)` of hf_mlm joins with their images; `report.json` validates them, `table2.json` "
    "counts them as Table 2 of the paper does."
)


def _provenance(sources: Sequence[Mapping[str, Any]], build: NERBuild) -> str:
    rows = [
        [
            source["name"],
            source["kind"],
            source["language"],
            ", ".join(source["translate_to"]) or "–",
            source["licence"].replace("|", "/") or UNSTATED,
        ]
        for source in sources
    ]
    edition = yaml.safe_dump(
        without_folders(build.record["edition"]),
        allow_unicode=True,
        sort_keys=False,
        default_flow_style=None,
        width=110,
    )
    return (
        markdown_table(["source", "kind", "language", "translated to", "licence"], rows)
        + f"\n\n{stage_table(build.manifests)}\n\n`{PROVENANCE}` has the same with the hashes of every input and "
        + f"output. The edition:\n\n```yaml\n{edition.strip()}\n```"
    )


def _annotation(build: NERBuild) -> str:
    proposed = ", ".join(
        f"{name.removeprefix('annotator ')}: {value}"
        for manifest in build.manifests.values()
        for name, value in manifest.facts.items()
        if name.startswith("annotator ")
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


def _licence_section(licences: Mapping[str, int]) -> str:
    rows = [[licence.replace("|", "/"), f"{count:,}"] for licence, count in licences.items()]
    told = (
        "Texts and images belong to those who made them; a source's licence stands in the table above, an image's in "
        f"`{SOURCES}`:"
    )
    table = f"\n\n{markdown_table(['licence', 'images'], rows)}" if rows else " there are no images."
    unstated = f"\n\nDo not pass on images whose licence is *{UNSTATED}*." if UNSTATED in licences else ""
    return told + table + unstated
