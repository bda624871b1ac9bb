"""Images that are absent or broken, and images that are on both sides of a split."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from huggingface_hub.utils import tqdm

from hf_mlm.data.images import ImageFolder, image_defect
from hf_mlm.data.mmnerd.checks.statistics import Row


TRAIN = "train"


@dataclass
class ImageProblems:
    """Images that cannot be shown.

    Attributes:
        looked_for: number of different image ids; 0 without a folder of images.
        absent: the ids that the folder lacks.
        broken: paths, and what is wrong with them.
    """

    looked_for: int = 0
    absent: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


@dataclass
class ImageLeakage:
    """Held-out sentences whose image is in the training data.

    Attributes:
        language: of the held-out sentences.
        split: of the held-out sentences.
        sentences: number of them that have an image id.
        same_language: those whose image is in the training data of their language.
        other_languages: those whose image is in the training data of another language, as translated tweets are when
            languages are put together ("All" of 2M-NER, Table 5).
    """

    language: str
    split: str
    sentences: int = 0
    same_language: int = 0
    other_languages: int = 0


def image_problems(rows: Sequence[Row], images: ImageFolder | None) -> ImageProblems:
    """Look for every image and decode it once.

    Args:
        rows: sentences.
        images: the folder; None looks for nothing.
    """
    if images is None:
        return ImageProblems()
    ids = list(dict.fromkeys(row.sentence.image_id for row in rows if row.sentence.image_id is not None))
    paths = {image_id: images.find(image_id) for image_id in ids}
    there = [path for path in paths.values() if path is not None]
    with ThreadPoolExecutor() as pool:
        defects = list(tqdm(pool.map(image_defect, there), desc="Decoding images", total=len(there), unit=" images"))
    return ImageProblems(
        looked_for=len(ids),
        absent=[image_id for image_id, path in paths.items() if path is None],
        broken=[f"{path} {defect}" for path, defect in zip(there, defects, strict=True) if defect],
    )


def image_leakage(rows: Sequence[Row]) -> list[ImageLeakage]:
    """Count held-out sentences that share their image with training data, by language and split."""
    trained: dict[str, set[str]] = {}  # image id -> languages
    for row in rows:
        if row.split == TRAIN and row.sentence.image_id is not None:
            trained.setdefault(row.sentence.image_id, set()).add(row.language)
    found: dict[tuple[str, str], ImageLeakage] = {}
    for row in rows:
        if row.split != TRAIN and row.sentence.image_id is not None:
            count = found.setdefault((row.language, row.split), ImageLeakage(row.language, row.split))
            languages = trained.get(row.sentence.image_id, set())
            count.sentences += 1
            count.same_language += row.language in languages
            count.other_languages += bool(languages - {row.language})
    return list(found.values())
