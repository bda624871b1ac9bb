"""Kill a training again and again, and compare what it ends with: ``python -m tests.fuzz.kills --kills 20``.

One run is left alone; the other, bounded by ``max_steps`` in the middle of an epoch, is killed at random moments by
SIGKILL, SIGTERM or Ctrl-C and started again by the same command. Weights and metrics must be equal bit for bit, the
command given once more must train no further, and nothing but what an undisturbed run leaves may lie in the folder.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from safetensors.numpy import load_file


SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
TIMES = ("train_runtime", "train_samples_per_second", "train_steps_per_second", "train_loss")  # of the last process
RUNS = {
    "irle": ["--dataset", "demo", "--dataset_options", "{size: 60}", "--image_encoder", "{model_type: resnet, "
             "embedding_size: 16, hidden_sizes: [16, 32], depths: [1, 1], layer_type: basic}", "--text_encoder",
             "{model_type: bert, hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 8}"],
    "crf-tagger": ["--dataset", "demo", "--text_encoder", "{model_type: bert, hidden_size: 8, num_hidden_layers: 1, "
                   "num_attention_heads: 2, intermediate_size: 8}"],
}  # fmt: skip


def command(model: str, folder: Path, steps: int) -> list[str]:
    """A small training with a checkpoint at every second step."""
    words = [sys.executable, "-m", "hf_mlm.cli", "train", model, *RUNS[model], "--output_dir", str(folder)]
    bound = ["--max_steps", str(steps), "--per_device_train_batch_size", "8", "--learning_rate", "1e-2"]
    return [*words, *bound, "--save_strategy", "steps", "--save_steps", "2", "--save_total_limit", "3", "--use_cpu"]


def finish(words: list[str], folder: Path, kills: int, generator: random.Random) -> list[str]:
    """Give a command until it ends by itself, and list the signals that ended it without a sentence."""
    silent, sent = [], 0
    while True:
        with open(folder.with_suffix(".log"), "w+") as log:
            run = subprocess.Popen(words, stdout=log, stderr=log)
            number = generator.choice(SIGNALS)
            if sent < kills and stop(run, folder, number, generator):
                sent += 1
                log.seek(0)
                told = log.read()
                if number != signal.SIGKILL and "stopped" not in told:
                    silent.append(f"signal {number} was not told of: {told[-300:]}")
                continue
            if run.wait():
                log.seek(0)
                raise SystemExit(f"the command failed after {sent} kills: {log.read()[-2000:]}")
        sys.stdout.write(f"{folder.name}: ended after {sent} signals\n")
        return silent


def stop(run: subprocess.Popen[bytes], folder: Path, number: int, generator: random.Random) -> bool:
    """Send a signal some moments after the training's begin or a new checkpoint; tell whether it still ran."""
    settings = folder / "settings.yaml"  # written when the training begins
    before, there = modified(settings), set(folder.glob("checkpoint-*"))
    wanted = generator.choice((0, 0, 1, 1, 2))
    while run.poll() is None and modified(settings) == before:
        time.sleep(0.002)
    while run.poll() is None and len(set(folder.glob("checkpoint-*")) - there) < wanted:
        time.sleep(0.001)
    time.sleep(generator.choice((0, 0.001, 0.01, 0.05)))
    if run.poll() is not None:
        return False
    run.send_signal(number)
    run.wait()
    return True


def modified(path: Path) -> int:
    """Time of a file in nanoseconds; 0 where there is none."""
    return path.stat().st_mtime_ns if path.exists() else 0


def results(folder: Path) -> dict[str, float]:
    """Metrics of a run, without its times."""
    content = json.loads((folder / "all_results.json").read_text())
    timed = ("runtime", "per_second", "preparation_time")
    return {name: value for name, value in content.items() if name not in TIMES and not name.endswith(timed)}


def compare(model: str, kills: int, steps: int, seed: int) -> list[str]:
    """Train twice, and list what differs."""
    generator = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        whole, broken = Path(name, "whole"), Path(name, "broken")
        finish(command(model, whole, steps), whole, 0, generator)
        faults = finish(command(model, broken, steps), broken, kills, generator)
        for again in range(2):
            one, other = (load_file(folder / "model.safetensors") for folder in (whole, broken))
            faults += [f"weights {key} differ" for key in one if (one[key] != other[key]).any()]
            pair = results(whole), results(broken)
            faults += [
                f"{key} differs" for key in sorted({*pair[0], *pair[1]}) if pair[0].get(key) != pair[1].get(key)
            ]
            kept = [sorted(os.listdir(folder)) for folder in (whole, broken)]
            faults += [f"the folders differ: {kept}"] * (kept[0] != kept[1])
            if not again:
                finish(command(model, broken, steps), broken, 0, generator)
        sys.stdout.write(f"{model}: {len(faults)} faults\n")
        return faults


def main() -> None:
    """Compare for each model."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=61)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", nargs="*", default=list(RUNS))
    arguments = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    faults = [
        fault
        for model in arguments.models
        for fault in compare(model, arguments.kills, arguments.steps, arguments.seed)
    ]
    sys.stdout.write("".join(f"{fault}\n" for fault in faults))
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
