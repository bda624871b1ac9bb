"""``hf-mlm data``: convert, download, import, check and describe datasets."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperCommand

from hf_mlm.cli.options import DatasetOptions, dataset_options
from hf_mlm.files import write_text


if TYPE_CHECKING:
    from hf_mlm.data.mlm.archives.checking import ArchiveReport
    from hf_mlm.data.mmnerd.audit import AuditReport


_SPLIT = re.compile(r"(?:^|[^a-z])(train|valid|validation|val|dev|test)(?=[^a-z]|$)")
_LANGUAGE = re.compile(r"(?:^|[^a-z])(en|de|fr|es)(?=[^a-z]|$)")
_ORDER = ["train", "validation", "test"]
_EXAMPLES = 10
_LISTED = 15

ColumnsFile = Annotated[
    Path | None, typer.Option(help="YAML of the archive's columns, such as 'title: Titel'; found by name if omitted.")
]

Files = list[tuple[str, str, str]]  # language, split, path


class CheckCommand(TyperCommand):
    """A command whose ``--json`` may stand without a file, for standard output."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``-`` behind a ``--json`` that no file follows."""
        at = args.index("--json") + 1 if "--json" in args else 0
        if at and (at == len(args) or args[at].startswith("--")):
            args = [*args[:at], "-", *args[at:]]
        return super().parse_args(ctx, args)


def check(
    sources: Annotated[
        list[Path] | None, typer.Argument(help="Folder, zip or table of an archive or MLM, or CoNLL files or MMNERD.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder that holds MMNERD.")] = None,
    image_dir: Annotated[Path | None, typer.Option(help="Folder of the sentences' images.")] = None,
    language: Annotated[str, typer.Option(help="Of files whose names tell none.")] = "en",
    labels: Annotated[
        str | None, typer.Option(help="Entity types, such as SHIP,DATE; MMNERD's four if omitted.")
    ] = None,
    columns: ColumnsFile = None,
    json_file: Annotated[str | None, typer.Option("--json", help="File for all that was found; - for here.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with status 1 for warnings too.")] = False,
) -> None:
    """List all faults of all records, with their remedies.

    Of an archive or MLM's files: ids, images, texts, coordinates, licences. Of sentences: labels, duplicates,
    contradictions, leaks, images. Ends with status 1 where there are errors.
    """
    if bool(sources) == bool(data_dir):
        raise ValueError("Expected an archive, MLM's files or CoNLL files, or the folder of MMNERD as --data_dir.")
    if data_dir or _are_sentences(sources or [], language):
        report: Any = _check_sentences(sources or [], data_dir, image_dir, language, labels)
        show: Any = _show
        failed = bool(report.labels)
    else:
        from hf_mlm.data.mlm.archives.checking import check_archive

        report = check_archive(_only(sources or []), columns)
        show = _show_archive
        failed = report.severity == "error" or (strict and report.severity == "warning")
    if json_file != "-":
        show(report)
    if json_file is not None:
        text = json.dumps(report.to_dict(), ensure_ascii=False, indent=1, default=str) + "\n"
        sys.stdout.write(text) if json_file == "-" else write_text(json_file, text)
    if failed:
        raise typer.Exit(1)


def _only(sources: Sequence[Path]) -> Path:
    if len(sources) > 1:
        raise ValueError(f"Expected one folder, zip or table, found {len(sources)}: check one after the other.")
    return sources[0]


def _are_sentences(sources: Sequence[Path], language: str) -> bool:
    """Tell CoNLL files and folders of them from archives."""
    from hf_mlm.data.mlm.archives.records import TABLE

    first = sources[0]
    if not first.is_dir():
        return TABLE.search(first.name) is None and first.suffix.lower() not in (".zip", ".parquet", ".xlsx", ".h5")
    try:
        _in_folder(first, language)
    except FileNotFoundError:
        return False
    return True


def _check_sentences(
    files: Sequence[Path], data_dir: Path | None, image_dir: Path | None, language: str, labels: str | None
) -> AuditReport:
    from hf_mlm.data.checks import ImageFolder, check_not_empty
    from hf_mlm.data.mmnerd.audit import audit
    from hf_mlm.data.mmnerd.schemes import TYPES, read_labels, types_of
    from hf_mlm.data.mmnerd.statistics import read_rows

    data_dir = files[0] if data_dir is None and files[0].is_dir() else data_dir
    found, images = _in_folder(data_dir, language) if data_dir else (_named(files, language), None)
    folder = image_dir or images
    for *_, path in found:
        check_not_empty(Path(path))
    types = TYPES if labels is None else types_of(read_labels([name.strip() for name in labels.split(",")]))
    return audit(read_rows(found), ImageFolder(folder) if folder else None, types)


