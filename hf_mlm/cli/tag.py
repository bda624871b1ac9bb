"""``hf-mlm tag RUN``: the entities of texts, and of files of texts, records or words."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal

import typer

from hf_mlm.cli.options import BatchSize, ModelDir, Runtime, open_for


FORMATS = (".jsonl", ".conll", ".csv", ".html")
_THUMBNAIL = 160  # pixels
_STYLE = """section { display: flex; gap: 1rem; align-items: center; border-top: 1px solid #8884; padding: .5rem 0 }
section img { width: 160px } mark { border-radius: .2em; padding: 0 .2em }
mark span { font-size: .7em; opacity: .7; margin-left: .3em }"""


@dataclass
class Item:
    """A row to tag."""

    id: str  # its own, or its number from 0
    content: str | list[str] = ""  # text or words
    image: str | None = None  # path or address
    image_id: str | None = None  # name in the folder of images
    error: str | None = None  # message in place of what cannot be read


def tag(
    model_dir: ModelDir,
    texts: Annotated[list[str] | None, typer.Argument(help="Texts to tag.", show_default=False)] = None,
    file: Annotated[
        Path | None, typer.Option(help="Lines of text, .jsonl of text or tokens, or .conll of words; also .gz.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of the images that rows name.")] = None,
    output: Annotated[
        Path | None, typer.Option(help=f"File to write: {', '.join(FORMATS)}. JSON lines are printed if omitted.")
    ] = None,
    on_error: Annotated[Literal["stop", "skip"], typer.Option(help="At a row that cannot be read.")] = "skip",
    batch_size: BatchSize = 32,
    runtime: Runtime = "torch",
    min_score: Annotated[float, typer.Option(min=0, max=1, help="Leave out less probable entities.")] = 0.0,
) -> None:
    """Find entities; their offsets are characters of a text, or numbers of words where words were given."""
    from huggingface_hub.utils import tqdm

    from hf_mlm.data.checks import ImageFolder
    from hf_mlm.pipelines.multimodal_ner import MultimodalNERPipeline

    if bool(texts) == bool(file):
        raise ValueError(f"Expected texts or --file FILE, found {'both' if texts else 'neither'}.")
    ending = ".jsonl" if output is None else output.suffix.lower()
    if ending not in FORMATS:
        raise ValueError(f"Expected --output to end with one of {', '.join(FORMATS)}, found {output}.")
    folder = None if images is None else ImageFolder(images)
    model, processor = open_for(runtime, model_dir, "taggers")
    pipe = MultimodalNERPipeline(model, processor=processor, task="multimodal-ner", min_score=min_score)
    items: Iterable[Item] = read_items(file) if file else (Item(str(n), text) for n, text in enumerate(texts or ()))
    items = (_prepared(item, folder, pipe.processor.splitter if ending == ".conll" else None) for item in items)
    failed = 0
    with _writer(output, ending) as write:
        for item, found in tqdm(tag_items(pipe, items, batch_size), desc="Tagging", unit=" rows", disable=not file):
            if item.error is None:
                write(item, found)
                continue
            if on_error == "stop":
                raise ValueError(f"row {item.id}: {item.error}")
            failed += 1
            sys.stderr.write(f"row {item.id} is left out: {item.error}\n")
    if failed:
        sys.stderr.write(f"{failed:,} rows are left out.\n")


def tag_items(pipe: Any, items: Iterable[Item], batch_size: int) -> Iterator[tuple[Item, list[dict[str, Any]]]]:
    """Find the entities of items by ``multimodal-ner``, in their order; one that cannot be read gets an ``error``."""
    waiting: deque[Item] = deque()

    def inputs() -> Iterator[dict[str, Any]]:
        for item in items:
            waiting.append(item)
            if item.error is None:
                yield {"text" if isinstance(item.content, str) else "tokens": item.content, "image": item.image}

    for answer in pipe(inputs(), batch_size=batch_size, on_error="skip"):
        while waiting[0].error is not None:
            yield waiting.popleft(), []
        item = waiting.popleft()
        if isinstance(answer, Mapping):
            item.error, answer = re.sub(r"^input \d+ \(counted from 0\): ", "", answer["error"]), []
        yield item, answer
    yield from ((item, []) for item in waiting)


def read_items(path: Path) -> Iterator[Item]:
    """Read a file row by row, plain or gzipped.

    Args:
        path: ``.jsonl`` of records with ``text`` or ``tokens``, and perhaps ``image``, ``image_id`` and ``id``;
            ``.conll`` of words in the first column, numbers aside; else lines of text.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not UTF-8, or damaged.
    """
    import fsspec

    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file; check the path.")
    ending = PurePath(str(path).removesuffix(".gz")).suffix.lower()
    with fsspec.open(str(path), "rt", encoding="utf-8-sig", compression="infer", newline="\n") as stream:
        lines = (line.rstrip("\r\n") for line in stream)
        try:
            if ending in (".jsonl", ".ndjson"):
                yield from (_record(number, line, path.parent) for number, line in enumerate(lines) if line.strip())
            elif ending in (".conll", ".conllu", ".tsv", ".iob", ".bio"):
                yield from _sentences(lines)
            else:
                yield from (Item(str(number), line) for number, line in enumerate(lines))
        except (UnicodeDecodeError, EOFError) as error:
            raise ValueError(f"{path} is damaged, or not UTF-8 ({error}); convert it to UTF-8.") from error


def _record(number: int, line: str, folder: Path) -> Item:
    """Read a line of JSON."""
    try:
        record = json.loads(line)
        content, image = record.get("text") or record.get("tokens"), record.get("image")
        if not isinstance(content, (str, list)):
            content = record["text"]
        if image and not re.match("https?://", image):
            image = str(folder / image)
        return Item(str(record.get("id", number)), content, image, record.get("image_id"))
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        return Item(str(number), error=f"expected JSON with text or tokens, found {line[:80]!r} ({error!r}).")


def _sentences(lines: Iterable[str]) -> Iterator[Item]:
    """Read words between blank lines, each after the id of its image."""
    from hf_mlm.data.mmnerd.conll import DOCUMENT_START, IMAGE_PREFIX, surface_words

    number = 0
    for is_blank, block in groupby(lines, lambda line: not line.strip() or line.startswith(DOCUMENT_START)):
        kept = [line for line in block if not line.startswith("# ")]
        images = [
            line.removeprefix(IMAGE_PREFIX) for line in kept if line.startswith(IMAGE_PREFIX) and "\t" not in line
        ]
        rows = [line.split("\t") if "\t" in line else line.split() for line in kept[len(images) :]]
        if is_blank or not rows:
            continue
        words = [row[0] for row in rows]
        if words[0][0] in "01" and all(len(row) > 2 for row in rows):  # CoNLL-U
            words = [token for _, token, _ in surface_words([(0, row[1], "_") for row in rows], words)]
        yield Item(str(number), words, image_id=images[0] if images else None)
        number += 1


def _prepared(item: Item, folder: Any, splitter: Callable[[str], tuple[list[str], Any]] | None) -> Item:
    """Find the image of an item in the folder, and divide its text where words are wanted."""
    name = item.image_id or (PurePath(item.image).name if item.image else None)
    if folder is not None and name is not None:
        found = folder.find(name)
        item.error = item.error or (None if found else f"{folder.path} has no image {name!r}.")
        item.image = str(found)
    if splitter is not None and isinstance(item.content, str):
        item.content = splitter(item.content)[0]
    return item


@contextmanager
def _writer(output: Path | None, ending: str) -> Iterator[Callable[..., Any]]:
    """Write rows one by one to a file, which is there once all are written."""
    from hf_mlm.drawing.html import Markup, element, page
    from hf_mlm.files import replacing

    if output is None:
        yield lambda item, found: sys.stdout.write(_json(item, found))
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as stream:
        if ending == ".csv":
            table = csv.writer(stream)
            table.writerow(("id", "start", "end", "type", "word", "score"))
            names = ("start", "end", "entity_group", "word", "score")
            yield lambda item, found: table.writerows([item.id, *(row[name] for name in names)] for row in found)
        elif ending == ".html":
            head, tail = page("Entities", element("style", Markup(_STYLE)), Markup("\0")).split("\0")
            stream.write(head)
            yield lambda item, found: stream.write(_section(item, found))
            stream.write(tail)
        else:
            spelled = _json if ending == ".jsonl" else _conll
            yield lambda item, found: stream.write(spelled(item, found))


def _tags(item: Item, found: Sequence[Mapping[str, Any]]) -> list[str]:
    tags = ["O"] * len(item.content)
    for entity in found:
        for number in range(entity["start"], entity["end"]):
            tags[number] = f"{'B' if number == entity['start'] else 'I'}-{entity['entity_group']}"
    return tags


def _json(item: Item, found: Sequence[Mapping[str, Any]]) -> str:
    is_text = isinstance(item.content, str)
    content = {"text": item.content} if is_text else {"tokens": item.content, "tags": _tags(item, found)}
    return json.dumps({"id": item.id, **content, "entities": found}, ensure_ascii=False) + "\n"


def _conll(item: Item, found: Sequence[Mapping[str, Any]]) -> str:
    from hf_mlm.data.mmnerd.conll import Sentence, format_conll

    if not item.content:
        return ""
    return format_conll([Sentence(list(item.content), _tags(item, found), item.image_id)])


def _section(item: Item, found: Sequence[Mapping[str, Any]]) -> str:
    """Show a sentence with its entities beside its image."""
    from io import BytesIO

    from hf_mlm.app.answers import highlighted
    from hf_mlm.drawing.html import data_uri, element
    from hf_mlm.pipelines.base import open_image

    text, picture = item.content, None
    if not isinstance(text, str):
        ends = [0]
        for word in item.content:
            ends.append(ends[-1] + len(word) + 1)
        text = " ".join(item.content)
        found = [row | {"start": ends[row["start"]], "end": ends[row["end"]] - 1} for row in map(dict, found)]
    try:
        if item.image is not None:
            small, content = open_image(item.image), BytesIO()
            small.thumbnail((_THUMBNAIL, _THUMBNAIL))
            small.save(content, "JPEG")
            picture = element("img", src=data_uri(content.getvalue(), "image/jpeg"), alt=f"image of {item.id}")
    except (OSError, ValueError) as error:  # a tagger without images has not opened it
        picture = element("p", str(error))
    return element("section", picture, highlighted(text, found)) + "\n"
