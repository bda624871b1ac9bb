from __future__ import annotations

import os
import subprocess
import sys

from hf_mlm.training.base.processors import learn_tokenizer


TEXTS = [
    f"{name} is a {kind} in {land}"
    for name in ("Cork", "Lyon", "Köln", "Łódź")
    for kind in ("city", "port")
    for land in ("Éire", "France")
]


def test_words_are_covered_and_unknown_ones_said_to_be() -> None:
    tokenizer = learn_tokenizer(TEXTS, 120)
    assert tokenizer.decode(tokenizer("KÖLN port")["input_ids"], skip_special_tokens=True) == "köln port"
    assert tokenizer.unk_token_id in tokenizer("漢")["input_ids"]
    assert len(tokenizer) <= 120
    batch = tokenizer(["Cork", "Cork is a city"], padding=True)
    assert batch["attention_mask"][0][-1] == 0
    assert batch["input_ids"][0][-1] == tokenizer.pad_token_id == 0


def test_every_process_learns_the_same() -> None:
    program = "import sys; from hf_mlm.training.base.processors import learn_tokenizer; "
    program += "print(sorted(learn_tokenizer(sys.argv[1:], 90).get_vocab().items()))"
    command = [sys.executable, "-c", program, *TEXTS]
    found = {
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout
        for seed in ("1", "2")
    }
    expected = sorted(learn_tokenizer(TEXTS, 90).get_vocab().items())
    assert [output.decode() for output in found] == [f"{expected}\n"]
