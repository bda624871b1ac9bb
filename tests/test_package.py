"""The package as a whole: what importing it costs, what it must never import, what it offers."""

import ast
import importlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import hf_mlm
from hf_mlm.registry import public_names


TRAINING = ("collator.py", "torch_datasets.py")  # what makes tensors of rows
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


@pytest.mark.parametrize("folder", ["geo", "world", "metrics/functional", "data/mlm", "data/mmnerd"])
def test_the_numpy_packages_import_no_torch(folder: str) -> None:
    files = sorted(Path(hf_mlm.__file__).parent.joinpath(folder).rglob("*.py"))
    assert files
    readers = [path for path in files if path.name not in TRAINING]
    assert not {"torch", "transformers"} & set().union(*map(imported_modules, readers))


def test_models_know_nothing_of_datasets() -> None:
    files = sorted(Path(hf_mlm.__file__).parent.joinpath("models").rglob("*.py"))
    assert "datasets" not in set().union(*map(imported_modules, files))


def test_every_public_name_loads_from_its_module() -> None:
    for name, path in public_names().items():
        assert getattr(hf_mlm, name) is getattr(importlib.import_module(path.partition(":")[0]), name)
        assert name in dir(hf_mlm)
    assert hf_mlm.__all__ == sorted(public_names())


def test_a_public_name_loads_nothing_but_its_module() -> None:
    code = "import sys, hf_mlm; hf_mlm.register; print('hf_mlm.models' in sys.modules, 'torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "False"]


def test_public_classes_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(hf_mlm.IRLEConfig)) is hf_mlm.IRLEConfig


def test_type_checkers_see_the_public_names() -> None:
    stub = ast.parse(Path(hf_mlm.__file__).with_name("__init__.pyi").read_text(encoding="utf8"))
    nodes = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    seen = {alias.asname: f"{node.module}:{alias.name}" for node in nodes for alias in node.names}
    assert seen == public_names()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nope'"):
        importlib.import_module("hf_mlm").Nope  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Nope'"):
        from hf_mlm import Nope  # noqa: F401


@pytest.mark.heavy
def test_an_unknown_name_is_a_type_error(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    (tmp_path / "used.py").write_text("import hf_mlm\nhf_mlm.IRLEConfig\nhf_mlm.Nope\n")
    out, _, status = api.run(["--follow-imports", "silent", "--ignore-missing-imports", str(tmp_path / "used.py")])
    assert status == 1 and "Nope" in out and "IRLEConfig" not in out
