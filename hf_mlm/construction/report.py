"""The HTML report of a finished build of MLM: its findings, and the authors' counts beside them."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hf_mlm.construction.cards.builds import SETTLEMENTS, entity_nouns, iso_date
from hf_mlm.construction.cards.card import PROVENANCE, images_by_licence
from hf_mlm.construction.mlm.dataset import CONFIGS, LICENCES
from hf_mlm.construction.stage import MANIFEST, OutputFile, StageManifest
from hf_mlm.drawing.cell_map import cell_map
from hf_mlm.drawing.html import Markup, element, page
from hf_mlm.drawing.maps import background
from hf_mlm.files import write_text
from hf_mlm.geo.partition import GeoCellPartition
from hf_mlm.reporting.tables import bar_table, figure_table
from hf_mlm.world.imagery import blue_marble
from hf_mlm.world.nearest import continents, country_names


@dataclass(frozen=True)
class Texts:
    """Number of summaries in one language, and the characters of all of them."""

    count: int
    characters: int


class Losses(NamedTuple):
    """Kept and dropped "rows", or "images", of a stage; reason -> number."""

    stage: str
    unit: str
    kept: int
    dropped: Mapping[str, int]


@dataclass(frozen=True)
class BuildFindings:
    """Counts of a build for the report.

    Attributes:
        record: of the build.
        nouns: plural of the entities, such as "settlements".
        sizes: config -> entities.
        countries: ISO 3166 alpha-2 code, or "" for none -> entities of config ``mlm``.
        languages: language -> its summaries.
        licences: licence -> images.
        partitions: config -> its cells, with the entities in each.
        losses: of the stages in which something was dropped.
    """

    record: Mapping[str, Any]
    nouns: str
    sizes: Mapping[str, int]
    countries: Mapping[str, int]
    languages: Mapping[str, Texts]
    licences: Mapping[str, int]
    partitions: Mapping[str, GeoCellPartition]
    losses: Sequence[Losses]

    @property
    def images(self) -> int:
        """Number of images."""
        return sum(self.licences.values())

    @property
    def summaries(self) -> int:
        """Number of summaries in all languages."""
        return sum(texts.count for texts in self.languages.values())


def find_in_build(dataset: Path) -> BuildFindings:
    """Count what a finished build holds; images are not opened.

    Raises:
        FileNotFoundError: if it is no such folder.
    """
    if not (dataset / PROVENANCE).is_file():
        raise FileNotFoundError(
            f"Expected {PROVENANCE} in {dataset}, found none; finish the build by running it again."
        )
    provenance = json.loads((dataset / PROVENANCE).read_text(encoding="utf-8"))
    files = StageManifest.load(dataset / MANIFEST).files
    licences = images_by_licence(dataset / file.name for file in of_config(files, LICENCES))
    countries, languages = _entities([dataset / file.name for file in of_config(files, "mlm")])
    return BuildFindings(
        provenance["build"],
        entity_nouns(provenance["build"], provenance["stages"].get("names", {}).get("facts", {})),
        {config: sum(file.rows for file in of_config(files, config)) for config in ("mlm", *CONFIGS)},
        countries,
        languages,
        licences,
        dict(_partitions(dataset, files, provenance["stages"]["selection"]["facts"])),
        list(_losses(provenance["stages"], sum(licences.values()))),
    )


def of_config(files: Sequence[OutputFile], config: str) -> list[OutputFile]:
    """The files in the folder of a config."""
    return [file for file in files if file.name.startswith(f"{config}/")]


def _entities(paths: Sequence[Path]) -> tuple[dict[str, int], dict[str, Texts]]:
    countries: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    for path in paths:
        with pq.ParquetFile(path) as opened:
            for batch in opened.iter_batches(columns=["country", "summaries"]):
                countries.update(code or "" for code in batch.column("country").to_pylist())
                for language in (field.name for field in batch.column("summaries").type):
                    texts = pc.struct_field(batch.column("summaries"), language)
                    counts[language] += len(texts) - texts.null_count
                    characters[language] += pc.sum(pc.utf8_length(texts)).as_py() or 0
    ordered = dict(sorted(countries.items(), key=lambda entry: (-entry[1], entry[0])))
    return ordered, {language: Texts(counts[language], characters[language]) for language in counts}


def _partitions(
    dataset: Path, files: Sequence[OutputFile], facts: Mapping[str, Any]
) -> Iterator[tuple[str, GeoCellPartition]]:
    for config in CONFIGS:
        tokens = facts.get(f"{config}: cells")
        if tokens:
            columns = [
                pq.read_table(dataset / file.name, columns=["geo_cell"])[0] for file in of_config(files, config)
            ]
            cells = np.concatenate([column.to_numpy() for column in columns] or [np.zeros(0, np.int64)])
            yield config, GeoCellPartition.from_tokens(tokens, np.bincount(cells, minlength=len(tokens)))


def _losses(stages: Mapping[str, Mapping[str, Any]], images: int) -> Iterator[Losses]:
    """What is dropped in a stage is its rows, or images of its rows: reasons that begin with "image"."""
    for name, stage in stages.items():
        of_images = {reason: count for reason, count in stage["dropped"].items() if reason.startswith("image")}
        of_rows = {reason: count for reason, count in stage["dropped"].items() if reason not in of_images}
        if of_rows:
            yield Losses(name, "rows", sum(file["rows"] for file in stage["files"]), of_rows)
        if of_images:
            told = {re.sub("^image:? ", "", reason): count for reason, count in of_images.items()}
            yield Losses(name, "images", images, told)


VARIABLE = "HF_MLM_SHARED_DATA"
_COUNTRIES, _TOTALS = "MLM_v1_coord_stats.txt", "mlm_stats.txt"
_VERSION = "MLM v1 dataset"


class PublishedCounts(NamedTuple):
    """The authors' counts of MLM v1: entities by country, and "data points", "summaries" and "images" in all."""

    countries: Mapping[str, int]
    totals: Mapping[str, int]


