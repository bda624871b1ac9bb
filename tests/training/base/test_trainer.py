from __future__ import annotations

import shutil
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from transformers import AutoModelForTokenClassification, AutoProcessor, Trainer, TrainingArguments

from hf_mlm.data.mlm.collator import DataCollatorForRetrievalAndGeo
from hf_mlm.publishing.models import push_model
from hf_mlm.training.base.trainer import SplitTrainer
from hf_mlm.training.irle.arguments import IRLETrainingArguments
from hf_mlm.training.irle.trainer import IRLETrainer
from hf_mlm.training.taggers.arguments import NERTrainingArguments
from hf_mlm.training.taggers.trainer import TaggerTrainer
from tests.hub.fixtures import hub, tagger_folder  # noqa: F401, fixtures
from tests.hub.server import READER, USER, WRITER, Hub
from tests.training import ner


@pytest.mark.parametrize("kept", [True, False])
def test_another_split_is_read_from_its_own_rows(kept: bool, tmp_path: Path) -> None:
    settings = TrainingArguments(
        str(tmp_path), use_cpu=True, report_to="none", dataloader_num_workers=1, dataloader_persistent_workers=kept
    )
    validation, test = [torch.zeros(1)] * 3, [torch.zeros(1)] * 5

    def rows_read(trainer_class: type[Trainer]) -> list[int]:
        trainer = trainer_class(nn.Linear(1, 1), settings, eval_dataset=validation)
        loaders = [trainer.get_eval_dataloader(*given) for given in ((), (test,), (validation,), ())]
        assert (loaders[0] is loaders[-1]) == kept
        return [len(loader.dataset) for loader in loaders]

    assert rows_read(SplitTrainer) == [3, 5, 3, 3]
    assert rows_read(Trainer) == ([3, 3, 3, 3] if kept else [3, 5, 3, 3])  # what the class is there for


def test_a_last_batch_that_training_drops_is_scored(tmp_path: Path) -> None:
    settings = TrainingArguments(
        str(tmp_path), use_cpu=True, report_to="none", dataloader_drop_last=True, per_device_eval_batch_size=4
    )
    rows, others = [torch.zeros(1)] * 7, [torch.zeros(1)] * 9

    def rows_read(trainer_class: type[Trainer]) -> list[int]:
        trainer = trainer_class(nn.Linear(1, 1), settings, torch.stack, rows * 2, eval_dataset=rows)
        loaders = trainer.get_eval_dataloader(), trainer.get_eval_dataloader(others), trainer.get_test_dataloader(rows)
        return [sum(map(len, loader)) for loader in (*loaders, trainer.get_train_dataloader())]

    assert rows_read(SplitTrainer) == [7, 9, 7, 8]
    assert rows_read(Trainer) == [4, 8, 4, 8]  # what the class is there for


def test_both_trainers_are_of_that_kind() -> None:
    assert issubclass(IRLETrainer, SplitTrainer) and issubclass(TaggerTrainer, SplitTrainer)


@pytest.mark.skipif(not distributed.is_available(), reason="this torch has no torch.distributed")
def test_the_wrapper_is_freed_before_the_processes_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    trainer = SplitTrainer(nn.Linear(1, 1), TrainingArguments(str(tmp_path), use_cpu=True, report_to="none"))
    trainer.model_wrapped = DistributedDataParallel(trainer.model)
    wrapper = weakref.ref(trainer.model_wrapped)
    there: list[bool] = []
    leave = distributed.destroy_process_group

    def look_and_leave(group: distributed.ProcessGroup | None) -> None:
        there.append(wrapper() is not None)
        leave(group)

    monkeypatch.setattr(distributed, "destroy_process_group", look_and_leave)
    trainer.end()
    assert there == [False] and not distributed.is_initialized()


Make = Callable[..., Any]
NAME = f"{USER}/run"


def settings(folder: Path, **changes: Any) -> dict[str, Any]:
    return {"output_dir": str(folder), "report_to": "none", "use_cpu": True, "disable_tqdm": True, **changes}


