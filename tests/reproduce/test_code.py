from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import hf_mlm
from hf_mlm.reproduce.code import MAKERS, code_fingerprint


PACKAGE = Path(hf_mlm.__file__).parent


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package."""
    return Path(shutil.copytree(PACKAGE, tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__")))


def fingerprint(package: Path) -> str:
    code_fingerprint.cache_clear()
    return code_fingerprint(package)


def test_every_maker_is_there() -> None:
    assert [maker for maker in MAKERS if not (PACKAGE / maker).exists()] == []


def test_the_same_code_elsewhere_has_the_same_fingerprint(package: Path) -> None:
    (package / "models" / "__pycache__").mkdir()
    (package / "models" / "__pycache__" / "crf.pyc").write_bytes(b"x")
    os.utime(package / "models" / "layers" / "crf.py", (0, 0))
    assert fingerprint(package) == fingerprint(PACKAGE)


@pytest.mark.parametrize(
    ("path", "decides"),
    [
        ("models/layers/crf.py", True),
        ("training/recipes/irle.yaml", True),
        ("reproduce/scales.py", True),
        ("reproduce/tables.py", False),
        ("cli/main.py", False),
    ],
)
def test_an_edit_of_what_decides_figures_is_told(package: Path, path: str, decides: bool) -> None:
    before = fingerprint(package)
    with (package / path).open("a", encoding="utf-8") as file:
        file.write("# edited\n")
    assert (fingerprint(package) != before) == decides


def test_a_module_that_is_renamed_is_told(package: Path) -> None:
    before = fingerprint(package)
    (package / "data" / "disk.py").rename(package / "data" / "disc.py")
    assert fingerprint(package) != before
