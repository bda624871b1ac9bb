"""``hf-mlm reproduce 2m-ner --table 5 --data_dir …``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer


if TYPE_CHECKING:
    from hf_mlm.reproduce.runs import Runner
    from hf_mlm.reproduce.scales import Checkpoint


class ScaleName(StrEnum):
    """The papers' settings, or tiny models on generated data."""

    SMOKE = "smoke"
    FULL = "full"


class CheckpointName(StrEnum):
    """The checkpoint that is tested."""

    LAST = "last"
    BEST = "best"


def _option(name: str, text: str) -> typer.models.OptionInfo:
    return typer.Option(f"--{name}", f"--{name.replace('_', '-')}", help=text)


def reproduce(
    paper: Annotated[str, typer.Argument(help="mlm or 2m-ner.")],
    table: Annotated[str, typer.Option(help="Number of a table, controls, or grid.")],
    data_dir: Annotated[str | None, _option("data_dir", "Folder of the paper's dataset.")] = None,
    seeds: Annotated[str, typer.Option(help="Such as 1,2,3, which full scale takes; smoke takes 1.")] = "",
    scale: Annotated[ScaleName, typer.Option(help="smoke needs no files and takes minutes.")] = ScaleName.FULL,
    only: Annotated[str | None, typer.Option(help="One system, such as BERT-CRF or multitask.")] = None,
    dataset: Annotated[str | None, typer.Option(help="One data set, such as en or irle-gr.")] = None,
    output: Annotated[Path, typer.Option(help="Folder of runs and tables.")] = Path("runs/reproduce"),
    text_encoder: Annotated[str | None, _option("text_encoder", "Instead of multilingual BERT.")] = None,
    vit: Annotated[str | None, typer.Option(help="Instead of CLIP ViT-B/32.")] = None,
    resnet: Annotated[str | None, typer.Option(help="Instead of ResNet-152.")] = None,
    word_vectors: Annotated[
        str | None, _option("word_vectors", "File for systems without BERT, use, or none.")
    ] = None,
    regions: Annotated[
        str | None, typer.Option(help="UMGF, MKGFormer: a grid such as 2x2, or a file of a detector's boxes.")
    ] = None,
    checkpoint: Annotated[
        CheckpointName | None, typer.Option(help="Tested of all runs; the last of mlm, the best of 2m-ner by default.")
    ] = None,
    override: Annotated[list[str] | None, typer.Option(help="Setting of training, such as bf16=true.")] = None,
    dry_run: Annotated[bool, _option("dry_run", "List the runs and what is missing; train nothing.")] = False,
) -> None:
    """Train what a table of the papers needs, and print the published figures beside ours.

    Finished runs are kept: the same command goes on where it was interrupted. Several devices: accelerate launch -m
    hf_mlm.cli reproduce …
    """
    from hf_mlm.reproduce import command
    from hf_mlm.reproduce.runs import processes
    from hf_mlm.reproduce.scales import Setup

    named = {"text_encoder": text_encoder, "vit": vit, "resnet": resnet}
    encoders = {name: source for name, source in named.items() if source}
    rule: Checkpoint | None = None if checkpoint is None else checkpoint.value
    setup = Setup(scale.value, data_dir, encoders, word_vectors, read_overrides(override or []), rule, regions)
    asked = command.request(paper, table, setup, output, read_seeds(seeds), only, dataset)
    if dry_run:
        typer.echo("\n".join(command.outline(asked)))
        return
    if scale is ScaleName.SMOKE:
        _draw_no_bars()
    talks = processes().is_main_process
    files = command.reproduce(asked, runners(), typer.echo if talks else lambda line: None)
    if talks:
        typer.echo("\n" + files[0].read_text(encoding="utf-8"))
        typer.echo("\n".join(f"Written: {path}" for path in files))
    processes().destroy_process_group()


def read_seeds(words: str) -> tuple[int, ...]:
    """Read ``1,2,3``.

    Raises:
        ValueError: if that is no list of numbers.

    Example:
        >>> read_seeds("1, 2,3"), read_seeds("")
        ((1, 2, 3), ())
    """
    try:
        return tuple(int(word) for word in words.split(",")) if words.strip() else ()
    except ValueError as error:
        raise ValueError(f"--seeds {words!r} must be whole numbers with commas between, such as 1,2,3.") from error


def read_overrides(words: list[str]) -> dict[str, Any]:
    """Read ``name=value`` settings of training, values as YAML has them.

    Raises:
        ValueError: if a word has no equals sign.

    Example:
        >>> read_overrides(["bf16=true", "num_train_epochs=2"])
        {'bf16': True, 'num_train_epochs': 2}
    """
    import yaml

    for word in words:
        if "=" not in word:
            raise ValueError(f"--override {word!r} must be name=value, such as bf16=true.")
    return {name: yaml.safe_load(value) for name, _, value in (word.partition("=") for word in words)}


def runners() -> dict[str, Runner]:
    """Runners by the kind of their spec."""
    from hf_mlm.reproduce.runners import run_count, run_irle, run_tagger

    return {"irle": run_irle, "tagger": run_tagger, "count": run_count}


def _draw_no_bars() -> None:
    """Draw no progress bars in this process, whose runs take seconds each."""
    import datasets
    from transformers.utils import logging

    datasets.disable_progress_bars()
    logging.disable_progress_bar()