@pytest.fixture
def run(tagger_folder: Path, tmp_path: Path) -> Path:  # noqa: F811
    """A run's folder, with what must stay at home."""
    folder = tmp_path / "home of eve" / "run"
    shutil.copytree(tagger_folder, folder)
    (folder / "settings.yaml").write_text(f"dataset: demo\nseed: 7\noutput_dir: {folder}\nrun_name: Eve's try\n")
    (folder / "notes.txt").write_text("what Eve thinks")
    return folder


def tagger_trainer(run: Path, **changes: Any) -> TaggerTrainer:
    model, processor = AutoModelForTokenClassification.from_pretrained(run), AutoProcessor.from_pretrained(run)
    return TaggerTrainer(model, NERTrainingArguments(**settings(run, **changes)), processing_class=processor)


def test_the_trainer_pushes_what_the_command_pushes(hub: Hub, run: Path) -> None:  # noqa: F811
    tagger_trainer(run, hub_model_id=NAME).push_to_hub()
    pushed = hub.files(NAME)
    push_model(run, NAME)
    assert pushed == hub.files(NAME)
    assert (run / "training_args.bin").is_file()  # saved, and not pushed
    everything = b"\n".join(hub.received())
    for private in (str(run), WRITER, "Eve", "training_args"):
        assert private.encode() not in everything, private


def test_pushes_while_training_hold_the_model_alone(
    hub: Hub,  # noqa: F811
    feature_rows: Make,
    tiny_model: Make,
    tmp_path: Path,
) -> None:
    pushing = {"push_to_hub": True, "hub_model_id": NAME, "hub_token": WRITER, "hub_always_push": True}
    steps = {"max_steps": 2, "save_steps": 1, "per_device_train_batch_size": 4}
    trainer = IRLETrainer(
        tiny_model(),
        IRLETrainingArguments(**settings(tmp_path / "run", **pushing, **steps)),
        train_dataset=feature_rows(8),
        data_collator=DataCollatorForRetrievalAndGeo(),
    )
    trainer.train()
    first, second = hub.repositories["models", NAME].commits[1:]
    assert set(first) == set(second) == {"README.md", "config.json", "model.safetensors"}
    assert first["model.safetensors"] != second["model.safetensors"]
    trainer.save_model()
    assert hub.files(NAME)["model.safetensors"] == second["model.safetensors"]


def test_a_run_that_is_told_to_push_ends_with_a_card_of_its_figures(hub: Hub, tmp_path: Path) -> None:  # noqa: F811
    pushing = {"push_to_hub": True, "hub_model_id": NAME, "hub_strategy": "end"}
    results = ner.run(ner.recipe(ner.write_corpus(tmp_path / "data"), tmp_path, num_train_epochs=1, **pushing)).results
    card = hub.files(NAME)["README.md"].decode()
    assert f"| F1, all entities | {results['test_f1']:.3f} |" in card
    assert "license: unknown" in card
    assert str(tmp_path).encode() not in b"\n".join(hub.received())


def test_a_push_in_the_background_leaves_no_copy(
    hub: Hub,  # noqa: F811
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    upload = tagger_trainer(run, hub_model_id=NAME).push_to_hub("In passing", blocking=False, license="mit")
    assert upload.result(60).commit_message == "In passing"
    assert b"license: mit" in hub.files(NAME)["README.md"]
    for _ in range(100):
        if not (left := list(tmp_path.glob("hf_mlm_push_*"))):
            break
        time.sleep(0.1)
    assert not left


def test_mistakes_are_one_sentence(hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    with pytest.raises(ValueError, match="hub_strategy='checkpoint' would upload pickles .* choose 'every_save' or"):
        tagger_trainer(run, push_to_hub=True, hub_strategy="checkpoint")
    with pytest.raises(ValueError, match=r"without tags, dataset: edit README\.md"):
        tagger_trainer(run).push_to_hub(tags=["mine"], dataset="mmnerd")
    with pytest.raises(ValueError, match="found 'Apache 2'"):
        tagger_trainer(run, hub_model_id=NAME).push_to_hub(license="Apache 2")
    monkeypatch.setenv("HF_TOKEN", READER)
    with pytest.raises(PermissionError, match=f"no right to write to {NAME}"):
        tagger_trainer(run, hub_model_id=NAME).push_to_hub()
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(PermissionError, match="does not know who is pushing"):
        tagger_trainer(run, push_to_hub=True, hub_model_id=f"{USER}/new")