def _show_archive(report: ArchiveReport) -> None:
    from rich.console import Console
    from rich.table import Table

    from hf_mlm.data.mlm.archives.faults import KINDS, count_faults

    console = Console()
    console.print("\n".join(report.columns), markup=False, highlight=False)
    table = Table("fault", "severity", "how many", "the first of them", "remedy", title=_title(report))
    for kind, count in count_faults(report.faults).items():
        first = next(fault for fault in report.faults if fault.kind == kind)
        place = first.where.removeprefix(report.source).lstrip("/, ") or Path(report.source).name
        found = f"{place}: {first.found}" if first.found else place
        style = {"error": "red", "warning": "yellow", "note": "dim"}[KINDS[kind].severity]
        table.add_row(kind, f"[{style}]{KINDS[kind].severity}[/]", f"{count:,}", escape(found), KINDS[kind].remedy)
    console.print(table)


def _title(report: ArchiveReport) -> str:
    languages = ", ".join(f"{name} {count:,}" for name, count in report.languages.most_common(5))
    texts = f", texts: {languages}" if languages else ""
    return (
        f"{report.records:,} records, {report.rows:,} rows, {report.located:,} with coordinates, "
        f"{report.images:,} images{texts}"
    )


def _in_folder(data_dir: Path, language: str) -> tuple[Files, Path | None]:
    from hf_mlm.data.mmnerd.layout import find_mmnerd, languages_in

    layout = find_mmnerd(data_dir, (data_dir.is_dir() and languages_in(data_dir)) or [language])
    listed = [(name, split, str(path)) for name, paths in layout.files.items() for split, path in paths.items()]
    return sorted(listed, key=lambda file: _ORDER.index(file[1])), layout.images


def _named(paths: Sequence[Path], language: str) -> Files:
    """Language and split of files, by their names and those of their folders; training files first."""
    listed: Files = []
    for path in paths:
        split = _SPLIT.search(path.name.lower())
        name = "validation" if split and split[1][:3] in ("val", "dev") else split[1] if split else path.name
        told = _LANGUAGE.search(path.name.lower()) or _LANGUAGE.search(path.absolute().parent.name.lower())
        listed.append((told[1] if told else language, name, str(path)))
    return sorted(listed, key=lambda file: _ORDER.index(file[1]) if file[1] in _ORDER else len(_ORDER))


def _show(report: AuditReport) -> None:
    from rich.console import Console

    console = Console()
    for table in (_statistics(report), _findings(report)):
        console.print(table)
    for title, lines in _examples(report).items():
        if lines:
            more = [f"… and {len(lines) - _EXAMPLES:,} more (--json tells all)"] if len(lines) > _EXAMPLES else []
            console.print(f"[bold]{title}[/bold]", highlight=False)
            for line in [*lines[:_EXAMPLES], *more]:
                console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def _statistics(report: AuditReport) -> Any:
    from rich.table import Table

    types = list(dict.fromkeys(kind for part in report.statistics for kind in sorted(part.mentions)))
    table = Table(title="Entities: all mentions (a name counting once a sentence)")
    for header in ("language", "split", "source"):
        table.add_column(header)
    for header in ("sentences", "tokens", "longest", "without", *types, "all types"):
        table.add_column(header, justify="right")
    for part in report.statistics:
        counts = [(part.mentions[kind], part.unique[kind]) for kind in types]
        counts.append((part.mentions.total(), part.unique.total()))
        numbers = [f"{number:,}" for number in (part.sentences, part.tokens, part.longest, part.without_entities)]
        both = [f"{mentions:,} ({unique:,})" for mentions, unique in counts]
        table.add_row(part.language, part.split, part.source or "–", *numbers, *both)
    return table


def _findings(report: AuditReport) -> Any:
    from rich.table import Table

    table = Table(title="Findings")
    table.add_column("what")
    table.add_column("where")
    table.add_column("how many", justify="right")
    for what, where, number in _counts(report):
        table.add_row(what, where, f"{number:,}", style="" if number else "dim")
    return table


