"""The map of a partition: every S2 cell in the colour of the number of its entities."""

from __future__ import annotations

import io
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hf_mlm.construction.cards.mlm import iso_date
from hf_mlm.construction.findings import BuildFindings, Losses, continents, country_names, find_in_build
from hf_mlm.drawing.html import Markup, data_uri, drawing, element, page
from hf_mlm.drawing.maps import Window, background
from hf_mlm.files import write_text
from hf_mlm.geo.partition import GeoCellPartition
from hf_mlm.reporting.tables import bar_table, figure_table
from hf_mlm.world.imagery import blue_marble


COLOURS = ("#46327e", "#2c718e", "#1fa187", "#7fd34e", "#fde725")  # dark is few, bright is many
_BORDER = (12, 20, 28)
_OPACITY = 205  # of 255, so that coasts show through
_SEEN, _REACH = 4, 2  # a cell of fewer pixels becomes a square that reaches so far around its centre


def cell_map(partition: GeoCellPartition, earth: bytes | None, title: str, window: Window | None = None) -> Markup:
    """Draw cells and a legend.

    The cells are painted pixel by pixel, by asking the partition for the cell of each, so that no shape has to be cut
    at the antimeridian or at a pole.

    Args:
        partition: with counts.
        earth: a JPEG as `hf_mlm.drawing.maps.background` makes it, of the same window; none for a plain ground.
        title: what a screen reader says instead of the picture.
        window: the part of the world that is shown; the inhabited part when omitted.

    Returns:
        A ``<figure>`` element that needs nothing else.
    """
    window = window or Window()
    bounds = class_bounds(partition.counts)
    size = {"width": f"{window.width:.0f}", "height": f"{window.height:.0f}"}
    layer = element(
        "image", href=data_uri(painted(partition, bounds, window), "image/png"), style="filter:none", **size
    )
    ground = element("image", href=data_uri(earth, "image/jpeg"), **size) if earth else None
    labels = _labels(partition, window)
    svg = drawing(window.width, window.height, title, ground, layer, *labels, class_="map")
    return element("figure", svg, _legend(bounds, int(partition.counts.max())), element("figcaption", title))


def class_bounds(counts: NDArray[np.integer[Any]]) -> list[int]:
    """Lower bounds of the classes of counts: equal steps of the logarithm, rounded; the first is the least count.

    Example:
        >>> class_bounds(np.array([20, 33, 480]))
        [20, 38, 71, 130, 250]
    """
    least, most = max(1, int(counts.min())), max(1, int(counts.max()))
    steps = np.geomspace(least, most, len(COLOURS) + 1)[1:-1]
    rounded = {int(float(f"{step:.2g}")) for step in steps}
    return [least, *sorted(bound for bound in rounded if least < bound <= most)]


def painted(partition: GeoCellPartition, bounds: list[int], window: Window) -> bytes:
    """The layer of cells as a PNG: a palette colour for each class, dark borders, the rest transparent."""
    width, height = round(window.width), round(window.height)
    longitudes = (np.arange(width) + 0.5) / width * 360 - 180
    latitudes = window.north - (np.arange(height) + 0.5) / height * (window.north - window.south)
    grid = np.broadcast_arrays(latitudes[:, None], longitudes[None, :])  # (height, width) each
    cells = partition.assign(*(axis.ravel() for axis in grid)).reshape(height, width)
    classes = np.searchsorted(bounds, partition.counts, side="right")  # (cells,) from 1
    picture = np.where(cells < 0, 0, np.append(classes, 0)[cells]).astype(np.uint8)
    picture[_borders(cells)] = len(COLOURS) + 1
    _mark_small(picture, np.bincount(cells[cells >= 0], minlength=len(classes)), classes, partition, window)
    image = Image.fromarray(picture, "P")
    colours = [tuple(bytes.fromhex(colour[1:])) for colour in COLOURS]
    image.putpalette([value for colour in ((0, 0, 0), *colours, _BORDER) for value in colour])
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True, transparency=bytes([0, *[_OPACITY] * (len(COLOURS) + 1)]))
    return file.getvalue()


