"""``hf-mlm train MODEL --config RECIPE [--any_setting value]``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


TAGGERS = ("two-mner", "crf-tagger", "bilstm-crf", "hbilstm-crf", "adacan", "umt", "umgf", "mkgformer")
MODELS = ("irle", *TAGGERS)


def main(argv: list[str]) -> None:
    """Train a model from a recipe and flags; several processes by ``python -m torch.distributed.run``.

    Args:
        argv: what is trained, then its settings.

    Raises:
        ValueError: if there is no such model, or a setting is unknown or wrong.
    """
    if argv[:1] in (["-h"], ["--help"]) or not argv:
        sys.stdout.write(
            f"Usage: hf-mlm train MODEL --config RECIPE [--setting value …]\n\nMODEL is one of {', '.join(MODELS)}; "
            "hf-mlm train MODEL --help lists its settings.\n"
        )
        return
    model, *words = argv
    if model not in MODELS:
        raise ValueError(f"there is no model {model!r} to train; choose one of {', '.join(MODELS)}.")
    train, settings = _irle(words) if model == "irle" else _tagger(model, words)
    try:
        train(*settings).trainer.end()
    except KeyError as error:
        if "metric_for_best_model" not in str(error):
            raise
        raise ValueError(error.args[0]) from error  # the Trainer's sentence, which names the metrics there are


def _irle(words: list[str]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    from hf_mlm.runs.settings import parse_settings
    from hf_mlm.training.irle.arguments import IRLEArguments, IRLETrainingArguments

    settings = parse_settings([IRLEArguments, IRLETrainingArguments], words, "hf-mlm train irle")
    from hf_mlm.training.irle.train import train

    return train, settings


def _tagger(model: str, words: list[str]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    from hf_mlm.runs.settings import parse_settings
    from hf_mlm.training.taggers.arguments import NERArguments, NERTrainingArguments

    words = [*words, "--model_type", model.replace("-", "_")]
    settings = parse_settings([NERArguments, NERTrainingArguments], words, f"hf-mlm train {model}")
    from hf_mlm.training.taggers.train import train

    return train, settings


if __name__ == "__main__":
    main(sys.argv[1:])
