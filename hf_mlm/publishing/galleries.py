"""A model's gallery goes with it where it tells nothing that its owner may not know of."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoModel

from hf_mlm.pipelines.gallery import Gallery
from hf_mlm.pipelines.gallery_files import FOLDER


# Ids, labels, coordinates and cells, as the rows of mlm have them.
OWN_COLUMNS = frozenset(
    {
        "entity_id",
        "label",
        "latitude",
        "longitude",
        "country",
        "geo_cell",
        "cell_latitude",
        "cell_longitude",
        "row",
    }
)


def stage_gallery(folder: Path, target: Path, wanted: bool | None = None) -> Gallery | None:
    """Copy the gallery of a model's folder to what is about to be uploaded.

    Args:
        folder: with the model, and perhaps its gallery in ``gallery``.
        target: folder to write to.
        wanted: True to copy all of its columns, False to leave it; by default it is copied if it has no other columns
            than those of ``mlm``, `OWN_COLUMNS`.

    Returns:
        The gallery, or None if there is none to upload.

    Raises:
        FileNotFoundError: if it is wanted and not there.
        ValueError: if it has other columns and nothing was said of it, it is damaged, or another model's.
    """
    source = folder / FOLDER
    if wanted is False or (wanted is None and not source.is_dir()):
        return None
    gallery = Gallery.load(source)
    _refuse_unasked(gallery, wanted)
    try:
        gallery.check_model(AutoModel.from_pretrained(folder))
    except ValueError as error:
        raise ValueError(f"{error} Or push the model alone, with --without_gallery.") from error
    gallery.save(target / FOLDER)
    return gallery


def _refuse_unasked(gallery: Gallery, wanted: bool | None) -> None:
    others = [name for name in gallery.entities.column_names if name not in OWN_COLUMNS]
    if others and not wanted:
        raise ValueError(
            f"the gallery beside the model has columns of your own ({', '.join(others)}), which everyone could read "
            f"of its {len(gallery):,} entities: say --with_gallery to upload them, or --without_gallery to push the "
            "model alone. Nothing was uploaded."
        )
