"""The table of commands and their entry point.

A command is a function with Typer's annotations, or a Typer app of several, and is imported when it is called, so that
``--help`` stays quick. Options may be written with hyphens or underscores: ``--data-dir``, ``--data_dir``.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any, NamedTuple, NoReturn

from hf_mlm.registry import load


class Command(NamedTuple):
    """One command of ``hf-mlm``.

    Args:
        path: of the function or the Typer app, as ``"module:name"``.
        help: one line.
        parses_itself: whether the function takes the words of the command line as they are.
    """

    path: str
    help: str
    parses_itself: bool = False


COMMANDS = {
    "demo": Command("hf_mlm.cli.demo:demo", "Train IR+LE on the embedded world and write a report with a map."),
    "data": Command("hf_mlm.cli.data:app", "Convert, download and inspect datasets."),
    "build": Command("hf_mlm.cli.build:app", "Build the datasets anew from their public sources."),
    "train": Command("hf_mlm.cli.train:train", "Train a model from a YAML file or flags.", parses_itself=True),
    "evaluate": Command("hf_mlm.cli.evaluate:evaluate", "Score a saved model on a dataset."),
    "compare": Command("hf_mlm.cli.compare:compare", "Compare two taggers by paired bootstrap."),
    "reproduce": Command("hf_mlm.cli.reproduce:reproduce", "Train the models of a table; print the paper's and ours."),
    "benchmark": Command("hf_mlm.cli.benchmark:benchmark", "Time each hot path against a named peer."),
    "tag": Command("hf_mlm.cli.tag:tag", "Find the entities of texts, words and records."),
    "predict": Command("hf_mlm.cli.predict:predict", "Locate images and texts."),
    "push": Command("hf_mlm.cli.push:app", "Push a model or a dataset to the Hub, with a card written from its run."),
    "export": Command("hf_mlm.cli.export:export", "Export a model to ONNX."),
    "app": Command("hf_mlm.cli.app:serve", "Serve a page with a map, retrieval and named entities."),
}


def main(argv: list[str] | None = None) -> None:
    """Run ``hf-mlm COMMAND …``.

    Args:
        argv: the words after ``hf-mlm``; those of the shell when omitted.

    Raises:
        SystemExit: with 0 after success or help, 1 after an error, 2 for a wrong command line, 130 after Ctrl-C or
            SIGTERM.
    """
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(usage())
        return
    name, *rest = words
    if name == "--version":
        from hf_mlm import __version__

        sys.stdout.write(f"hf-mlm {__version__}\n")
        return
    if name not in COMMANDS:
        sys.stderr.write(f"hf-mlm: Expected a command ({', '.join(COMMANDS)}), found {name!r}.\n")
        raise SystemExit(2)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        run(name, rest)
    except Exception as error:
        if os.environ.get("HF_MLM_TRACEBACK", "0") not in ("", "0") or not _is_user_error(error):
            raise
        sys.stderr.write(f"hf-mlm {name}: {error}\n")
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        sys.stderr.write(f"\nhf-mlm {name}: stopped.\n")
        raise SystemExit(130) from None


def run(name: str, words: list[str]) -> None:
    """Run one command.

    Args:
        name: one of ``COMMANDS``.
        words: the rest of the command line.

    Raises:
        SystemExit: after every command that Typer parses, with its status.
        KeyboardInterrupt: as the command was interrupted, which Typer tells by status 130.
    """
    command = COMMANDS[name]
    target = load(command.path)
    if command.parses_itself:
        target(words)
        return
    import typer

    app = target
    if not isinstance(target, typer.Typer):
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command()(target)
    try:
        app(args=[_hyphenated(word) for word in words], prog_name=f"hf-mlm {name}")
    except SystemExit as end:
        if end.code == 130:
            raise KeyboardInterrupt from None
        raise


def _interrupt(number: int, frame: Any) -> NoReturn:
    """End by SIGTERM as by Ctrl-C, so that unfinished files are removed."""
    raise KeyboardInterrupt


def usage() -> str:
    """Format the text of ``hf-mlm --help``."""
    lines = [f"  {name:<10}{command.help}" for name, command in COMMANDS.items()]
    return "\n".join(["Usage: hf-mlm COMMAND [OPTIONS]", "", *lines, "", "hf-mlm COMMAND --help tells more.", ""])


def _hyphenated(word: str) -> str:
    """Spell an option's name with hyphens, as Typer does.

    Example:
        >>> _hyphenated("--data_dir=my_data"), _hyphenated("my_data")
        ('--data-dir=my_data', 'my_data')
    """
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return name.replace("_", "-") + equals + value


def _is_user_error(error: Exception) -> bool:
    """Tell whether a sentence is enough; HF_MLM_TRACEBACK=1 shows where it came from all the same."""
    from huggingface_hub.errors import StrictDataclassError

    return isinstance(error, (ValueError, OSError, ImportError, StrictDataclassError))
