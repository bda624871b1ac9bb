"""The table of commands and their entry point."""

from __future__ import annotations

import importlib
import os
import sys


# Command -> (module, one line of help). A module offers ``main(argv: list[str]) -> None``.
COMMANDS = {
    "demo": ("hf_mlm.cli.demo", "Train IR+LE on the embedded world and write a report with a map."),
    "data": ("hf_mlm.cli.data", "Convert, download and inspect datasets."),
    "build": ("hf_mlm.cli.build", "Make the datasets anew, from their public sources."),
    "train": ("hf_mlm.cli.train", "Train a model from a YAML file or flags."),
    "evaluate": ("hf_mlm.cli.evaluate", "Score a saved model on a dataset."),
    "compare": ("hf_mlm.cli.compare", "Tell by paired bootstrap whether two taggers differ."),
    "reproduce": ("hf_mlm.cli.reproduce", "Train what a table of the papers needs; print theirs and ours."),
    "benchmark": ("hf_mlm.cli.benchmark", "Time each hot path against its named peer."),
    "predict": ("hf_mlm.cli.predict", "Estimate where an image or a text belongs."),
    "push": ("hf_mlm.cli.push", "Put a model or a dataset on the Hub, with a card written from its run."),
    "export": ("hf_mlm.cli.export", "Write a model as ONNX files."),
    "app": ("hf_mlm.cli.app", "Serve a page that shows places, neighbours and names on a map."),
}


def main(argv: list[str] | None = None) -> None:
    """Run ``hf-mlm COMMAND …``.

    Args:
        argv: the words after ``hf-mlm``; those of the shell when omitted.
    """
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(usage())
        return
    command, *rest = words
    if command == "--version":
        from hf_mlm import __version__

        sys.stdout.write(f"hf-mlm {__version__}\n")
        return
    if command not in COMMANDS:
        sys.stderr.write(f"hf-mlm: there is no command {command!r}; choose one of {', '.join(COMMANDS)}.\n")
        raise SystemExit(2)
    try:
        importlib.import_module(COMMANDS[command][0]).main(rest)
    except Exception as error:
        if os.environ.get("HF_MLM_TRACEBACK") or not _speaks_to_the_user(error):
            raise
        sys.stderr.write(f"hf-mlm {command}: {error}\n")
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        sys.stderr.write(f"\nhf-mlm {command}: stopped.\n")
        raise SystemExit(130) from None


def usage() -> str:
    """The text of ``hf-mlm --help``."""
    lines = [f"  {name:<10}{text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(["Usage: hf-mlm COMMAND [OPTIONS]", "", *lines, "", "hf-mlm COMMAND --help tells more.", ""])


def _speaks_to_the_user(error: Exception) -> bool:
    """Whether a sentence is enough; HF_MLM_TRACEBACK=1 shows where it came from all the same."""
    from huggingface_hub.errors import StrictDataclassError

    return isinstance(error, (ValueError, OSError, ImportError, StrictDataclassError))