def _counts(report: AuditReport) -> Iterable[tuple[str, str, int]]:
    labels, conflicts, odd = report.labels, report.conflicts, report.odd_tokens
    yield "sentences with labels that are not IOB2", "", len(labels.invalid)
    yield "entities of unknown types", ", ".join(labels.unknown_types), labels.unknown_types.total()
    yield "image ids without words", "", len(labels.empty)
    kinds = {
        "repeated texts": report.texts,
        "repeated texts, ignoring case": report.texts_ignoring_case,
        "repeated image ids": report.image_ids,
    }
    for what, repeats in kinds.items():
        for where, number in (repeats.within | repeats.across).items():
            yield what, where, number
    for where, counts in report.near_texts.counts.items():
        for similarity, number in counts.items():
            yield f"nearly repeated texts, Jaccard ≥ {similarity}", where, number
    for leak in report.leakage:
        yield "image is in train", f"{leak.language} {leak.split}", leak.same_language
        yield "image is in train of another language", f"{leak.language} {leak.split}", leak.other_languages
    yield "texts with conflicting labels", "", conflicts.texts
    yield "names with several types", f"of {conflicts.surfaces:,}", conflicts.ambiguous_surfaces
    yield "mentions of such names", "", conflicts.ambiguous_mentions
    yield "tokens that tokenizers swallow", f"in {odd.sentences:,} sentences", odd.vanishing
    if report.images.looked_for:
        yield "absent images", f"of {report.images.looked_for:,}", len(report.images.absent)
        yield "broken images", "", len(report.images.broken)


def _examples(report: AuditReport) -> dict[str, list[str]]:
    surfaces = report.conflicts.surface_examples.items()
    near = [pair for pairs in report.near_texts.examples.values() for pair in pairs]
    return {
        "Labels that are not IOB2": report.labels.invalid,
        "Image ids without words": report.labels.empty,
        "Broken images": report.images.broken,
        "Absent images": report.images.absent,
        "Conflicting labels": [" and ".join(places) for places in report.conflicts.text_examples],
        "Nearly repeated texts": [f"{one} and {other}: {similarity:.2f}" for one, other, similarity in near],
        "Names with several types": [f"{name}: {counts}" for name, counts in surfaces],
        "Odd characters": [f"{name}: {number}" for name, number in report.odd_tokens.characters.items()],
        "Tokens that tokenizers swallow": report.odd_tokens.examples,
    }


def features(
    data_dir: Annotated[Path, typer.Option(help="Folder of raw rows.")],
    image_encoders: Annotated[
        list[str],
        typer.Option(help="Folders, repositories or ResNet checkpoints, one or more."),
    ],
    text_encoder: Annotated[str, typer.Option(help="Folder or repository.")],
    output: Annotated[Path, typer.Option(help="Folder to write; run again to go on or to verify.")],
    more: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,  # "--image_encoders A B"
    config: Annotated[str, typer.Option(help="irle or irle-gr.")] = "irle",
    text_layers: Annotated[int, typer.Option(help="Last layers to concatenate; 1 for modern encoders.")] = 4,
    segments: Annotated[
        str, typer.Option(help="mean of all segments of 500 characters, or the first (the authors' code).")
    ] = "mean",
    tokens: Annotated[
        str, typer.Option(help="Mean over all tokens, or the first of each word (the authors' code).")
    ] = "all",
    dtype: Annotated[str, typer.Option(help="Type of the vectors: float32 or float16.")] = "float32",
    batch_size: Annotated[int, typer.Option(min=1, help="At a time.")] = 32,
    device: Annotated[str | None, typer.Option(help="Such as cuda:0.")] = None,
    option: DatasetOptions = None,
) -> None:
    """Describe images, summaries and classes of raw rows; load_dataset opens the output as features."""
    from hf_mlm.construction.features.describe import describe
    from hf_mlm.construction.features.describers import TextRecipe

    folder = describe(
        data_dir,
        output,
        [*image_encoders, *(more or [])],
        text_encoder,
        config,
        TextRecipe(text_layers, segments=segments, tokens=tokens),
        dtype,
        batch_size,
        device,
        **dataset_options(option),
    )
    sys.stdout.write(f'Verified and complete: load_dataset("mlm", "{config}", data_dir="{folder}")\n')


