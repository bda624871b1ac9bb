"""The models behind the page: opened once, asked one question at a time, within limits."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from datasets import Dataset
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from PIL import Image

from hf_mlm.models.base.images import to_rgb
from hf_mlm.pipelines.cross_modal_retrieval import CrossModalRetrievalPipeline
from hf_mlm.pipelines.geo_estimation import GeoEstimationPipeline
from hf_mlm.pipelines.multimodal_ner import MultimodalNERPipeline
from hf_mlm.registry import MODELS
from hf_mlm.runs.gallery import FOLDER, Gallery
from hf_mlm.runs.open_model import check_kind, open_model
from hf_mlm.training.irle.scoring import load_rows, trained_on


SAME = "same"
FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.yaml", f"{FOLDER}/*")  # of a model on the Hub


class GalleryRows(NamedTuple):
    """Rows to search, which also have the pictures and texts to show.

    Args:
        dataset: configuration of ``mlm``; ``"same"`` for the one that the model was trained on.
        split: such as ``"test"``.
        options: ``data_dir`` and further settings of the dataset.
    """

    dataset: str
    split: str
    options: dict[str, Any]


@dataclass(frozen=True)
class OpenModels:
    """What the page can do; what no model does is None.

    Attributes:
        names: of the models, as they were given.
        locate: estimates places.
        retrieve: finds entities of a gallery.
        rows: of the gallery, with images and summaries; None where the gallery was read from a folder.
        tag: finds entities in texts.
    """

    names: Sequence[str] = ()
    locate: GeoEstimationPipeline | None = None
    retrieve: CrossModalRetrievalPipeline | None = None
    rows: Dataset | None = field(default=None, repr=False)
    tag: MultimodalNERPipeline | None = None

    @property
    def reads_images(self) -> bool:
        """Whether an image makes any difference."""
        return bool(self.locate or self.retrieve or (self.tag and hasattr(self.tag.processor, "encode_images")))

    @property
    def reads_classes(self) -> bool:
        """Whether a text may come with classes."""
        pipeline = self.locate or self.retrieve
        return pipeline is not None and bool(pipeline.model.config.use_classes)


def open_models(names: Sequence[str], gallery: str | os.PathLike[str] | GalleryRows | None = None) -> OpenModels:
    """Open an IR+LE, a tagger or one of each.

    Args:
        names: folders of trainings, or ids on the Hub.
        gallery: the folder of a `Gallery`, or rows to encode now; when omitted, the gallery beside the IR+LE if there
            is one.

    Raises:
        FileNotFoundError: if there is no such model or gallery.
        ValueError: if a model is of another type, there are two of a kind, one of them is damaged or reads precomputed
            features, or the gallery is of another model.
    """
    folders: dict[str, tuple[str, Path]] = {}
    for name in names:
        folder = local_folder(name)
        family = MODELS[check_kind(folder)].family
        if family in folders:
            kind = "IR+LE" if family == "irle" else "tagger"
            raise ValueError(f"{folders[family][0]} and {name} are two models of one kind: give one {kind} at most.")
        folders[family] = name, folder
    if not folders:
        raise ValueError("there is no model: name the folder of a training or an id on the Hub.")
    if gallery is not None and "irle" not in folders:
        raise ValueError("a gallery is searched by an IR+LE, and none is given: leave out the gallery, or name one.")
    opened = _open_irle(*folders["irle"], gallery) if "irle" in folders else {}
    if "taggers" in folders:
        model, processor = open_model(folders["taggers"][1], "taggers")
        opened["tag"] = MultimodalNERPipeline(model, processor=processor, task="multimodal-ner")
    return OpenModels(names=tuple(names), **opened)


def local_folder(name: str) -> Path:
    """The folder of a model; one on the Hub is downloaded.

    Args:
        name: a folder, or an id on the Hub.

    Raises:
        FileNotFoundError: if it is neither.
    """
    if os.path.isdir(name):
        return Path(name)
    try:
        return Path(snapshot_download(name, allow_patterns=list(FILES)))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise FileNotFoundError(
            f"{name!r} is neither a folder nor a model that the Hub gives out: check the name and the connection, and "
            "log in with hf auth login if it is private."
        ) from error


def _open_irle(name: str, folder: Path, gallery: str | os.PathLike[str] | GalleryRows | None) -> dict[str, Any]:
    """The pipelines of the model's tasks, and the rows of its gallery."""
    model, processor = open_model(folder, "irle")
    if processor is None:
        raise ValueError(f"{name} reads precomputed features, and the page takes images and texts.")
    opened: dict[str, Any] = {}
    if "geo" in model.config.tasks:
        opened["locate"] = GeoEstimationPipeline(model, processor=processor, task="geo-estimation")
    if gallery is not None and "retrieval" not in model.config.tasks:
        raise ValueError(f"{name} was not trained for retrieval: leave out the gallery.")
    if isinstance(gallery, GalleryRows):
        opened["rows"] = rows = _rows(model, folder, gallery)
        found = Gallery.encode(model, rows, processor)
    elif gallery is not None or ("retrieval" in model.config.tasks and (folder / FOLDER).is_dir()):
        found = Gallery.load(folder / FOLDER if gallery is None else gallery)
    else:
        return opened
    return opened | {
        "retrieve": CrossModalRetrievalPipeline(
            model, processor=processor, gallery=found, task="cross-modal-retrieval"
        )
    }


