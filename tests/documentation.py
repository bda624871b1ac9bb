"""What the pages say that can be checked: their Python, their commands, the names and files that they mention."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from hf_mlm.registry import MODELS, load
from tests.conftest import REPOSITORY


PAGES = sorted(path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "docs").rglob("*.md"))
PAGES = [page for page in PAGES if not page.startswith("docs/_build")] + ["README.md"]


def text_of(page: str) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def python_of(page: str) -> list[str]:
    """The page's blocks of Python, in their order."""
    return re.findall(r"^```python\n(.*?)^```", text_of(page), re.DOTALL | re.MULTILINE)


def run_page(page: str) -> dict[str, Any]:
    """Run a page's Python from top to bottom, as one session in the working folder, and return its names."""
    names: dict[str, Any] = {"__name__": "page"}
    for number, block in enumerate(python_of(page), 1):
        exec(compile(block, f"{page}, block {number}", "exec"), names)
    return names


def commands_of(page: str) -> Iterator[list[str]]:
    """The words after ``hf-mlm``, or ``-m hf_mlm.cli``, of every line of the page's shell blocks."""
    for block in re.findall(r"^```(?:bash|shell)\n(.*?)^```", text_of(page), re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            for place, word in enumerate(words):
                if word in ("hf-mlm", "hf_mlm.cli"):
                    yield words[place + 1 :]


def unknown_words(words: list[str]) -> list[str]:
    """Commands, subcommands and options that ``hf-mlm`` does not have."""
    from hf_mlm.cli.main import COMMANDS

    command, *rest = words
    if command.startswith("-"):
        return [] if command in ("--help", "--version") else [command]
    if command not in COMMANDS:
        return [command]
    known = training_options(rest[0]) if command == "train" else typer_options(COMMANDS[command].path, rest)
    options = [word.partition("=")[0].partition(".")[0] for word in rest if word.startswith("--")]
    return [option for option in options if option not in known | {"--help"}]


def typer_options(path: str, words: list[str]) -> set[str]:
    """Options of a command, or of the subcommand that the first words name, in both spellings."""
    import typer

    found = load(path)
    if not isinstance(found, typer.Typer):
        app = typer.Typer()
        app.command()(found)
        found = app
    command = _named(typer.main.get_command(found), words)
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return options | {f"--{option[2:].replace('-', '_')}" for option in options}


def _named(command: Any, words: list[str]) -> Any:
    """The subcommand that words lead to, as deep as there are groups."""
    for word in words:
        if not hasattr(command, "commands"):
            break
        command = command.commands[word]
    return command


def training_options(model: str) -> set[str]:
    """Flags of ``hf-mlm train MODEL``."""
    kinds = load(f"hf_mlm.training.{MODELS[model.replace('-', '_')].family}.arguments:ARGUMENTS")
    return {"--config", *(f"--{field.name}" for kind in kinds for field in fields(kind))}


def names_of(page: str) -> list[str]:
    """Every dotted name that begins with ``hf_mlm.``, outside code blocks."""
    prose = re.sub(r"^```(?:python|bash|shell|text|yaml)\n.*?^```", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    return sorted(set(re.findall(r"(?<![\w/.-])hf_mlm(?:\.[A-Za-z_]\w*)+", prose)))


def resolve(name: str) -> Any:
    """What a dotted name stands for; AttributeError where there is no such thing."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise AttributeError(name)


def files_of(page: str) -> list[Path]:
    """Every file of the repository that the page links to."""
    found = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text_of(page)) + re.findall(r"<([^<>:]+\.\w+)>`", text_of(page))
    return [(REPOSITORY / page).parent / target for target in found if "hf_mlm." not in target]


def tables_of(page: str) -> list[list[list[str]]]:
    """Rows of cells of each table, without their headers."""
    tables = [table.splitlines()[2:] for table in re.findall(r"(?:^\|.*\n)+", text_of(page), re.MULTILINE)]
    return [[[cell.strip() for cell in row.strip("|").split(" | ")] for row in table] for table in tables]
