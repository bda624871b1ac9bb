"""Packages that load their names when they are used: nothing before, and then as if imported."""

from __future__ import annotations

import ast
import importlib
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hf_mlm


PACKAGES = sorted(
    path for path in Path(hf_mlm.__file__).parent.rglob("__init__.py") if "= lazy_attributes(" in path.read_text()
)


@pytest.fixture
def pets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package of two modules, the second of which cannot be imported."""
    files = {
        "__init__.py": (
            "from hf_mlm.lazy import lazy_attributes\n"
            "__getattr__, __dir__ = lazy_attributes(__name__, {'Cat': 'cats', 'Lion': 'cats', 'Dog': 'dogs'})\n"
        ),
        "cats.py": "class Cat: ...\n",
        "dogs.py": "import no_such_library\n",
    }
    (tmp_path / "lazy_pets").mkdir()
    for name, code in files.items():
        (tmp_path / "lazy_pets" / name).write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    yield "lazy_pets"
    for module in [name for name in sys.modules if name.startswith("lazy_pets")]:
        del sys.modules[module]


def test_a_name_loads_its_module_when_it_is_used(pets: str) -> None:
    package = importlib.import_module(pets)
    assert {"Cat", "Lion", "Dog", "__name__"} <= set(dir(package))
    assert f"{pets}.cats" not in sys.modules and "Cat" not in vars(package)
    from lazy_pets import Cat

    assert Cat is sys.modules[f"{pets}.cats"].Cat is vars(package)["Cat"]
    assert f"{pets}.dogs" not in sys.modules
    assert type(pickle.loads(pickle.dumps(Cat()))) is Cat


def test_what_is_not_there_is_an_attribute_error(pets: str) -> None:
    package = importlib.import_module(pets)
    with pytest.raises(AttributeError, match="module 'lazy_pets' has no attribute 'Horse'"):
        package.Horse  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Horse' from 'lazy_pets'"):
        from lazy_pets import Horse  # noqa: F401
    with pytest.raises(AttributeError, match=r"'lazy_pets.cats' has no attribute 'Lion'"):
        package.Lion  # noqa: B018
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        package.Dog  # noqa: B018


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: path.parent.name)
def test_type_checkers_see_what_users_get(path: Path) -> None:
    package = importlib.import_module(".".join(path.parent.relative_to(Path(hf_mlm.__file__).parents[1]).parts))
    checked = next(node for node in ast.parse(path.read_text()).body if isinstance(node, ast.If))
    imported = {
        alias.name: node.module for node in checked.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert set(package.__all__) - {"register"} == set(imported) and set(imported) <= set(dir(package))
    for name, module in imported.items():
        assert getattr(package, name) is getattr(importlib.import_module(module), name)


def test_every_model_is_such_a_package() -> None:
    assert len(PACKAGES) >= 9
