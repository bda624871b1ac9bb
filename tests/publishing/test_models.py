from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import snapshot_download
from transformers import AutoModelForTokenClassification, AutoProcessor

from hf_mlm.publishing.models import push_model, write_card
from tests.hub.server import READER, USER, WRITER, Hub, Repository


PUBLIC = {
    *("README.md", "all_results.json", "config.json", "model.safetensors", "processor_config.json", "settings.yaml"),
    *("tokenizer.json", "tokenizer_config.json"),
}
NAME = f"{USER}/two-mner"


@pytest.fixture
def run(tagger_folder: Path, tmp_path: Path) -> Path:
    """A run with everything that must stay at home."""
    folder = tmp_path / "home of eve" / "run"
    shutil.copytree(tagger_folder, folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "name_or_path": str(folder)}))
    (folder / "settings.yaml").write_text(
        f"dataset: demo\noutput_dir: {folder}\ntext_encoder: {folder}\nhub_token: {WRITER}\nrun_name: Eve's try\n"
        f"dataset_options: {{size: 9, image_dir: {folder}}}\nmodel: {{note: what Eve wrote, dropout: 0.1}}\n"
    )
    (folder / "training_args.bin").write_bytes(b"pickle of " + str(folder).encode())
    (folder / "predictions_test.json").write_text('["Eve was here"]')
    (folder / "query.jpg").write_bytes(b"Eve's photograph")
    return folder


def test_weights_processor_and_card_arrive(hub: Hub, tagger_folder: Path) -> None:
    assert push_model(tagger_folder, NAME) == f"{hub.url}/{NAME}"
    assert set(hub.files(NAME)) == PUBLIC
    here = AutoModelForTokenClassification.from_pretrained(tagger_folder).state_dict()
    there = AutoModelForTokenClassification.from_pretrained(NAME).state_dict()
    assert here.keys() == there.keys()
    assert all(torch.equal(here[name], there[name]) for name in here)
    assert type(AutoProcessor.from_pretrained(NAME)).__name__ == "TwoMNERProcessor"
    assert {path.name for path in Path(snapshot_download(NAME)).iterdir()} == PUBLIC


def test_nothing_private_leaves(hub: Hub, run: Path) -> None:
    push_model(run, NAME, others={"text alone": run})
    AutoModelForTokenClassification.from_pretrained(run).push_to_hub(f"{USER}/plain")
    everything = b"\n".join(hub.received())
    for private in (str(run), str(run.parent), str(Path.home()) + "/", WRITER, "Eve", "pickle"):
        assert private.encode() not in everything, private
    assert b"size: 9" in hub.files(NAME)["settings.yaml"]


def test_what_cannot_be_taken_out_is_refused(hub: Hub, run: Path) -> None:
    (run / "vocab.txt").write_text(f"[PAD]\n{run}\n")
    with pytest.raises(ValueError, match=r"vocab\.txt holds the path .* take it out\. Nothing was uploaded"):
        push_model(run, NAME)
    (run / "vocab.txt").write_text(f"[PAD]\n{WRITER}\n")
    with pytest.raises(ValueError, match=r"vocab\.txt holds the access token, which"):
        push_model(run, NAME)
    (run / "vocab.txt").write_text(f"[PAD]\nhf_{'x' * 34}\n")
    with pytest.raises(ValueError, match=r"vocab\.txt holds an access token, which"):
        push_model(run, NAME)
    assert not hub.requests


def test_a_plain_push_brings_a_card_and_leaves_one_that_was_written(hub: Hub, tagger_folder: Path) -> None:
    model = AutoModelForTokenClassification.from_pretrained(tagger_folder)
    model.push_to_hub(NAME)
    card = hub.files(NAME)["README.md"].decode()
    assert "library_name: hf-mlm" in card
    assert "| F1, all entities | 0.400 |" in card  # from the folder that it was loaded from
    written = b"---\nlibrary_name: hf-mlm\n---\nMy own words."
    hub.repositories["models", NAME].commits.append({**hub.files(NAME), "README.md": written})
    model.push_to_hub(NAME)
    assert b"My own words." in hub.files(NAME)["README.md"]


