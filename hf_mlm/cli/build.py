"""``hf-mlm build mlm|mmnerd``: the datasets anew, from their public sources."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer


if TYPE_CHECKING:
    from hf_mlm.construction.mmnerd.build import NERBuildConfig


mmnerd_app = typer.Typer(
    no_args_is_help=True, help="Build MMNERD: draft, tasks, agree, dataset, audit; round trains people."
)

Target = Annotated[Path, typer.Argument(help="Folder of the build.")]
ConfigFile = Annotated[
    Path, typer.Option("--build-config", "--edition", help="YAML file of sources, pre-annotators and translation.")
]
ToolName = Annotated[str, typer.Option(help="argilla, label-studio or prodigy.")]
People = Annotated[list[str], typer.Option("--annotator", help="Name of a person; repeatable.")]
AnswerFiles = Annotated[
    list[str], typer.Argument(help="NAME=FILE for each annotator; NAME=FILE#ID where a file has several people's.")
]
ImageUrl = Annotated[
    str | None, typer.Option(help="Address of TARGET/images as the tool sees it, where sources give none.")
]
Contact = Annotated[str, typer.Option(help="Your e-mail address or web page, for the services that are asked.")]


@mmnerd_app.command()
def draft(
    target: Target,
    build_config: ConfigFile,
    tasks: Annotated[int, typer.Option(help="Parts of the work.")] = 4,
    workers: Annotated[int, typer.Option(help="Parts at a time.")] = 1,
    executor: Annotated[str, typer.Option(help="local, slurm or ray.")] = "local",
    executor_options: Annotated[Path | None, typer.Option(help="YAML file of the executor's arguments.")] = None,
) -> None:
    """Read sources, propose entities, translate; run again to go on."""
    _begin(target)
    from rich.console import Console

    from hf_mlm.construction.executors import ExecutorSettings, shown_progress, summary_table
    from hf_mlm.construction.mmnerd.build import build_draft

    settings = ExecutorSettings.load(executor, workers, executor_options)
    Console().print(summary_table(build_draft(target, _load(build_config), tasks, settings, shown_progress)))
    sys.stdout.write(
        f"Next: hf-mlm build mmnerd tasks {target} --build_config {build_config} --annotator NAME --annotator NAME\n"
    )


@mmnerd_app.command()
def tasks(
    target: Target, build_config: ConfigFile, annotator: People, tool: ToolName = "argilla", image_url: ImageUrl = None
) -> None:
    """Assign every sentence of the draft to two people; write a file of tasks for each, and the tool's set-up."""
    from hf_mlm.construction.mmnerd.annotation import write_annotation_tasks

    for name, count in write_annotation_tasks(target, annotator, tool, _load(build_config).seed, image_url).items():
        sys.stdout.write(f"{name}: {count:,} sentences in {target / 'tasks'}\n")


@mmnerd_app.command()
def agree(
    target: Target,
    answers: AnswerFiles,
    tool: ToolName = "argilla",
    inspector: Annotated[Path | None, typer.Option(help="Answers of the inspector.")] = None,
    image_url: ImageUrl = None,
) -> None:
    """Collect answers: agreement, decisions, and tasks for the inspector."""
    from hf_mlm.construction.mmnerd.annotation import collect_answers

    result = collect_answers(target, _files(answers), tool, inspector, image_url)
    if result.overall:
        found = result.overall
        sys.stdout.write(
            f"kappa {found.kappa:.4f} of {found.words:,} words, {found.kappa_entities:.4f} without O, span F1 "
            f"{found.span_f1:.4f} over {found.sentences:,} sentences\n"
        )
    rest = f"; the inspector's tasks are in {target / 'tasks'}" if result.open else ""
    sys.stdout.write(f"{len(result.finished):,} sentences decided, {result.open:,} open{rest}\n")


@mmnerd_app.command("round")
def training_round(
    target: Target,
    number: Annotated[int, typer.Argument(help="Of the round, from 1.")],
    answers: Annotated[list[str] | None, typer.Argument(help="NAME=FILE for each annotator, once answered.")] = None,
    annotator: Annotated[list[str] | None, typer.Option(help="Name of a person who gets tasks; repeatable.")] = None,
    size: Annotated[int, typer.Option(help="Sentences of a round.")] = 50,
    reference: Annotated[Path | None, typer.Option(help="The same sentences with the right answers.")] = None,
    tool: ToolName = "argilla",
) -> None:
    """Train people: write a round's tasks, or score its answers against a reference."""
    from hf_mlm.construction.mmnerd.annotation import score_round_answers, write_round_tasks

    if annotator and not answers:
        count = write_round_tasks(target, number, size, annotator, tool)
        sys.stdout.write(f"{count} sentences for each, in {target / 'tasks'}\n")
        return
    if not answers or reference is None:
        raise ValueError("Expected --annotator to write tasks, or answers and --reference to score them.")
    for score in score_round_answers(target, number, reference, _files(answers), tool):
        sys.stdout.write(f"{score.annotator}: accuracy {score.accuracy:.3f}, kappa {score.kappa:.3f}\n")


