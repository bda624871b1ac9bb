"""Analyses of test splits beside the tables: errors of a tagger (2M-NER, Section 5.6), and groups of IR+LE.

The errors are saved predictions, wrong sentences with their images, and a confusion of types; the groups are entities
by the language of their summary and by class (MLM, Section 6.2.1).
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from hf_mlm.data.mlm.views import choose_views, entity_keys
from hf_mlm.data.mmnerd.schemes import Entity, entities
from hf_mlm.drawing.html import Markup, data_uri, element, join, page
from hf_mlm.files import write_text
from hf_mlm.metrics.functional.geo import geo_report
from hf_mlm.metrics.functional.retrieval import two_way_ranks


PREDICTIONS, PAGE = "predictions.jsonl", "errors.html"
OTHER, NOTHING = "other words", "nothing"
SHOWN, WIDTH = 200, 240  # sentences on the page, pixels of a picture


@dataclass(frozen=True)
class Tagged:
    """A sentence of the dataset with its gold and its predicted entities."""

    row: Mapping[str, Any]
    gold: list[Entity]
    found: list[Entity]

    @property
    def wrong(self) -> bool:
        """Whether an entity is missing, superfluous, too long, too short or of another type."""
        return self.gold != self.found

    def to_json(self) -> str:
        """Write the sentence with both lists of entities as (type, first word, word after the last)."""
        about = {name: self.row.get(name) for name in ("id", "image_id", "language", "source", "tokens")}
        return json.dumps({**about, "gold": self.gold, "predicted": self.found}, ensure_ascii=False)


def tagged_sentences(
    rows: Dataset, ids: Sequence[Any], kept: Mapping[int, tuple[list[int], list[int]]], label_names: Sequence[str]
) -> Iterator[Tagged]:
    """Join the rows of a split with the labels that an evaluation has kept, in the order of the rows."""
    labels = {ids[index]: sides for index, sides in kept.items()}
    for row in rows:
        gold, found = ([label_names[label] for label in side] for side in labels[row["id"]])
        yield Tagged(row, entities(gold), entities(found))


def confusion(sentences: Sequence[Tagged], types: Sequence[str]) -> dict[str, float]:
    """Count what is predicted at the words of each gold entity, and entities that are predicted where there is none.

    Returns:
        ``confusion_<gold type>_<predicted type>``; the predicted type is ``"other words"`` where an entity overlaps
        and ``"nothing"`` where none does, the gold type ``"nothing"`` where no gold entity overlaps.
    """
    counts = Counter(dict.fromkeys(product((*types, NOTHING), (*types, OTHER, NOTHING)), 0))
    for sentence in sentences:
        kinds = {(found.start, found.stop): found.type for found in sentence.found}
        for gold in sentence.gold:
            touched = any(found.start < gold.stop and gold.start < found.stop for found in sentence.found)
            counts[gold.type, kinds.get((gold.start, gold.stop), OTHER if touched else NOTHING)] += 1
        for found in sentence.found:
            if not any(found.start < gold.stop and gold.start < found.stop for gold in sentence.gold):
                counts[NOTHING, found.type] += 1
    return {f"confusion_{gold}_{found}": float(count) for (gold, found), count in counts.items()}


def write_errors(sentences: Sequence[Tagged], name: str, folder: Path) -> None:
    """Write all predictions as JSON lines, and the first wrong sentences as a page with their images."""
    write_text(folder / PREDICTIONS, "".join(f"{sentence.to_json()}\n" for sentence in sentences))
    wrong = [sentence for sentence in sentences if sentence.wrong]
    title, shown = f"Errors of {name}", wrong[:SHOWN]
    counted = f"{len(wrong):,} of {len(sentences):,} sentences have an error; the first {len(shown):,} follow."
    header = element("header", element("h1", title), element("p", counted))
    write_text(folder / PAGE, page(title, header, *(_section(sentence) for sentence in shown)))


def _section(sentence: Tagged) -> Markup:
    tokens = sentence.row["tokens"]
    lines = [
        element("p", f"{name}: ", join(*_marked(tokens, found)))
        for name, found in (("gold", sentence.gold), ("predicted", sentence.found))
    ]
    return element("section", _picture(sentence.row.get("image")), *lines)


def _marked(tokens: Sequence[str], found: Sequence[Entity]) -> Iterator[str]:
    """The words, entities among them marked with their type."""
    place = 0
    for entity in found:
        yield " ".join([*tokens[place : entity.start], ""])
        yield element("mark", f"{' '.join(tokens[entity.start : entity.stop])} [{entity.type}]")
        yield " "
        place = entity.stop
    yield " ".join(tokens[place:])


def _picture(image: Any) -> Markup | None:
    if image is None:
        return None
    small = image.convert("RGB")
    small.thumbnail((WIDTH, WIDTH))
    content = io.BytesIO()
    small.save(content, "JPEG")
    return element("img", src=data_uri(content.getvalue(), "image/jpeg"), alt="image of the sentence", loading="lazy")


def groups_of(rows: Dataset, classes: Sequence[str]) -> dict[str, np.ndarray]:
    """Divide the entities of a split by the language of the summary that evaluation shows, and by class.

    Returns:
        Language or class -> bool (entities,); groups without an entity are left out.
    """
    if "summaries" in rows.column_names:
        languages = [[name for name, text in row.items() if text] for row in rows["summaries"]]
        members = rows["classes"][:]
    else:
        languages = rows["summary_languages"][:] if "summary_languages" in rows.column_names else []
        members = []
    found = {name: np.array([name in row for row in members], bool) for name in classes}
    if languages and all(languages):
        counts = np.zeros((3, len(rows)), np.int64)
        counts[1] = [len(row) for row in languages]
        shown = choose_views(entity_keys(rows["entity_id"][:]), counts)[1]  # (entities,)
        names = np.array([row[place] for row, place in zip(languages, shown, strict=True)])
        found |= {str(name): names == name for name in np.unique(names)}
    return {name: mask for name, mask in found.items() if mask.any()}


def score_groups(
    groups: Mapping[str, np.ndarray], predictions: Mapping[str, np.ndarray], cells: np.ndarray
) -> dict[str, float]:
    """Score the entities of each group by themselves.

    Returns:
        ``test_<group>_<direction>_full_medR`` among the whole split, and ``test_<group>_<modality>_f1``.
    """
    ranks = two_way_ranks(predictions["image_embeds"], predictions["text_embeds"])
    found: dict[str, float] = {}
    for name, mask in groups.items():
        for direction, each in zip(("image_to_text", "text_to_image"), ranks, strict=True):
            found[f"test_{name}_{direction}_full_medR"] = float(np.median(each[mask]))
        for modality in ("image", "text"):
            report = geo_report(cells[mask], predictions[f"{modality}_cells"][mask])
            found[f"test_{name}_{modality}_f1"] = report["f1"]
    return found
