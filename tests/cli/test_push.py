from __future__ import annotations

from pathlib import Path

import pytest

from hf_mlm.cli import main
from tests.hub.fixtures import hub, tagger_folder  # noqa: F401, fixtures
from tests.hub.server import Hub


def push(*words: str | Path) -> int | str | None:
    with pytest.raises(SystemExit) as stopped:
        main(["push", *map(str, words)])
    return stopped.value.code


def test_a_model_a_twin_and_a_dataset(
    hub: Hub,  # noqa: F811
    tagger_folder: Path,  # noqa: F811
    raw_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert push("model", tagger_folder, "--repo", "tester/ner", "--twin", f"text alone={tagger_folder}") == 0
    assert "|  | this model | text alone |" in hub.files("tester/ner")["README.md"].decode()
    words = ["--data_dir", raw_folder, "--licence", "cc-by-4.0", "--repo", "tester/mlm"]
    assert push("dataset", "mlm", "mlm", *words) == 0
    shown = capsys.readouterr().out
    assert f"{hub.url}/tester/ner\n" in shown
    assert f'{hub.url}/datasets/tester/mlm\nload_dataset("tester/mlm", "mlm", streaming=True)\n' in shown


def test_a_card_alone(tagger_folder: Path, tmp_path: Path) -> None:  # noqa: F811
    card = tmp_path / "ner.md"
    assert push("card", tagger_folder, "--repo", "tester/ner", "--output", card, "--license", "mit") == 0
    assert "license: mit" in card.read_text()
    assert not (tmp_path / "ner").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("model {run} --repo ner", "has no namespace: write 'NAME/ner'"),
        ("model {run} --repo tester/ner --licence Apache", "found 'Apache'; did you mean 'apache-2.0'?"),
        ("model {run} --repo tester/ner --twin {run}", "NAME=FOLDER"),
        ("model {run}/none --repo tester/ner", "found no config.json in"),
        ("dataset mmnerd en --repo tester/ner", "MMNERD states no licence"),
    ],
)
def test_mistakes_are_one_sentence(
    words: str,
    message: str,
    tagger_folder: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert push(*words.format(run=tagger_folder).split()) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
