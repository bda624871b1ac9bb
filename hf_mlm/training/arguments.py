"""What a training run of IR+LE is told: about data and model here, about optimisation by ``TrainingArguments``."""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from transformers import TrainingArguments

from hf_mlm.data.samplers import ViewRule


LOWER_IS_BETTER = ("loss", "medR", "km")  # endings of metric names
OFF = (None, False, "", "no")  # argparse turns one into the other


def _setting(default: Any, text: str) -> Any:
    metadata = {"help": text}
    return (
        field(default_factory=default, metadata=metadata)
        if callable(default)
        else field(default=default, metadata=metadata)
    )


@dataclass
class IRLEArguments:
    """Data and model of a run; every field is a key of a recipe and a flag of ``hf-mlm train irle``.

    ``given`` holds the fields that differ from their defaults.

    Raises:
        ValueError: if what must be a mapping is none.
    """

    dataset: str = _setting("demo", "configuration of the dataset mlm: demo, irle, irle-gr")
    data_dir: str | None = _setting(None, "folder of the dataset's files; demo needs none")
    dataset_options: dict | str | None = _setting(dict, "further settings of the dataset, such as {size: 2000}")
    views: ViewRule = _setting("random", "images, summaries, classes to train on; first: the same as in evaluation")
    crop: int | None = _setting(None, "raw images: train on random windows of so many pixels, evaluate whole images")
    features_on_device: bool = _setting(False, "keep precomputed features in the accelerator's memory")
    model: dict | str | None = _setting(dict, "settings of IRLEConfig, such as {retrieval_loss: info_nce}")
    reference: bool = _setting(False, "start from IRLEConfig.reference(), the published code's behaviour")
    image_encoder: dict | str | None = _setting(None, "raw images: folder of a vision model, or its configuration")
    text_encoder: dict | str | None = _setting(None, "raw texts: folder of a text model, or its configuration")
    image_processor: dict | str | None = _setting(None, "raw images: folder or settings; the encoder's when omitted")
    tokenizer: str | None = _setting(None, "raw texts: folder; the encoder's, or one learned on the summaries")
    vocabulary_size: int = _setting(8000, "entries of a tokenizer learned on the training summaries")
    pool_size: int = _setting(500, "candidates that retrieval is measured among")
    pools: int = _setting(10, "seeded draws of that many candidates")

    def __post_init__(self) -> None:
        self.dataset_options = _mapping("dataset_options", self.dataset_options)
        self.model = _mapping("model", self.model)
        for name in ("image_encoder", "text_encoder", "image_processor"):
            value = getattr(self, name)
            if isinstance(value, str) and value.startswith("{"):
                setattr(self, name, _mapping(name, value))
        self.given = changed_fields(self)


@dataclass
class IRLETrainingArguments(TrainingArguments):
    """``TrainingArguments`` with the defaults that IR+LE needs, for `IRLETrainer` and the plain Trainer alike.

    The targets of IR+LE are called cells, not labels, so a Trainer must be told their names to compute metrics; rows
    of ``mlm`` have columns that only the collator reads; and a median rank or a distance is better when lower.
    ``given`` holds the fields that differ from their defaults, before ``TrainingArguments`` works on them.

    Example:
        >>> arguments = IRLETrainingArguments("runs/try", metric_for_best_model="mean_medR")
        >>> arguments.greater_is_better, arguments.remove_unused_columns
        (False, False)
    """

    label_names: list[str] | None = _setting(lambda: ["image_cells", "text_cells"], "targets that metrics need")
    remove_unused_columns: bool = _setting(False, "whether to hide from the collator what the model does not read")

    def __post_init__(self) -> None:
        self.given = changed_fields(self)
        lower_is_better = str(self.metric_for_best_model).endswith(LOWER_IS_BETTER)
        if lower_is_better and vars(self)["greater_is_better"] is None:
            self.greater_is_better = False
        super().__post_init__()
        if self.device.type == "cpu":
            self.dataloader_pin_memory = False  # there is nothing to pin for, and torch would warn of it


def changed_fields(settings: Any) -> dict[str, Any]:
    """Fields of a dataclass object that differ from their defaults; one way to say "off" is as good as another."""
    changed = {}
    for each in fields(settings):
        default = each.default if each.default_factory is MISSING else each.default_factory()
        value = getattr(settings, each.name)
        if each.init and value != default and not (value in OFF and default in OFF):
            changed[each.name] = value
    return changed


def _mapping(name: str, value: dict | str | None) -> dict[str, Any]:
    """A mapping, given as one or as JSON."""
    try:
        found = json.loads(value) if isinstance(value, str) else value or {}
    except ValueError:
        found = value
    if not isinstance(found, dict):
        raise ValueError(f"{name}={value!r} must be a mapping from names to values, such as {{size: 2000}}.")
    return found