@mmnerd_app.command()
def dataset(
    target: Target,
    build_config: ConfigFile,
    proposals: Annotated[bool, typer.Option("--proposals", help="Take the machine's entities.")] = False,
    image_dir: Annotated[Path | None, typer.Option(help="Folder of images.")] = None,
    published: Annotated[Path | None, typer.Option(help="Division to repeat: image id, tab, split.")] = None,
) -> None:
    """Divide the finished sentences; write CoNLL, Parquet, report, statistics, card and Croissant."""
    from hf_mlm.construction.mmnerd.annotation import count_open
    from hf_mlm.construction.mmnerd.dataset import finish_dataset
    from hf_mlm.construction.mmnerd.images import IMAGES

    undecided = 0 if proposals else count_open(target)
    if undecided:
        sys.stdout.write(
            f"{undecided:,} sentences are open and left out; agree again with more answers to take them.\n"
        )
    image_dir = image_dir or (target / IMAGES if (target / IMAGES).is_dir() else None)
    written = finish_dataset(target, _load(build_config), proposals, image_dir, published)
    sizes = ", ".join(f"{count:,} {split}" for split, count in written.sizes.items())
    several = {2: "+".join(written.languages), 4: "all"}
    name = several.get(len(written.languages), written.languages[0])
    images = f', image_dir="{image_dir}"' if image_dir else ""
    sys.stdout.write(f'{sizes}: load_dataset("mmnerd", "{name}", data_dir="{written.folder}"{images})\n')
    sys.stdout.write(f"Card, Croissant and the sources of the images are in {written.folder}.\n")


@mmnerd_app.command()
def images(
    target: Target,
    contact: Contact,
    give_up_after: Annotated[int, typer.Option(help="Attempts before an image is left out.")] = 2,
) -> None:
    """Fetch the images of captions that have an address; run again to go on."""
    from hf_mlm.construction.http import HttpSettings
    from hf_mlm.construction.mmnerd.images import IMAGES, TABLE, fetch_images

    outcomes = fetch_images(target, HttpSettings(contact, target / "traffic", give_up_after=give_up_after))
    told = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.most_common()) or "no image has an address"
    sys.stdout.write(f"{told}: see {target / TABLE}; the images are in {target / IMAGES}\n")


@mmnerd_app.command()
def audit(
    target: Target,
    size: Annotated[int, typer.Option(help="Sentences to judge.")] = 300,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    verdicts: Annotated[Path | None, typer.Option(help="The sheet, once judged.")] = None,
) -> None:
    """Draw a sheet of entities to be judged, or count its verdicts."""
    from hf_mlm.construction.mmnerd.adjudication import read_audit, write_audit
    from hf_mlm.construction.mmnerd.annotation import GOLD
    from hf_mlm.construction.mmnerd.records import read_records

    if verdicts is None:
        write_audit(target / "audit.tsv", list(read_records(target / GOLD)), size, seed)
        sys.stdout.write(f"Judge each entity in {target / 'audit.tsv'}, then pass it as --verdicts.\n")
        return
    found = read_audit(verdicts)
    low, high = found.interval
    sys.stdout.write(
        f"{found.right:,} of {found.entities:,} entities right ({found.right / found.entities:.1%}, 95 % interval "
        f"{low:.1%} to {high:.1%}) in {found.sentences:,} sentences\n"
    )


def _load(path: Path) -> NERBuildConfig:
    from hf_mlm.construction.mmnerd.build import load_ner_build_config

    return load_ner_build_config(path)


def _files(words: list[str]) -> dict[str, str]:
    for word in words:
        if "=" not in word:
            raise ValueError(f"Expected NAME=FILE, such as anna=anna.jsonl, found {word!r}.")
    return {name: path for name, _, path in (word.partition("=") for word in words)}


app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(mmnerd_app, name="mmnerd")


@app.callback()
def _build() -> None:
    """Make the datasets anew, from their public sources."""


