"""The last step of a build: answers of people, or proposals of a machine, become a dataset with its card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hf_mlm.construction.manifest import MANIFEST, StageManifest
from hf_mlm.construction.mmnerd.annotation import AGREEMENT, GOLD
from hf_mlm.construction.mmnerd.build import PROPOSALS, RECORD, SENTENCES, TRANSLATIONS, read_draft
from hf_mlm.construction.mmnerd.build_config import NEREdition
from hf_mlm.construction.mmnerd.dataset import Written, read_published, write_dataset
from hf_mlm.construction.mmnerd.records import Record, read_records


def finish_dataset(
    target: Path,
    edition: NEREdition,
    proposals: bool = False,
    image_dir: Path | None = None,
    published: Path | None = None,
) -> Written:
    """Write the folder ``dataset`` of a build: see `write_dataset`, and card, Croissant and provenance beside.

    Run again, it writes the same.

    Args:
        target: folder of the build.
        edition: whose ratios, seed and least number of entities count.
        proposals: take the machine's entities, rather than what people have decided.
        image_dir: folder of the images, named after their ids.
        published: file of a division to repeat, see `read_published`.

    Raises:
        FileNotFoundError: if the draft is not finished, or nothing is decided and ``proposals`` is not set.
        ValueError: as `write_dataset` and `read_published`.
        OSError: if the disk is full.
    """
    from hf_mlm.construction.cards.mmnerd import MACHINE, PEOPLE, NERBuild, describe_ner_folder

    records, agreed = _finished(target, proposals)
    by = MACHINE if proposals else PEOPLE
    written = write_dataset(
        target / "dataset",
        records,
        edition.ratios,
        edition.seed,
        edition.min_entities,
        read_published(published) if published else None,
        image_dir,
        {"annotated_by": by, "agreement": agreed},
    )
    record = json.loads((target / RECORD).read_text(encoding="utf-8"))
    division = {"published": published.name} if published else {"ratios": edition.ratios, "seed": edition.seed}
    describe_ner_folder(written, NERBuild(record, _manifests(target), by, agreed, division))
    return written


def _finished(target: Path, proposals: bool) -> tuple[list[Record], Mapping[str, Any] | None]:
    """Sentences, and how far people agree."""
    if proposals:
        return read_draft(target), None
    if not (target / GOLD).is_file():
        raise FileNotFoundError(f"{target} has no decided sentences; run agree first, or pass --proposals.")
    return list(read_records(target / GOLD)), json.loads((target / AGREEMENT).read_text(encoding="utf-8"))


def _manifests(target: Path) -> dict[str, StageManifest]:
    paths = {name: target / name / MANIFEST for name in (SENTENCES, PROPOSALS, TRANSLATIONS)}
    return {name: StageManifest.load(path) for name, path in paths.items() if path.is_file()}