def test_a_model_of_nowhere_says_that_nothing_is_known(hub: Hub) -> None:
    from hf_mlm import TwoMNERForTokenClassification
    from tests.models.two_mner import tiny

    TwoMNERForTokenClassification(tiny.config()).push_to_hub(NAME)
    card = hub.files(NAME)["README.md"].decode()
    for said in ("license: unknown", "No metrics were recorded", "How it was trained was not recorded"):
        assert said in card


def test_a_broken_upload_goes_on(hub: Hub, tagger_folder: Path) -> None:
    hub.cut_after = 5000
    with pytest.raises(ConnectionError, match=rf"broke while pushing to {NAME} .* run the same command again"):
        push_model(tagger_folder, NAME)
    assert hub.files(NAME) == {}
    hub.cut_after, sent = None, hub.uploads()
    push_model(tagger_folder, NAME)
    assert set(hub.files(NAME)) == PUBLIC
    push_model(tagger_folder, NAME)  # what has arrived is not sent again
    assert hub.uploads() == sent + 1


def test_private_stays_private(hub: Hub, tagger_folder: Path) -> None:
    push_model(tagger_folder, NAME, private=True)
    assert hub.repositories["models", NAME].private
    hub.repositories["models", f"{USER}/public"] = Repository()
    with pytest.raises(ValueError, match="is there already and public"):
        push_model(tagger_folder, f"{USER}/public", private=True)


@pytest.mark.parametrize(
    ("token", "repo_id", "error", "message"),
    [
        ("", NAME, PermissionError, r"does not know who is pushing to .*hf auth login.*HF_TOKEN"),
        ("hf_wrong", NAME, PermissionError, "does not know who is pushing"),
        (READER, NAME, PermissionError, f"no right to write to {NAME} .*namespace {USER}.*the token may write"),
        (WRITER, "other/name", PermissionError, "'other' is your user name or an organisation"),
        (WRITER, "two-mner", ValueError, "has no namespace: write 'NAME/two-mner'"),
        (WRITER, "a/b/c", ValueError, "write namespace/name"),
    ],
)
def test_who_may_not(
    hub: Hub, tagger_folder: Path, monkeypatch: pytest.MonkeyPatch, token: str, repo_id: str, error: Any, message: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(error, match=message):
        push_model(tagger_folder, repo_id)
    assert not hub.repositories


def test_a_hub_out_of_order(hub: Hub, tagger_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.status = 503
    with pytest.raises(ConnectionError, match="cannot take the push .* now .*wait a little"):
        push_model(tagger_folder, NAME)
    hub.status = 400
    with pytest.raises(ValueError, match=r"refuses what was sent to .* \(out of order\)"):
        push_model(tagger_folder, NAME)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConnectionError, match="HF_HUB_OFFLINE is set: unset it"):
        push_model(tagger_folder, NAME)


def test_folders_without_a_model(tagger_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"output_dir of a training, found no config\.json in"):
        push_model(tmp_path, NAME)
    shutil.copy(tagger_folder / "config.json", tmp_path)
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(FileNotFoundError, match=r"no model\.safetensors: .* pickled weights are not pushed"):
        push_model(tmp_path, NAME)


def test_a_card_alone_has_its_pictures_beside_it(raw_model: Path, tmp_path: Path) -> None:
    write_card(raw_model, tmp_path / "cards" / "irle.md", f"{USER}/irle", "cc-by-4.0")
    assert "](irle/cells.png)" in (tmp_path / "cards" / "irle.md").read_text()
    assert (tmp_path / "cards" / "irle" / "cells.png").read_bytes().startswith(b"\x89PNG")
    for folder in ("cards", "card"):  # one that is there, and one that would be its own folder of pictures
        with pytest.raises(ValueError, match=f"^the card is a file .*: write .*{folder}/README.md for "):
            write_card(raw_model, tmp_path / folder, f"{USER}/irle")
    assert not (tmp_path / "card").exists()
