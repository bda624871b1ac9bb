"""Settings of a training run of IR+LE: of data and model; those of optimisation are ``TrainingArguments``."""

from __future__ import annotations

from dataclasses import dataclass

from transformers import TrainingArguments

from hf_mlm.data.mlm.views import ViewRule
from hf_mlm.runs.settings import changed_fields, mapping, setting


LOWER_IS_BETTER = ("loss", "medR", "km")  # endings of metric names


@dataclass
class IRLEArguments:
    """Data and model of a run; every field is a key of a recipe and a flag of ``hf-mlm train irle``.

    ``given`` holds the fields that differ from their defaults.

    Raises:
        ValueError: if what must be a mapping is none.
    """

    dataset: str = setting("demo", "configuration of the dataset mlm: demo, irle, irle-gr")
    data_dir: str | None = setting(None, "folder of the dataset's files; demo needs none")
    dataset_options: dict | str | None = setting(dict, "further settings of the dataset, such as {size: 2000}")
    density: int = setting(1, "demo: train on so many times as many settlements, of the blocks that are not held out")
    views: ViewRule = setting("random", "images, summaries, classes to train on; first: the same as in evaluation")
    crop: int | None = setting(None, "raw images: train on random windows of so many pixels, evaluate whole images")
    features_on_device: bool = setting(False, "keep precomputed features in the accelerator's memory")
    model: dict | str | None = setting(dict, "settings of IRLEConfig, such as {retrieval_loss: info_nce}")
    reference: bool = setting(False, "start from IRLEConfig.reference(), the published code's behaviour")
    image_encoder: dict | str | None = setting(None, "raw images: folder of a vision model, or its configuration")
    text_encoder: dict | str | None = setting(None, "raw texts: folder of a text model, or its configuration")
    image_processor: dict | str | None = setting(None, "raw images: folder or settings; the encoder's when omitted")
    tokenizer: str | None = setting(None, "raw texts: folder; the encoder's, or one learned on the summaries")
    vocabulary_size: int = setting(8000, "entries of a tokenizer learned on the training summaries")
    pool_size: int = setting(500, "candidates that retrieval is measured among")
    pools: int = setting(10, "seeded draws of that many candidates")
    keep_gallery: bool = setting(True, "save embeddings of training entities in gallery/, to locate and search by")
    gallery_size: int = setting(100_000, "training entities in that gallery at most")

    def __post_init__(self) -> None:
        self.dataset_options = mapping("dataset_options", self.dataset_options)
        self.model = mapping("model", self.model)
        for name in ("image_encoder", "text_encoder", "image_processor"):
            value = getattr(self, name)
            if isinstance(value, str) and value.startswith("{"):
                setattr(self, name, mapping(name, value))
        self.given = changed_fields(self)


@dataclass
class RunArguments(TrainingArguments):
    """``TrainingArguments`` with what every model of the package needs.

    The rows of its datasets have columns that only the collator reads, and a loss, a median rank or a distance is
    better when lower. ``given`` holds the fields that differ from their defaults, before ``TrainingArguments`` works
    on them.
    """

    remove_unused_columns: bool = setting(False, "whether to hide from the collator what the model does not read")

    def __post_init__(self) -> None:
        self.given = changed_fields(self)
        lower_is_better = str(self.metric_for_best_model).endswith(LOWER_IS_BETTER)
        if lower_is_better and vars(self)["greater_is_better"] is None:
            self.greater_is_better = False
        super().__post_init__()
        if self.device.type == "cpu":
            self.dataloader_pin_memory = False  # there is nothing to pin for, and torch would warn of it


@dataclass
class IRLETrainingArguments(RunArguments):
    """`RunArguments` for `IRLETrainer` and the plain Trainer alike.

    The targets of IR+LE are called cells, not labels, so a Trainer must be told their names to compute metrics.

    Example:
        >>> arguments = IRLETrainingArguments("runs/try", metric_for_best_model="mean_medR")
        >>> arguments.greater_is_better, arguments.remove_unused_columns
        (False, False)
    """

    label_names: list[str] | None = setting(lambda: ["image_cells", "text_cells"], "targets that metrics need")


ARGUMENTS = (IRLEArguments, IRLETrainingArguments)  # what `hf-mlm train` parses