def _mark_small(
    picture: NDArray[np.uint8],
    pixels: NDArray[np.intp],
    classes: NDArray[np.intp],
    partition: GeoCellPartition,
    window: Window,
) -> None:
    """Paint a square where a cell has too few pixels to be seen; cells with more entities lie on top."""
    places = window.project(*partition.centers).astype(int)  # (cells, 2)
    small = np.flatnonzero(pixels < _SEEN)
    for cell in small[np.argsort(classes[small], kind="stable")]:
        column, row = np.maximum(places[cell] - _REACH, 0)
        picture[row : row + 2 * _REACH + 1, column : column + 2 * _REACH + 1] = classes[cell]


def _borders(cells: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Pixels whose right or lower neighbour is of another cell."""
    borders = np.zeros(cells.shape, bool)
    borders[:, :-1] |= cells[:, :-1] != cells[:, 1:]
    borders[:-1] |= cells[:-1] != cells[1:]
    return borders


def _labels(partition: GeoCellPartition, window: Window) -> list[Markup]:
    """What shows when the pointer rests on the middle of a cell."""
    points = window.project(*partition.centers)
    return [
        element(
            "circle",
            element("title", f"cell {token}: {count:,} entities"),
            cx=f"{x:.1f}",
            cy=f"{y:.1f}",
            r="7",
            fill_opacity="0",
        )
        for token, count, (x, y) in zip(partition.tokens, partition.counts.tolist(), points, strict=True)
    ]


def _legend(bounds: list[int], most: int) -> Markup:
    texts = [f"{low:,} to {high - 1:,}" for low, high in zip(bounds, bounds[1:], strict=False)]
    last = f"{most:,}" if bounds[-1] == most else f"{bounds[-1]:,} or more"
    items = [
        element("li", f"{text} entities", style=f"--swatch:{colour}")
        for text, colour in zip([*texts, last], COLOURS, strict=False)
    ]
    return element("ul", *items, class_="legend")


VARIABLE = "HF_MLM_SHARED_DATA"
_COUNTRIES, _TOTALS = "MLM_v1_coord_stats.txt", "mlm_stats.txt"
_VERSION = "MLM v1 dataset"


@dataclass(frozen=True)
class PublishedCounts:
    """What the authors say about MLM v1.

    Attributes:
        countries: ISO 3166 alpha-2 code -> entities.
        totals: "data points", "summaries" and "images" -> how many.
    """

    countries: Mapping[str, int]
    totals: Mapping[str, int]


def published_counts(folder: Path | None = None) -> PublishedCounts | None:
    """Read the authors' counts.

    Args:
        folder: that holds their files in its folder ``mlm``; the one in ``HF_MLM_SHARED_DATA`` when omitted.

    Returns:
        None if the files are not there.
    """
    root = folder or Path(os.environ.get(VARIABLE, ""))
    countries, totals = root / "mlm" / _COUNTRIES, root / "mlm" / _TOTALS
    if not (countries.is_file() and totals.is_file()):
        return None
    return PublishedCounts(_paper_countries(countries.read_text("utf-8")), _totals(totals.read_text("utf-8")))


def _paper_countries(text: str) -> dict[str, int]:
    """The second of four parts: countries, after the total and before the continents."""
    return {code: int(count) for code, count in re.findall(r"^([A-Z]{2}): (\d+)$", text.split("----------")[1], re.M)}


def _totals(text: str) -> dict[str, int]:
    part = next(part for part in text.split("\n\n") if part.startswith(_VERSION))
    return {name: int(count) for name, count in re.findall(r"Num of ([a-z ]+): (\d+)", part)}


COUNTRIES = 25  # of the table
_LEVELS = {"irle": "all entities with image and summary", "irle-gr": "the geo-representative sample"}


@dataclass(frozen=True)
class Ground:
    """What only the extra ``demo`` brings; without it the page has less.

    Attributes:
        earth: a JPEG of the earth.
        continents: country -> continent.
        names: country -> its English name.
    """

    earth: bytes | None
    continents: Mapping[str, str]
    names: Mapping[str, str]


def render_build(findings: BuildFindings, commands: Sequence[str], published: PublishedCounts | None = None) -> str:
    """Lay the report out as one self-contained HTML document.

    Args:
        findings: of the build.
        commands: what to try next, one shell command each.
        published: the authors' counts; those in ``HF_MLM_SHARED_DATA``, if any, when omitted.
    """
    published = published or published_counts()
    ground = _ground({*findings.countries, *(published.countries if published else ())})
    sections = [
        _header(findings),
        _figures(findings, published),
        *_maps(findings, ground),
        _continents(findings, published, ground),
        _countries(findings, published, ground),
        _languages(findings),
        _losses(findings.losses),
        _licences(findings),
        _section("Try next", element("pre", element("code", "\n".join(commands)))),
    ]
    return page("A build of MLM", *(section for section in sections if section))


def _section(title: str, *content: Markup | str) -> Markup:
    """A section; plain strings become paragraphs."""
    blocks = [block if isinstance(block, Markup) else element("p", block) for block in content]
    return element("section", element("h2", title), *blocks)


def _ground(countries: set[str]) -> Ground:
    codes = sorted(filter(None, countries))
    try:
        named, places = country_names(codes), dict(zip(codes, continents(codes), strict=True))
        return Ground(background(blue_marble()), places, named)
    except (ImportError, FileNotFoundError):
        return Ground(None, {}, {})


def _header(findings: BuildFindings) -> Markup:
    source, edition = findings.record["source"], findings.record["edition"]
    origin = f"Wikidata's dump of {iso_date(source['date'])}" if "dump" in source else source["endpoint"]
    cells = [f"{_several(len(partition), 'cell')} in {config}" for config, partition in findings.partitions.items()]
    facts = [f"languages {', '.join(edition['languages'])}", f"base types {', '.join(edition['base_types'])}"]
    facts += [_several(edition["hops"], "hop"), *cells, f"code {findings.record['code']}"]
    lead = (
        f"{findings.sizes['mlm']:,} settlements with {findings.summaries:,} summaries and {findings.images:,} images, "
        f"built from {origin}, Wikipedia and Wikimedia Commons."
    )
    return element(
        "header",
        element("h1", "A new MLM"),
        element("p", lead, class_="lead"),
        element("p", " · ".join(facts), class_="facts"),
    )


def _figures(findings: BuildFindings, published: PublishedCounts | None) -> Markup:
    entities = findings.sizes["mlm"]
    counts = {"entities": entities, "summaries": findings.summaries, "images": findings.images}
    theirs = {
        name.replace("data points", "entities"): n for name, n in (published.totals if published else {}).items()
    }
    rows = [[name, f"{count:,}", *([f"{theirs[name]:,}"] if theirs else [])] for name, count in counts.items()]
    for name in ("summaries", "images"):
        ours = [counts[name] / max(1, entities)]
        shares = ours + ([theirs[name] / theirs["entities"]] if theirs else [])
        rows.append([f"{name} per entity", *(f"{share:.2f}" for share in shares)])
    rows += [
        [f"entities of {config}", f"{findings.sizes[config]:,}", *(["–"] if theirs else [])] for config in _LEVELS
    ]
    columns = ["", "this build", *(["MLM v1"] if theirs else [])]
    note = "" if published else f"Set {VARIABLE} to a folder with the authors' counts to see these beside."
    return _section("Figures", figure_table("Size", columns, [("", rows)]), *([note] if note else []))


def _maps(findings: BuildFindings, ground: Ground) -> list[Markup]:
    if not findings.partitions:
        text = "There are no cells: the entities are too few, or too far apart, for the edition's min_entities."
        return [_section("Entities per cell", text)]
    drawings = []
    for config, partition in findings.partitions.items():
        said = (
            f"{config}, {_LEVELS[config]}: {int(partition.counts.sum()):,} entities in "
            f"{_several(len(partition), 'cell')} of {_levels(partition)}."
        )
        drawings.append(cell_map(partition, ground.earth, said))
    text = (
        "A cell of S2 is divided until it holds no more than max_entities of the edition, so small cells mean many "
        "places; where nothing is painted, there were too few. A cell too small for this map is a square."
    )
    return [_section("Entities per cell", text, *drawings)]


def _levels(partition: GeoCellPartition) -> str:
    least, most = int(partition.levels.min()), int(partition.levels.max())
    return f"S2 level {least}" if least == most else f"S2 levels {least} to {most}"


def _continents(findings: BuildFindings, published: PublishedCounts | None, ground: Ground) -> Markup | None:
    if not ground.continents:
        return _section("Continents", "Install hf-mlm[demo] to see them: GeoNames tells the continent of a country.")
    ours = _by_continent(findings.countries, ground.continents)
    theirs = _by_continent(published.countries, ground.continents) if published else {}
    rows = [
        (f"{name} ({ours.get(name, 0):,})", [_share(each, name) for each in ([ours, theirs] if theirs else [ours])])
        for name in sorted({*ours, *theirs}, key=lambda name: (-ours.get(name, 0), -theirs.get(name, 0), name))
    ]
    columns = ["Continent (entities)", "this build", *(["MLM v1"] if theirs else [])]
    table = bar_table("Share of the entities", columns, rows, "%", digits=1)
    return _section("Continents", table, *([_CONTINENTS] if theirs else []))


_CONTINENTS = (
    "Both columns count countries by the same list, GeoNames', so they may differ from the authors' own sums by "
    "countries that lie on two continents."
)


def _by_continent(countries: Mapping[str, int], known: Mapping[str, str]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for country, count in countries.items():
        counts[known.get(country, "no country")] += count
    return dict(counts)


def _several(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _share(counts: Mapping[str, int], name: str) -> float:
    """Per cent."""
    return 100 * counts.get(name, 0) / max(1, sum(counts.values()))


def _countries(findings: BuildFindings, published: PublishedCounts | None, ground: Ground) -> Markup:
    theirs = published.countries if published else {}
    first = [code for code in findings.countries if code][:COUNTRIES]
    rows = [_country_row(code, findings.countries, theirs, ground.names) for code in first]
    shown = sum(findings.countries[code] for code in first)
    rest = sum(findings.countries.values()) - shown - findings.countries.get("", 0)
    others = len([code for code in findings.countries if code]) - len(first)
    columns = ["Country", "this build", "share", *(["MLM v1", "share"] if theirs else [])]
    caption = f"The {len(first)} countries with most entities"
    unplaced = findings.countries.get("", 0)
    notes = [f"{others:,} more countries have {rest:,} entities."] if others else []
    notes += [f"{unplaced:,} entities have no country."] if unplaced else []
    return _section("Countries", figure_table(caption, columns, [("", rows)]), *notes)


def _country_row(code: str, ours: Mapping[str, int], theirs: Mapping[str, int], names: Mapping[str, str]) -> list[str]:
    row = [f"{names.get(code, code)}"]
    for counts in [ours, theirs] if theirs else [ours]:
        row += [f"{counts.get(code, 0):,}", f"{_share(counts, code):.1f} %"]
    return row


def _languages(findings: BuildFindings) -> Markup:
    entities = max(1, findings.sizes["mlm"])
    rows = [
        (f"{language} ({texts.count:,})", [100 * texts.count / entities])
        for language, texts in findings.languages.items()
    ]
    lengths = "; ".join(
        f"{language} {texts.characters / max(1, texts.count):,.0f}" for language, texts in findings.languages.items()
    )
    table = bar_table(
        "Entities with a summary", ["Language (summaries)", "share of the entities"], rows, "%", digits=1
    )
    return _section("Languages", table, f"Mean length of a summary in characters: {lengths}.")


def _losses(losses: Sequence[Losses]) -> Markup:
    if not losses:
        return _section("What went no further", "Nothing was dropped.")
    tables = [_loss_table(loss) for loss in losses]
    text = "Every row that came into a stage either went on or was dropped for a reason that was counted."
    return _section("What went no further", text, *tables)


def _loss_table(loss: Losses) -> Markup:
    total = loss.kept + sum(loss.dropped.values())
    reasons = sorted(loss.dropped.items(), key=lambda entry: -entry[1])
    rows = [(f"{name} ({count:,})", [100 * count / total]) for name, count in [("kept", loss.kept), *reasons]]
    caption = f"{total:,} {loss.unit} came in"
    heading = element("h3", f"Stage {loss.stage}" + (", images" if loss.unit == "images" else ""))
    return element("div", heading, bar_table(caption, [f"Fate ({loss.unit})", "share"], rows, "%", digits=1))


def _licences(findings: BuildFindings) -> Markup | None:
    if not findings.images:
        return None
    rows = [(licence, [float(count)]) for licence, count in list(findings.licences.items())[:15]]
    text = "The table image_licences of the dataset has author, licence and page of every image."
    table = bar_table("Images by licence", ["Licence", "images"], rows, "")
    return _section("Licences of the images", table, text)


def write_report(target: Path) -> Path:
    """Write ``report.html`` into the folder of a finished build.

    Args:
        target: folder of the build.

    Returns:
        The path written.

    Raises:
        FileNotFoundError: if the build is not finished.
    """
    dataset = target / "dataset"
    commands = [
        f'python -c \'from datasets import load_dataset; print(load_dataset("{dataset}", "irle"))\'',
    ]
    report = target / "report.html"
    write_text(report, render_build(find_in_build(dataset), commands))
    return report