def _rows(model: Any, folder: Path, gallery: GalleryRows) -> Dataset:
    dataset, options = gallery.dataset, gallery.options
    if dataset == SAME:
        dataset, before = trained_on(folder)
        options = {**before, **options}
    return load_rows(model, dataset, gallery.split, **options)


MOST_PIXELS, MOST_BYTES, MOST_CHARACTERS = 50_000_000, 20_000_000, 20_000
PATIENCE = 60.0  # seconds
T = TypeVar("T")


def read_picture(content: bytes | Path, name: str) -> Image.Image:
    """Open an image as the pipelines do, if it is not too large for a page that everyone may use.

    Args:
        content: encoded bytes, or a file of them.
        name: of the image in an error.

    Raises:
        ValueError: if it is more than 20 MB or 50 megapixels, which is seen before it is decoded, or no image.
    """
    size = content.stat().st_size if isinstance(content, Path) else len(content)
    if size > MOST_BYTES:
        raise ValueError(
            f"{name} has {size / 1e6:,.1f} MB, and at most {MOST_BYTES / 1e6:,.0f} are read: scale it down first."
        )
    return to_rgb(content.read_bytes() if isinstance(content, Path) else content, name, MOST_PIXELS)


def check_length(text: str) -> None:
    """Refuse a text of more than 20,000 characters.

    Raises:
        ValueError: with its length.
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError(
            f"the text has {len(text):,} characters, and at most {MOST_CHARACTERS:,} are read: divide it."
        )


class Desk:
    """Models that are asked one question at a time, by the same thread, so that a rush takes no more memory than one.

    Args:
        models: that answer.
        patience: seconds after which a question that is not answered yet is given up.
    """

    def __init__(self, models: OpenModels, patience: float = PATIENCE):
        self.models, self.patience = models, patience
        self._worker = ThreadPoolExecutor(1, "desk")

    def ask(self, work: Callable[..., T], *args: Any) -> T:
        """Call ``work(models, *args)`` when its turn has come.

        Raises:
            TimeoutError: if others' questions take too long.
        """
        done = self._worker.submit(work, self.models, *args)
        try:
            return done.result(self.patience)
        except TimeoutError as error:
            raise TimeoutError("others asked before, and there was no time left: ask again in a minute.") from error
        finally:
            done.cancel()
            self._worker.submit(_release_memory)


def _release_memory() -> None:
    """Give freed memory back to the system, which glibc keeps after large pictures."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
