"""``hf-mlm data check``: look through sentences for what makes results wrong."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hf_mlm.cli.options import DatasetOptions, dataset_options


if TYPE_CHECKING:
    from hf_mlm.data.mmnerd.audit import AuditReport


_SPLIT = re.compile(r"(?:^|[^a-z])(train|valid|validation|val|dev|test)(?=[^a-z]|$)")
_LANGUAGE = re.compile(r"(?:^|[^a-z])(en|de|fr|es)(?=[^a-z]|$)")
_ORDER = ["train", "validation", "test"]
_EXAMPLES = 10

Files = list[tuple[str, str, str]]  # language, split, path


def check(
    files: Annotated[
        list[Path] | None, typer.Argument(help="CoNLL files, if not a folder.", show_default=False)
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder that holds MMNERD.")] = None,
    image_dir: Annotated[Path | None, typer.Option(help="Folder of the images.")] = None,
    language: Annotated[str, typer.Option(help="Of files and folders whose names tell none.")] = "en",
    labels: Annotated[
        str | None, typer.Option(help="Entity types, such as SHIP,DATE; MMNERD's four if omitted.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write everything that was found as JSON.")] = False,
) -> None:
    """Look through sentences for invalid labels, duplicates, contradictions, leaks and absent or broken images.

    Ends with status 1 where labels keep the files from being loaded.
    """
    from hf_mlm.data.checks import ImageFolder, check_not_empty
    from hf_mlm.data.mmnerd.audit import audit
    from hf_mlm.data.mmnerd.statistics import read_rows
    from hf_mlm.data.mmnerd.schemes import read_labels
    from hf_mlm.data.mmnerd.schemes import TYPES, types_of

    if bool(files) == bool(data_dir):
        raise ValueError("hf-mlm data check needs either CoNLL files or the folder that holds MMNERD as --data_dir.")
    found, images = _in_folder(data_dir, language) if data_dir else (_named(files or [], language), None)
    folder = image_dir or images
    for *_, path in found:
        check_not_empty(Path(path))
    types = TYPES if labels is None else types_of(read_labels([name.strip() for name in labels.split(",")]))
    report = audit(read_rows(found), ImageFolder(folder) if folder else None, types)
    if as_json:
        sys.stdout.write(json.dumps(report.to_dict(), ensure_ascii=False, indent=1) + "\n")
    else:
        _show(report)
    if report.labels:
        raise typer.Exit(1)


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
    """Bring datasets here and make them fast to read."""


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


app.command()(check)
app.command()(features)
