"""``hf-mlm build``: make the datasets anew, from their public sources."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from hf_mlm.cli.build_mmnerd import app as mmnerd_app


app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(mmnerd_app, name="mmnerd")


@app.callback()
def _build() -> None:
    """Make the datasets anew, from their public sources."""


@app.command()
def mlm(
    target: Annotated[Path, typer.Argument(help="Folder to write; run again to go on.")],
    contact: Annotated[str, typer.Option(help="Your e-mail address or web page, for the services that are asked.")],
    dump: Annotated[list[Path] | None, typer.Option(help="File of a Wikidata JSON dump; repeatable.")] = None,
    dump_date: Annotated[str | None, typer.Option(help="Of the dump, where its name does not tell.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="SPARQL endpoint, when there is no dump.")] = None,
    edition: Annotated[Path | None, typer.Option(help="YAML file; MLM's own values when omitted.")] = None,
    language: Annotated[list[str] | None, typer.Option(help="Of summaries and labels; repeatable.")] = None,
    tasks: Annotated[int, typer.Option(help="Parts of the work, and files a split.")] = 8,
    workers: Annotated[int, typer.Option(help="Parts at a time; at most 3 where Wikimedia is asked.")] = 1,
    executor: Annotated[str, typer.Option(help="local, slurm or ray.")] = "local",
    executor_options: Annotated[Path | None, typer.Option(help="YAML file of the executor's arguments.")] = None,
    traffic: Annotated[
        Path | None, typer.Option(help="Folder of recorded answers; by default TARGET/traffic.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nobody: recorded answers only.")] = False,
    wikipedia: Annotated[str | None, typer.Option(help="api.php of another wiki, with {language}.")] = None,
    commons: Annotated[str | None, typer.Option(help="api.php of another image repository.")] = None,
) -> None:
    """Build MLM from Wikidata (dump or endpoint), Wikipedia and Commons."""
    from rich.console import Console

    from hf_mlm.construction.executors import ExecutorSettings
    from hf_mlm.construction.http import HttpSettings
    from hf_mlm.construction.mlm.build import Wikimedia, build_mlm
    from hf_mlm.construction.mlm.edition import load_edition
    from hf_mlm.construction.mlm.images import COMMONS
    from hf_mlm.construction.mlm.sources import DumpSource, EndpointSource, Source
    from hf_mlm.construction.mlm.sparql import WIKIDATA
    from hf_mlm.construction.mlm.sparql_items import EndpointSettings
    from hf_mlm.construction.mlm.summaries import WIKIPEDIA
    from hf_mlm.reporting.construction_progress import shown_progress, summary_table
    from hf_mlm.reporting.construction_report import write_report

    if dump and endpoint:
        raise ValueError("give --dump or --endpoint, not both.")
    http = HttpSettings(contact, (traffic or target / "traffic").absolute(), offline)
    source: Source = EndpointSource(EndpointSettings(http, endpoint or WIKIDATA))
    if dump:
        source = DumpSource.of(dump, dump_date)
    manifests = build_mlm(
        target,
        source,
        Wikimedia(http, wikipedia or WIKIPEDIA, commons or COMMONS),
        load_edition(edition, languages=language),
        tasks,
        ExecutorSettings.load(executor, workers, executor_options),
        shown_progress,
    )
    Console().print(summary_table(manifests))
    if "dataset" in manifests:
        sys.stdout.write(f'Complete: load_dataset("mlm", "irle", data_dir="{target / "dataset"}")\n')
        sys.stdout.write(f"Card, Croissant and licences are in {target / 'dataset'}; report: {write_report(target)}\n")
    else:
        sys.stdout.write(f"Submitted; run the same command again when the jobs are done to see what {target} holds.\n")


def main(argv: list[str]) -> None:
    """Run ``hf-mlm build …``.

    Args:
        argv: the words after ``hf-mlm build``.
    """
    app(args=argv, prog_name="hf-mlm build")