def published_counts(folder: Path | None = None) -> PublishedCounts | None:
    """Read the authors' counts.

    Returns:
        None if the files are not there.
    """
    root = folder or Path(os.environ.get(VARIABLE, ""))
    countries, totals = root / "mlm" / _COUNTRIES, root / "mlm" / _TOTALS
    if not (countries.is_file() and totals.is_file()):
        return None
    # Countries are the second of four parts, after the total and before the continents.
    by_country = re.findall(r"^([A-Z]{2}): (\d+)$", countries.read_text("utf-8").split("----------")[1], re.M)
    part = next(part for part in totals.read_text("utf-8").split("\n\n") if part.startswith(_VERSION))
    in_all = re.findall(r"Num of ([a-z ]+): (\d+)", part)
    return PublishedCounts(*({name: int(count) for name, count in pairs} for pairs in (by_country, in_all)))


COUNTRIES = 25  # of the table
_LEVELS = {"irle": "all entities with image and summary", "irle-gr": "the geo-representative sample"}


class Ground(NamedTuple):
    """Facts that only the extra ``demo`` brings: a JPEG of the earth, continents and English names of countries."""

    earth: bytes | None
    continents: Mapping[str, str]
    names: Mapping[str, str]


def render_build(findings: BuildFindings, commands: Sequence[str], published: PublishedCounts | None = None) -> str:
    """Lay the report out as one self-contained HTML document.

    Args:
        findings: of the build.
        commands: to try next, one shell command each.
        published: the authors' counts; those in ``HF_MLM_SHARED_DATA``, if any, when omitted.
    """
    published = published or published_counts()
    ground = _ground({*findings.countries, *(published.countries if published else ())})
    sections = [
        _header(findings),
        _figures(findings, published),
        *_maps(findings, ground),
        _continents(findings, published, ground),
        _country_section(findings, published, ground),
        _language_section(findings),
        _loss_section(findings.losses),
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
        named, areas = country_names(codes), dict(zip(codes, continents(codes), strict=True))
        return Ground(background(blue_marble()), areas, named)
    except (ImportError, FileNotFoundError):
        return Ground(None, {}, {})


def _header(findings: BuildFindings) -> Markup:
    source, config = findings.record["source"], findings.record["edition"]
    origin = f"Wikidata's dump of {iso_date(source['date'])}" if "dump" in source else source["endpoint"]
    cells = [f"{_several(len(partition), 'cell')} in {config}" for config, partition in findings.partitions.items()]
    facts = [f"languages {', '.join(config['languages'])}", f"base types {', '.join(config['base_types'])}"]
    facts += [_several(config["hops"], "hop"), *cells, f"code {findings.record['code']}"]
    lead = (
        f"{findings.sizes['mlm']:,} {findings.nouns} with {findings.summaries:,} summaries and {findings.images:,} "
        f"images, built from {origin}, Wikipedia and Wikimedia Commons."
    )
    return element(
        "header",
        element("h1", "A new MLM" if findings.nouns == SETTLEMENTS else f"An MLM of {findings.nouns}"),
        element("p", lead, class_="lead"),
        element("p", " · ".join(facts), class_="facts"),
    )


# MLM §3 and Table 2, which counts what has an image, a summary and a cell.
PAPER: Mapping[str, float] = {
    "instances of the classes": 2_500_000,
    "entities of irle": 218_681,
    "entities of irle-gr": 22_501,
    "summaries per entity": 2.11,
    "images per entity": 1.44,
}
_NO_INSTANCE = "no instance of the classes"


def _figures(findings: BuildFindings, published: PublishedCounts | None) -> Markup:
    entities = max(1, findings.sizes["mlm"])
    ours: dict[str, float | None] = {
        "instances of the classes": _instances(findings),
        "entities": findings.sizes["mlm"],
        "summaries": findings.summaries,
        "images": findings.images,
        **{f"entities of {config}": findings.sizes[config] for config in _LEVELS},
        "summaries per entity": findings.summaries / entities,
        "images per entity": findings.images / entities,
    }
    theirs: dict[str, float | None] = {}
    if published:
        totals = {name.replace("data points", "entities"): count for name, count in published.totals.items()}
        theirs |= totals | {
            f"{name} per entity": totals[name] / totals["entities"] for name in ("summaries", "images")
        }
    columns: list[Mapping[str, float | None]] = [ours, PAPER, *([theirs] if theirs else [])]
    rows = [[name, *(_count(column.get(name)) for column in columns)] for name in ours]
    names = ["", "this build", "paper", *(["MLM v1"] if theirs else [])]
    note = "" if published else f"Set {VARIABLE} to a folder with the authors' counts to see these beside."
    return _section("Figures", figure_table("Size", names, [("", rows)]), *([note] if note else []))


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"


def _instances(findings: BuildFindings) -> int | None:
    """Items that the stage of entities has seen, without those of other classes."""
    for loss in findings.losses:
        if loss.stage == "entities" and loss.unit == "rows":
            return loss.kept + sum(count for reason, count in loss.dropped.items() if reason != _NO_INSTANCE)
    return None


def _maps(findings: BuildFindings, ground: Ground) -> list[Markup]:
    if not findings.partitions:
        text = "There are no cells: the entities are too few, or too far apart, for the build config's min_entities."
        return [_section("Entities per cell", text)]
    drawings = []
    for config, partition in findings.partitions.items():
        said = (
            f"{config}, {_LEVELS[config]}: {int(partition.counts.sum()):,} entities in "
            f"{_several(len(partition), 'cell')} of {_levels(partition)}."
        )
        drawings.append(cell_map(partition, ground.earth, said))
    text = (
        "A cell of S2 is divided until it holds no more than max_entities of the build config, so small cells mean "
        "many entities; where nothing is painted, there were too few. A cell too small for this map is a square."
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


def _country_section(findings: BuildFindings, published: PublishedCounts | None, ground: Ground) -> Markup:
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


def _language_section(findings: BuildFindings) -> Markup:
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


def _loss_section(losses: Sequence[Losses]) -> Markup:
    if not losses:
        return _section("Left out", "Nothing was dropped.")
    tables = [_loss_table(loss) for loss in losses]
    text = "Every row that came into a stage was either kept or dropped for a reason that was counted."
    return _section("Left out", text, *tables)


def _loss_table(loss: Losses) -> Markup:
    """Shares of the rows that came in; most items of a dump are no instances, and would hide the rest."""
    dropped = {reason: count for reason, count in loss.dropped.items() if reason != _NO_INSTANCE}
    total = loss.kept + sum(dropped.values())
    reasons = sorted(dropped.items(), key=lambda entry: -entry[1])
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