app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _data() -> None:
    """Bring datasets here, look through them, and make them fast to read."""


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="Folder of the authors' HDF5 features.")],
    target: Annotated[Path, typer.Argument(help="Folder to write; run again to go on or to verify.")],
    config: Annotated[str, typer.Option(help="irle or irle-gr, where SOURCE holds both.")] = "irle",
    dtype: Annotated[str, typer.Option(help="Type of the vectors: float32 or float16 (half the size).")] = "float32",
) -> None:
    """Convert HDF5 features to Parquet, shard by shard, verified row by row."""
    from hf_mlm.data.convert import convert as run

    manifest = run(source, target, config=config, dtype=dtype)
    sys.stdout.write(f'Verified and complete: load_dataset("mlm", "{config}", data_dir="{manifest.parent}")\n')


@app.command()
def download(
    config: Annotated[str, typer.Argument(help="mlm (raw, 9 GB), irle or irle-gr (features).")],
    target: Annotated[Path, typer.Argument(help="Folder to write; run again to go on.")],
) -> None:
    """Download a config's files from Zenodo record 3885753, verified and unpacked."""
    from hf_mlm.data.download import download as run

    folder = run(config, target)
    sys.stdout.write(f'Complete: load_dataset("mlm", "{config}", data_dir="{folder}")\n')


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="Folder, zip or table (CSV, TSV, JSON, JSON lines, GeoJSON).")],
    target: Annotated[Path, typer.Argument(help="Folder to write.")],
    columns: ColumnsFile = None,
    language: Annotated[str | None, typer.Option(help="BCP 47 tag of texts whose column tells none.")] = None,
    exif_gps: Annotated[bool, typer.Option("--exif-gps", help="Take positions from images that have them.")] = False,
    max_entities: Annotated[int | None, typer.Option(min=1, help="A cell with more is divided.")] = None,
    min_entities: Annotated[int | None, typer.Option(min=0, help="A cell with fewer is none.")] = None,
    seed: Annotated[int, typer.Option(help="Of the split.")] = 0,
) -> None:
    """Import an archive of one's own as Parquet, images included."""
    from hf_mlm.data.mlm.archives.columns import read_mapping
    from hf_mlm.data.mlm.archives.faults import summary_of
    from hf_mlm.data.mlm.archives.importing import import_archive
    from hf_mlm.data.mlm.archives.reading import ArchiveCells

    mapping = read_mapping(columns) | ({"language": language} if language else {})
    mapping |= {"exif_gps": True} if exif_gps else {}
    record = import_archive(source, target, mapping, ArchiveCells(max_entities, min_entities), seed)
    rows = ", ".join(f"{split} {count:,}" for split, count in record["rows"].items())
    lines = [*record["columns"], f"rows: {rows}; {record['located']:,} with coordinates"]
    for title, severities in (("left out or repaired", ("error", "warning")), ("absent", ("note",))):
        if told := summary_of(record["faults"], severities):  # type: ignore[arg-type]  # they are literals
            lines.append(f"{title}: {told}")
    sys.stdout.write("\n".join([*lines, f'load_dataset("mlm", "archive", data_dir="{target}")', ""]))


@app.command()
def describe(
    data_dir: Annotated[Path | None, typer.Argument(help="Folder, or archive; none for the demo.")] = None,
    dataset: Annotated[str | None, typer.Option(help="mlm, irle, irle-gr, archive or demo.")] = None,
    option: DatasetOptions = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for all numbers.")] = None,
) -> None:
    """Count entities by country, continent, language and class."""
    from rich.columns import Columns
    from rich.console import Console
    from rich.table import Table

    from hf_mlm.data.mlm.describe import count_entities
    from hf_mlm.training.irle.data import load_mlm

    config = dataset or ("archive" if data_dir else "demo")
    counts = count_entities(load_mlm(config, **dataset_options(option, str(data_dir) if data_dir else None)))
    if json_file is not None:
        write_text(json_file, json.dumps(counts.to_dict(), ensure_ascii=False, indent=1) + "\n")
    tables = []
    for name in ("splits", "continents", "countries", "languages", "classes"):
        counter = getattr(counts, name)
        table = Table(name, "how many", title=None)
        for value, number in counter.most_common(_LISTED):
            table.add_row(escape(value), f"{number:,}")
        if len(counter) > _LISTED:
            table.add_row(f"… and {len(counter) - _LISTED:,} more", f"{sum(counter.values()):,} in all")
        tables.append(table)
    console = Console()
    console.print(f"{counts.entities:,} entities, {counts.images:,} images, {counts.located:,} with coordinates")
    console.print(Columns(tables))


app.command(cls=CheckCommand)(check)
app.command()(features)
