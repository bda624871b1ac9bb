from __future__ import annotations

import json
from pathlib import Path

import pytest

from hf_mlm.cli import main


FLAGS = "--model.embedding_size 8 --max_steps 2 --use_cpu --disable_tqdm true --eval_strategy no --save_strategy no"


def test_recipe_by_bare_name_with_flags(irle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = f"{FLAGS} --load_best_model_at_end false --output_dir {tmp_path}/run --data_dir {irle_folder}"
    main(["train", "irle", "--config", "irle", *words.split()])
    assert json.loads((tmp_path / "run" / "all_results.json").read_text())["test_gallery_size"] == 30
    assert json.loads((tmp_path / "run" / "config.json").read_text())["retrieval_loss"] == "cosine_embedding"
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("Finished: medR image to text ") and last.endswith(f"; {tmp_path}/run")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("irl --seed 1", "hf-mlm train: Expected a model to train (irle, two-mner,"),
        ("irle --sed 1", "hf-mlm train: the command line has no setting 'sed'; did you mean 'seed'?"),
        ("irle --config nothing", "'nothing'"),
        ("irle --dataset irle --data_dir nowhere --use_cpu", "data_dir 'nowhere' is not a folder"),
    ],
)
def test_mistakes_are_one_sentence(
    words: str, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(["train", *words.split()])
    assert stopped.value.code == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_unknown_metric_is_named_with_those_there_are(
    irle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (
        f"--output_dir {tmp_path}/run --data_dir {irle_folder} --model.embedding_size 8 --num_train_epochs 1 --use_cpu"
    )
    with pytest.raises(SystemExit):
        main(["train", "irle", "--config", "irle", "--metric_for_best_model", "medr", *words.split()])
    assert "'eval_medr', which is not found in the evaluation metrics" in capsys.readouterr().err


def test_help_names_what_can_be_trained(capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "--help"])
    assert "hf-mlm train MODEL --config RECIPE" in capsys.readouterr().out
