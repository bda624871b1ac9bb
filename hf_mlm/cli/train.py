"""``hf-mlm train MODEL --config RECIPE [--any_setting value]``."""

from __future__ import annotations

import sys

from hf_mlm.registry import MODELS, load


def train(argv: list[str]) -> None:
    """Train a model from a recipe and flags; several processes by ``python -m torch.distributed.run``.

    Args:
        argv: the model, as `hf_mlm.registry` names it with hyphens, then its settings.

    Raises:
        ValueError: if there is no such model, or a setting is unknown or wrong.
    """
    names = {model_type.replace("_", "-"): model_type for model_type in MODELS}
    if not argv or argv[0] in ("-h", "--help"):
        sys.stdout.write(
            f"Usage: hf-mlm train MODEL --config RECIPE [--setting value …]\n\nMODEL is one of {', '.join(names)}; "
            "hf-mlm train MODEL --help lists its settings.\n"
        )
        return
    name, *words = argv
    if name not in names:
        raise ValueError(f"Expected a model to train ({', '.join(names)}), found {name!r}.")
    from hf_mlm.runs.settings import parse_settings

    package = f"hf_mlm.training.{MODELS[names[name]].family}"
    if MODELS[names[name]].family == "taggers":
        words += ["--model_type", names[name]]
    settings = parse_settings(list(load(f"{package}.arguments:ARGUMENTS")), words, f"hf-mlm train {name}")
    try:
        run = load(f"{package}.train:train")(*settings)
        if run.trainer.is_world_process_zero():
            from hf_mlm.runs.results import verdict

            sys.stdout.write(f"Finished: {verdict(run.results)}; {run.trainer.args.output_dir}\n")
        run.trainer.end()
    except KeyError as error:
        if "metric_for_best_model" not in str(error):
            raise
        raise ValueError(error.args[0]) from error  # the Trainer's sentence, which names the metrics there are