@app.command()
def mlm(
    target: Annotated[Path, typer.Argument(help="Folder to write; run again to go on.")],
    contact: Contact,
    dump: Annotated[list[Path] | None, typer.Option(help="File of a Wikidata JSON dump; repeatable.")] = None,
    dump_date: Annotated[str | None, typer.Option(help="Of the dump, where its name does not tell.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="SPARQL endpoint, when there is no dump.")] = None,
    build_config: Annotated[
        Path | None,
        typer.Option("--build-config", "--edition", help="YAML file; MLM's own values when omitted."),
    ] = None,
    language: Annotated[list[str] | None, typer.Option(help="Of summaries and labels; repeatable.")] = None,
    tasks: Annotated[int, typer.Option(help="Parts of the work, and files a split.")] = 8,
    workers: Annotated[int, typer.Option(help="Parts at a time; at most 3 where Wikimedia is asked.")] = 1,
    executor: Annotated[str, typer.Option(help="local, slurm or ray.")] = "local",
    executor_options: Annotated[Path | None, typer.Option(help="YAML file of the executor's arguments.")] = None,
    response_cache: Annotated[
        Path | None,
        typer.Option("--response-cache", "--traffic", help="Folder of recorded responses; by default TARGET/traffic."),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nobody: recorded responses only.")] = False,
    give_up_after: Annotated[int, typer.Option(help="Attempts before an image is left out.")] = 4,
    ask_again: Annotated[
        bool, typer.Option("--ask-again", help="Ask again for images that were left out so.")
    ] = False,
    wikipedia: Annotated[str | None, typer.Option(help="api.php of another wiki, with {language}.")] = None,
    commons: Annotated[str | None, typer.Option(help="api.php of another image repository.")] = None,
) -> None:
    """Build MLM from Wikidata (dump or endpoint), Wikipedia and Commons."""
    _begin(target)
    from rich.console import Console

    from hf_mlm.construction.executors import ExecutorSettings, shown_progress, summary_table
    from hf_mlm.construction.http import HttpSettings
    from hf_mlm.construction.mlm.build import (
        FAILURES,
        DumpSource,
        EndpointSource,
        Source,
        Wikimedia,
        build_mlm,
        load_build_config,
    )
    from hf_mlm.construction.mlm.sparql import WIKIDATA, EndpointSettings
    from hf_mlm.construction.mlm.wikimedia import COMMONS, WIKIPEDIA
    from hf_mlm.construction.report import write_report

    if dump and endpoint:
        raise ValueError("Expected --dump or --endpoint, found both; give one of them.")
    cache = (response_cache or target / "traffic").absolute()
    http = HttpSettings(contact, cache, offline, give_up_after=give_up_after)
    source: Source = EndpointSource(EndpointSettings(http, endpoint or WIKIDATA))
    if dump:
        source = DumpSource.of(dump, dump_date)
    manifests = build_mlm(
        target,
        source,
        Wikimedia(http, wikipedia or WIKIPEDIA, commons or COMMONS),
        load_build_config(build_config, languages=language),
        tasks,
        ExecutorSettings.load(executor, workers, executor_options),
        shown_progress,
        ask_again,
    )
    Console().print(summary_table(manifests))
    if "dataset" in manifests:
        sys.stdout.write(f'Complete: load_dataset("mlm", "irle", data_dir="{target / "dataset"}")\n')
        sys.stdout.write(f"Card, Croissant and licences are in {target / 'dataset'}; report: {write_report(target)}\n")
        failures = len((target / FAILURES).read_text(encoding="utf-8").splitlines())
        if failures:
            sys.stdout.write(f"{failures:,} images did not come, see {target / FAILURES}; --ask_again asks again.\n")
    else:
        sys.stdout.write(f"Submitted; run the same command again when the jobs are done to see what {target} holds.\n")


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="Folder `dataset` of the earlier build.")],
    new: Annotated[Path, typer.Argument(help="The same of the later one.")],
    output: Annotated[Path | None, typer.Option(help="Folder for changes.json and CHANGES.md.")] = None,
) -> None:
    """Compare two builds of MLM: new, changed and gone entities."""
    from hf_mlm.construction.mlm.revisions import compare_builds, write_changes

    changes = compare_builds(old, new)
    if output:
        write_changes(changes, output)
    sys.stdout.write(changes.to_markdown())


@app.command()
def publish(
    target: Annotated[Path, typer.Argument(help="Folder of a finished build of MLM.")],
    repo: Annotated[str, typer.Option(help="namespace/name on the Hub.")],
    tag: Annotated[str | None, typer.Option(help="Of the revision; the date of the dump when omitted.")] = None,
    private: Annotated[bool, typer.Option("--private", help="Only the namespace may read it.")] = False,
    rights_cleared: Annotated[
        bool, typer.Option("--rights-cleared", help="You may publish images without a stated licence.")
    ] = False,
) -> None:
    """Upload a build as the next revision of a dataset, with the changes since the one that is there."""
    from hf_mlm.construction.mlm.revisions import publish_build

    address, changes = publish_build(target / "dataset", repo, tag, private, rights_cleared)
    sys.stdout.write(f"{address}\n{changes.to_markdown() if changes else 'This is the first revision.'}\n")


def _begin(target: Path) -> None:
    """Say at once that something is done: the imports take seconds."""
    sys.stdout.write(f"Building in {target}; interrupted at any moment, the same command goes on.\n")
    sys.stdout.flush()
