"""Files of a Space of the Hub that runs the page."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from huggingface_hub import SpaceCardData
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

import hf_mlm
from hf_mlm.app.opening import GalleryRows
from hf_mlm.app.page import PRIVACY, RESPONSIBLE_USE
from hf_mlm.files import write_text
from hf_mlm.publishing.cards import with_front_matter


APP, REQUIREMENTS, CARD = "app.py", "requirements.txt", "README.md"


def write_space(
    folder: str | os.PathLike[str], names: Sequence[str], gallery: str | GalleryRows | None = None
) -> Path:
    """Write ``app.py``, ``requirements.txt`` and the ``README.md`` with the Space's settings.

    Args:
        folder: is made where it does not exist; other files in it stay.
        names: ids on the Hub.
        gallery: rows to encode at the start; when omitted, the gallery that was pushed with the model.

    Returns:
        The folder.

    Raises:
        ValueError: if there is no model, one is not an id on the Hub, or the gallery is a folder of this machine.
        FileExistsError: if the folder has one of the files.
    """
    folder = Path(folder)
    for name in names:
        _refuse_local(name)
    if isinstance(gallery, str):
        raise ValueError(f"a Space cannot read the folder {gallery!r}: push it with the model, as its folder gallery.")
    if not names:
        raise ValueError("there is no model: name an id on the Hub.")
    for name in (APP, REQUIREMENTS, CARD):
        if (folder / name).exists():
            raise FileExistsError(f"{folder / name} is there already: name another folder, or remove it.")
    files = {REQUIREMENTS: _requirements(), CARD: _card(names), APP: _app(names, gallery)}
    for name, content in files.items():
        write_text(folder / name, content)
    return folder


def _refuse_local(name: str) -> None:
    try:
        validate_repo_id(name)
    except HFValidationError:
        valid = False
    else:
        valid = "/" in name and not os.path.isdir(name)
    if not valid:
        raise ValueError(
            f"a Space loads models from the Hub, and {name!r} is not the id of one: hf-mlm push model {name} --repo "
            "namespace/name, and give namespace/name."
        )


def _app(names: Sequence[str], gallery: GalleryRows | None) -> str:
    imports = "from hf_mlm.app.page import serve\n"
    arguments = f"{json.dumps(list(names))}"
    if gallery is not None:
        imports = "from hf_mlm.app.opening import GalleryRows\n" + imports
        arguments += f", GalleryRows({gallery.dataset!r}, {gallery.split!r}, {gallery.options!r})"
    return f"{imports}\n\nserve({arguments})\n"


def _requirements() -> str:
    return f"hf-mlm[app,demo]=={hf_mlm.__version__}\n"


def _card(names: Sequence[str]) -> str:
    data = SpaceCardData(
        title="Where on Earth is this?",
        sdk="gradio",
        sdk_version=version("gradio"),
        app_file=APP,
        models=list(names),
        emoji="🌍",
        colorFrom="blue",
        colorTo="green",
        short_description="Places, neighbours and names in images and texts",
    )
    return with_front_matter(data, f"# {data.title}\n\n## Responsible use\n\n{RESPONSIBLE_USE}\n\n{PRIVACY}\n")
