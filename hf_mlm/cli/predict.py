"""``hf-mlm predict RUN``: locate images and texts, one on the screen or many into a file, and find their like."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from hf_mlm.cli.options import BatchSize, DataDir, DatasetOptions, ModelDir, Runtime, open_for


if TYPE_CHECKING:
    from rich.table import Table

FORMATS = (".csv", ".jsonl", ".geojson", ".html")
COLUMNS = (
    *("input", "latitude", "longitude", "radius_km", "settlement", "settlement_km", "country", "cell", "probability"),
    *("neighbours", "error"),
)
_CHUNK = 256  # inputs held at a time

Named = tuple[str, dict[str, Any]]  # name of an input, and the query


def predict(
    model_dir: ModelDir,
    inputs: Annotated[list[Path] | None, typer.Argument(help="Images, or folders of them with --folder.")] = None,
    folder: Annotated[bool, typer.Option("--folder", help="Take the images of folders.")] = False,
    texts: Annotated[Path | None, typer.Option(help="Lines of text, or a table (CSV, JSON lines …) of texts.")] = None,
    output: Annotated[Path | None, typer.Option(help=f"File to write: {', '.join(FORMATS)}.")] = None,
    image: Annotated[Path | None, typer.Option(help="Image to locate.")] = None,
    text: Annotated[str | None, typer.Option(help="Text to locate.")] = None,
    classes: Annotated[str, typer.Option(help='Classes of the text, such as "city, port".')] = "",
    gallery: Annotated[
        str | None, typer.Option(help="What to search: a saved gallery, demo, irle, irle-gr, archive or 'same'.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split of a gallery that is a dataset.")] = "test",
    data_dir: DataDir = None,
    option: DatasetOptions = None,
    runtime: Runtime = "torch",
    batch_size: BatchSize = 32,
    top: Annotated[int, typer.Option(min=1, help="Cells and neighbours to show.")] = 5,
) -> None:
    """Estimate where images and texts belong, and find what resembles them in a gallery.

    An input that cannot be read is told and passed over.
    """
    single = [(kind, query) for kind, query in _single(image, text, classes).items() if query]
    named = chain(single, _images(inputs or []), _texts(texts))
    if not (single or inputs or texts):
        raise ValueError("there is nothing to locate: pass images, --image FILE, --text TEXT or --texts FILE.")
    _check_paths(inputs or [], folder, texts, output)
    model, processor = open_for(runtime, model_dir, "irle")
    if processor is None:
        raise ValueError(f"the model in {model_dir} reads precomputed features, not images and texts.")
    locate = _locator(model, processor, top)
    retrieve = _retrieval(model_dir, model, processor, gallery, split, data_dir, option) if gallery else None
    if output is None and not (inputs or texts):
        _show(single, locate, retrieve, top)
        return
    answers = predict_many(named, locate, retrieve, batch_size, top)
    failed = total = 0
    with _writer(output) as write:
        for name, answer in answers:
            total += 1
            write(name, answer)
            if "error" in answer:
                failed += 1
                sys.stderr.write(f"{name} is passed over: {answer['error']}\n")
    if failed:
        sys.stderr.write(f"{failed:,} of {total:,} inputs are passed over.\n")
    if failed == total:
        raise ValueError(f"none of {total:,} inputs could be located; see what is said of each above.")


def _single(image: Path | None, text: str | None, classes: str) -> dict[str, Any]:
    return {"image": image and {"image": image}, "text": text and {"text": text, "classes": classes}}


def _check_paths(inputs: Sequence[Path], folder: bool, texts: Path | None, output: Path | None) -> None:
    """Tell what is wrong with the command line before anything is loaded."""
    from hf_mlm.data.mlm.archives.records import TABLE

    for path in inputs:
        if path.is_dir() and not folder:
            raise ValueError(f"Expected an image, found the folder {path}: pass --folder to take the images in it.")
        if TABLE.search(path.name) or path.suffix.lower() == ".txt":
            raise ValueError(f"Expected an image, found {path}: pass a table or lines of texts by --texts {path}.")
    if texts is not None and not texts.is_file():
        found = "a folder" if texts.is_dir() else "nothing"
        raise FileNotFoundError(f"Expected a file of texts in {texts}, found {found}; name a table or a text file.")
    if output is None:
        return
    if output.suffix.lower() not in FORMATS:
        raise ValueError(f"Expected --output to end with one of {', '.join(FORMATS)}, found {output}.")
    if not output.absolute().parent.is_dir():
        raise FileNotFoundError(f"there is no folder {output.absolute().parent} for --output; make it first.")


def _images(inputs: Sequence[Path]) -> Iterator[Named]:
    """Name the images of files and folders."""
    from hf_mlm.data.mlm.archives.records import Files

    for path in inputs:
        names = [path / name for name in Files(path).images] if path.is_dir() else [path]
        if not names:
            raise FileNotFoundError(f"the folder {path} holds no images; check the path.")
        yield from ((str(name), {"image": name}) for name in names)


def _texts(path: Path | None) -> Iterator[Named]:
    """Name the texts of a table by their ids, those of a file of lines by their numbers."""
    from hf_mlm.data.mlm.archives.reading import Archive
    from hf_mlm.data.mlm.archives.records import TABLE

    if path is None:
        return
    if TABLE.search(path.name):
        for entry in Archive.open(path).entries():
            if entry.row is not None and entry.row["summaries"]:
                text = entry.row["summaries"][0]["text"]
                yield entry.row["entity_id"], {"text": text, "classes": entry.row["classes"]}
        return
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield f"line {number}", {"text": line.strip()}


def predict_many(
    named: Iterable[Named], locate: Any, retrieve: Any, batch_size: int, top: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Locate inputs, and find their like, some hundred at a time.

    Args:
        named: names and queries.
        locate: the pipeline ``geo-estimation``, or None.
        retrieve: the pipeline ``cross-modal-retrieval``, or None.
        batch_size: of both.
        top: neighbours of each.

    Yields:
        the name and the answer of ``geo-estimation``, with ``neighbours`` of a gallery, or with ``error`` alone.
    """
    from huggingface_hub.utils import tqdm

    remaining = iter(named)
    with tqdm(desc="Locating", unit=" inputs") as bar:
        while chunk := list(islice(remaining, _CHUNK)):
            queries = [query for _, query in chunk]
            options = {"batch_size": batch_size, "on_error": "skip"}
            places = locate(queries, **options) if locate else [{} for _ in queries]
            found = retrieve(queries, top_k=top, **options) if retrieve else [None for _ in queries]
            for (name, _), place, neighbours in zip(chunk, places, found, strict=True):
                answer = dict(place)
                if isinstance(neighbours, Mapping):
                    answer = {"error": neighbours["error"]}
                elif neighbours is not None and "error" not in answer:
                    answer["neighbours"] = neighbours
                if "error" in answer:
                    answer["error"] = re.sub(r"^input \d+ \(counted from 0\): ", "", answer["error"])
                yield name, answer
            bar.update(len(chunk))


