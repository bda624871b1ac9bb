"""The package as a whole: what importing it costs, what it must never import, what it offers."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import hf_mlm


SOURCES = sorted(Path(hf_mlm.__file__).parent.rglob("*.py"))


def imported_modules(path: Path) -> set[str]:
    """Top-level names of every module that a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_importing_the_package_loads_no_heavy_library() -> None:
    code = "import sys, hf_mlm; print([m for m in ('torch', 'transformers', 'datasets', 'numpy') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_imports_torchvision(path: Path) -> None:
    assert "torchvision" not in imported_modules(path)


@pytest.mark.parametrize("folder", ["geo", "world", "metrics/functional", "data/formats"])
def test_the_numpy_layers_import_neither_torch_nor_transformers(folder: str) -> None:
    files = sorted(Path(hf_mlm.__file__).parent.joinpath(folder).rglob("*.py"))
    assert files
    assert not {"torch", "transformers"} & set().union(*map(imported_modules, files))


def test_models_know_nothing_of_datasets() -> None:
    files = sorted(Path(hf_mlm.__file__).parent.joinpath("models").rglob("*.py"))
    assert "datasets" not in set().union(*map(imported_modules, files))


def test_every_public_name_is_there() -> None:
    for name in hf_mlm.__all__:
        assert getattr(hf_mlm, name).__module__.startswith("hf_mlm.")
    assert set(hf_mlm._EXPORTS) <= set(dir(hf_mlm))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nope'"):
        importlib.import_module("hf_mlm").Nope  # noqa: B018
