"""``hf-mlm train irle --config RECIPE [--any_setting value]``."""

from __future__ import annotations

import sys


TASKS = ("irle",)


def main(argv: list[str]) -> None:
    """Train a model from a recipe and flags; several processes by ``python -m torch.distributed.run``.

    Args:
        argv: what is trained, then its settings.

    Raises:
        ValueError: if there is no such model, or a setting is unknown or wrong.
    """
    if argv[:1] in (["-h"], ["--help"]) or not argv:
        sys.stdout.write("Usage: hf-mlm train irle --config RECIPE [--setting value …]\n\nhf-mlm train irle --help\n")
        return
    task, *words = argv
    if task not in TASKS:
        raise ValueError(f"there is no model {task!r} to train; choose one of {', '.join(TASKS)}.")
    from hf_mlm.training.arguments import IRLEArguments, IRLETrainingArguments
    from hf_mlm.training.settings import parse_settings

    settings = parse_settings([IRLEArguments, IRLETrainingArguments], words, "hf-mlm train irle")
    from hf_mlm.training.train import train

    try:
        train(*settings).trainer.end()
    except KeyError as error:
        if "metric_for_best_model" not in str(error):
            raise
        raise ValueError(error.args[0]) from error  # the Trainer's sentence, which names the metrics there are


if __name__ == "__main__":
    main(sys.argv[1:])