def row_of(name: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten an answer to ``COLUMNS``."""
    place, cells = answer.get("settlement") or {}, answer.get("cells") or [{}]
    row = {
        **{column: answer.get(column) for column in ("latitude", "longitude", "radius_km", "country", "error")},
        "input": name,
        "settlement": place.get("name"),
        "settlement_km": place.get("km"),
        "cell": cells[0].get("token"),
        "probability": cells[0].get("probability"),
        "neighbours": "; ".join(str(found.get("label")) for found in answer.get("neighbours", ())) or None,
    }
    decimals = {"latitude": 5, "longitude": 5, "radius_km": 1, "probability": 4}
    rounded = {column: round(row[column], places) for column, places in decimals.items() if row[column] is not None}
    return {column: {**row, **rounded}[column] for column in COLUMNS}


@contextmanager
def _writer(output: Path | None) -> Iterator[Callable[[str, Mapping[str, Any]], None]]:
    """Write answers as they come; the file appears when all are in it. JSON lines on the screen without one."""
    from hf_mlm.files import full_disk_in_words, replacing

    if output is None:
        yield lambda name, answer: _write_line(sys.stdout, name, answer)
        return
    with (
        full_disk_in_words(output.absolute().parent, "and start again"),
        replacing(output.absolute()) as path,
        path.open("w", encoding="utf-8", newline="") as file,
        {".csv": _csv, ".jsonl": _jsonl, ".geojson": _geojson, ".html": _html}[output.suffix.lower()](file) as write,
    ):
        yield write


def _write_line(file: TextIO, name: str, answer: Mapping[str, Any]) -> None:
    file.write(json.dumps({"input": name, **answer}, ensure_ascii=False, default=str) + "\n")


@contextmanager
def _jsonl(file: TextIO) -> Iterator[Callable[[str, Mapping[str, Any]], None]]:
    yield lambda name, answer: _write_line(file, name, answer)


@contextmanager
def _csv(file: TextIO) -> Iterator[Callable[[str, Mapping[str, Any]], None]]:
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    yield lambda name, answer: writer.writerow(row_of(name, answer))


@contextmanager
def _geojson(file: TextIO) -> Iterator[Callable[[str, Mapping[str, Any]], None]]:
    from hf_mlm.pipelines.geojson import feature, point_geometry

    separator = '{"type": "FeatureCollection", "features": [\n'

    def write(name: str, answer: Mapping[str, Any]) -> None:
        nonlocal separator
        place = answer.get("latitude"), answer.get("longitude")
        geometry: Any = None if place[0] is None or place[1] is None else point_geometry(place[0], place[1])
        properties = {column: value for column, value in row_of(name, answer).items() if value is not None}
        file.write(separator + json.dumps(feature(geometry, properties), ensure_ascii=False))
        separator = ",\n"

    yield write
    file.write(("" if separator == ",\n" else separator) + "\n]}\n")


@contextmanager
def _html(file: TextIO) -> Iterator[Callable[[str, Mapping[str, Any]], None]]:
    """A map of all places above a table of all answers."""
    from hf_mlm.app.maps import points_map
    from hf_mlm.drawing.html import element, page
    from hf_mlm.drawing.maps import Window

    rows: list[dict[str, Any]] = []
    yield lambda name, answer: rows.append(row_of(name, answer))
    known = [{**row, "file": row["input"]} for row in rows if row["latitude"] is not None]
    columns = [column for column in COLUMNS if any(row[column] is not None for row in rows)]
    head = element("tr", *(element("th", column) for column in columns))
    cells = [element("tr", *(element("td", "" if row[c] is None else str(row[c])) for c in columns)) for row in rows]
    picture = element("figure", points_map(known, Window(), f"Estimates of {len(known):,} inputs"))
    file.write(page("Estimated places", element("h1", "Estimated places"), picture, element("table", head, *cells)))


def _locator(model: Any, processor: Any, top: int) -> Any:
    from hf_mlm.pipelines.geo_estimation import GeoEstimationPipeline

    if "geo" not in model.config.tasks:
        return None
    return GeoEstimationPipeline(model, processor=processor, task="geo-estimation", top_k=top)


def _show(asked: Sequence[Named], locate: Any, retrieve: Any, top: int) -> None:
    """Print the answers to an image and a text."""
    from rich.console import Console

    from hf_mlm.geo.coordinates import position_of

    console = Console()
    estimates = {kind: locate(query) for kind, query in asked} if locate else {}
    for kind, estimate in estimates.items():
        place, near = position_of(estimate["latitude"], estimate["longitude"]), estimate["settlement"]
        named = f", near {near['name']}, {near['country']}" if near else ""
        radius = estimate["radius_km"]
        half = "half of such entities" if estimate["calibrated"] else "half of the probability"
        within = "" if radius is None else f", {half} within {radius:,.0f} km"
        console.print(f"[bold]{kind}[/bold]: {place}{named}{within}", soft_wrap=True)
        console.print(cell_table(estimate["cells"]))
    for kind, query in asked if retrieve else ():
        console.print(neighbour_table(kind, retrieve(query, top_k=top), estimates.get(kind, {})))


def cell_table(cells: Sequence[Mapping[str, Any]]) -> Table:
    """Tabulate the most probable cells and where they lie."""
    from rich.table import Table

    from hf_mlm.geo.coordinates import position_of

    table = Table("cell", "place", "probability")
    for cell in cells:
        name = cell["token"] or str(cell["cell"])
        table.add_row(name, position_of(cell["latitude"], cell["longitude"]), f"{cell['probability']:.3f}")
    return table


def neighbour_table(kind: str, found: Sequence[Mapping[str, Any]], estimate: Mapping[str, Any]) -> Table:
    """Tabulate neighbours of the other modality, with their distance from the estimated place."""
    from rich.table import Table

    from hf_mlm.geo.distance import great_circle_distance

    title = f"{found[0]['modality']}s like the {kind}" if found else ""
    table = Table("place", "country", "similarity", "km away", title=title, title_justify="left")
    latitude, longitude = estimate.get("latitude"), estimate.get("longitude")
    for entity in found:
        away = "–"
        if latitude is not None and longitude is not None and entity.get("latitude") is not None:
            distance = great_circle_distance(latitude, longitude, entity["latitude"], entity["longitude"])
            away = f"{float(distance):,.0f}"
        label = entity.get("label") or entity.get("entity_id") or str(entity["row"])
        table.add_row(label, entity.get("country") or "–", f"{entity['score']:.3f}", away)
    return table


def _retrieval(
    model_dir: Path,
    model: Any,
    processor: Any,
    gallery: str,
    split: str,
    data_dir: str | None,
    words: list[str] | None,
) -> Any:
    """Open the pipeline that searches a saved gallery, or a split of a dataset."""
    from hf_mlm.cli.evaluate import chosen_dataset
    from hf_mlm.pipelines.cross_modal_retrieval import CrossModalRetrievalPipeline
    from hf_mlm.training.irle.scoring import load_rows

    if "retrieval" not in model.config.tasks:
        raise ValueError(f"the model in {model_dir} was not trained for retrieval: leave out --gallery.")
    rows: Any = gallery
    if not Path(gallery).is_dir():
        dataset, options = chosen_dataset(model_dir, None if gallery == "same" else gallery, data_dir, words)
        rows = load_rows(model, dataset, split, **options)
    return CrossModalRetrievalPipeline(model, processor=processor, gallery=rows, task="cross-modal-retrieval")
