"""Images of captions: fetched politely into a folder by id, with their licences, and their addresses in tasks."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from hf_mlm.construction.http import GivenUpError, HttpSettings, PoliteClient, Request, Response, TooLargeError
from hf_mlm.construction.mmnerd.build import read_draft
from hf_mlm.construction.mmnerd.records import Record
from hf_mlm.data.checks import ImageFolder, image_defect
from hf_mlm.files import locked, replacing, sha256_of, write_text


IMAGES, TABLE = "images", "images.tsv"
MOST_BYTES = 50_000_000
_COLUMNS = ("image_id", "url", "licence", "file", "sha256", "outcome")


def fetch_images(target: Path, http: HttpSettings) -> Counter[str]:
    """Fetch the images of a draft that have an address, or go on where an interrupted run stopped.

    Args:
        target: folder of a build whose draft is finished; images go to its folder ``images``, named by their ids, and
            a line each with address, licence, hash and outcome to ``images.tsv``.
        http: manners of requests.

    Returns:
        outcome -> number of images: ``"there"``, or the reason why one is not.

    Raises:
        FileNotFoundError: if the draft is not finished.
        OSError: if the disk is full, or many in a row do not come; running again goes on.
    """
    folder, rows = target / IMAGES, io.StringIO()
    table = csv.writer(rows, delimiter="\t", lineterminator="\n")
    table.writerow(_COLUMNS)
    outcomes: Counter[str] = Counter()
    wanted = {one.image_id: one for one in read_draft(target) if one.image_id and one.image_url}
    folder.mkdir(exist_ok=True)
    with locked(folder, "fetch images"):
        known, client = ImageFolder(folder), PoliteClient(http)
        for image_id, record in wanted.items():
            path = known.find(image_id)
            path, outcome = (path, "there") if path else _fetch(client, folder, record)
            outcomes[outcome] += 1
            file = [path.name, sha256_of(path)] if path else ["", ""]
            table.writerow([image_id, record.image_url, record.licence, *file, outcome])
        client.record_failures()
    write_text(target / TABLE, rows.getvalue())
    return outcomes


def _fetch(client: PoliteClient, folder: Path, record: Record) -> tuple[Path | None, str]:
    """The file of an image and "there", or None and the reason why there is none."""
    request = Request(
        "GET", str(record.image_url), is_final=_is_image, most_bytes=MOST_BYTES, optional=True, kept=False
    )
    try:
        response = client.ask(request)
    except TooLargeError:
        return None, f"larger than {MOST_BYTES:,} bytes"
    except GivenUpError as error:
        return None, f"given up, {error}"
    if response.status != 200:
        return None, f"status {response.status}"
    if image_defect(io.BytesIO(response.content)):
        return None, "gigantic"
    with Image.open(io.BytesIO(response.content)) as image:
        ending = str(image.format).lower().replace("jpeg", "jpg")
    path = folder / f"{record.image_id}.{ending}"
    with replacing(path) as unfinished:
        unfinished.write_bytes(response.content)
    return path, "there"


def _is_image(response: Response) -> bool:
    return response.status != 200 or "readable" not in (image_defect(io.BytesIO(response.content)) or "")


def image_addresses(target: Path, served: str | None) -> Callable[[Record], str]:
    """A function that gives the address of a sentence's image, or "" where there is none.

    Args:
        target: folder of a build.
        served: address of its folder ``images``, as an annotation tool sees it, such as
            ``/data/local-files/?d=images``; the addresses of the sources count when omitted.
    """
    folder = ImageFolder(target / IMAGES) if served is not None and (target / IMAGES).is_dir() else None

    def address(record: Record) -> str:
        path = folder.find(record.image_id) if folder else None
        return f"{str(served).rstrip('/')}/{path.name}" if path else record.image_url or ""

    return address
