"""Files that are no Python and that the code opens: all of them must be in the wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

import hf_mlm


tomllib = pytest.importorskip("tomllib", reason="tomllib came with Python 3.11")
PACKAGE = Path(hf_mlm.__file__).parent


def test_the_wheel_takes_every_file_of_the_package() -> None:
    pyproject = PACKAGE.parent / "pyproject.toml"
    if not pyproject.is_file():
        pytest.skip("hf_mlm is installed, and not run from its repository")
    patterns = tomllib.loads(pyproject.read_text())["tool"]["setuptools"]["package-data"]["hf_mlm"]
    taken = {pattern: set(PACKAGE.glob(pattern)) for pattern in patterns}
    there = {path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert set().union(*taken.values()) == {path for path in there if path.suffix != ".py"}
    assert all(taken.values()), taken


def test_what_the_code_opens_is_there() -> None:
    from hf_mlm.publishing.cards import TEMPLATES
    from hf_mlm.runs.settings import RECIPES

    assert {path.stem for path in TEMPLATES.glob("*.md")} == {
        "irle",
        "tagger",
        "dataset_demo",
        "dataset_mlm",
        "dataset_mmnerd",
        "dataset_own",
    }
    assert {"demo", "irle", "irle-gr", "two-mner", "crf-tagger"} <= {path.stem for path in RECIPES.glob("*.yaml")}
    metrics = {path.parent for path in PACKAGE.glob("metrics/*/README.md")}
    assert {folder.name for folder in metrics} == {"retrieval", "geo", "entity_f1"}
