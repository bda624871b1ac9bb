"""The order of the packages: imports point up the list, wherever in a file they stand."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import hf_mlm


PACKAGE = Path(hf_mlm.__file__).parent
FLOORS = [
    "registry",
    "files",
    "geo",
    "world",
    "drawing",
    "metrics",
    "data",
    "models",
    "runs",
    "publishing",
    "training",
    "pipelines",
    "export",
    "app",
    "reporting",
    "construction",
    "reproduce",
    "benchmarks",
    "cli",
]
LOWEST = {"registration"}  # hooks, which any module may ask for; it names what it loads as strings, in the registry


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and first package below ``hf_mlm`` of every import of a file, outside ``if TYPE_CHECKING``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in list(ast.walk(tree)):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "hf_mlm":
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.split(".")[0] == "hf_mlm"]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if len(parts) > 1 and parts[1] in {*FLOORS, *LOWEST}:
                yield node.lineno, parts[1]


def upward(path: Path) -> list[str]:
    """Imports of a file that point down the list of packages."""
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own not in FLOORS:
        return []
    allowed = {*FLOORS[: FLOORS.index(own) + 1], *LOWEST}
    return [f"line {line} imports hf_mlm.{name}" for line, name in imported(path) if name not in allowed]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_up_the_list(path: Path) -> None:
    assert upward(path) == []


def test_every_package_has_its_floor() -> None:
    there = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}
    assert there - {"__init__", "registration"} == set(FLOORS)
