from types import SimpleNamespace

import pytest

from hf_mlm.reproduce import processes
from hf_mlm.reproduce.processes import BATCH, from_main_process, share_batch


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if four processes had been started."""
    monkeypatch.setattr(processes, "processes", lambda: SimpleNamespace(num_processes=4))


def test_one_process_has_the_whole_batch() -> None:
    assert share_batch({BATCH: 16, "seed": 1}, {}) == {BATCH: 16, "seed": 1}


@pytest.mark.usefixtures("four")
def test_a_step_sees_as_many_rows_whatever_the_processes() -> None:
    settings = {BATCH: 16, "per_device_eval_batch_size": 64}
    assert share_batch(settings, {"bf16": True}) == {BATCH: 4, "per_device_eval_batch_size": 64}
    assert settings[BATCH] == 16 and share_batch({"seed": 1}, {}) == {"seed": 1}


@pytest.mark.usefixtures("four")
def test_a_batch_that_the_user_has_set_stays() -> None:
    assert share_batch({BATCH: 30}, {BATCH: 30}) == {BATCH: 30}


@pytest.mark.usefixtures("four")
def test_unequal_shares_get_a_sentence() -> None:
    with pytest.raises(ValueError, match=f"^4 processes cannot share a batch of 30 rows: .* --override {BATCH}=N.$"):
        share_batch({BATCH: 30}, {})


def test_one_process_answers_itself() -> None:
    assert from_main_process(lambda: {"finished": True}) == {"finished": True}
