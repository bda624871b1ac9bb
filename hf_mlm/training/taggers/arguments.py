"""Settings of a training run of a tagger: data and model, and optimisation beside `TrainingArguments`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hf_mlm.data.words import Rule
from hf_mlm.runs.settings import changed_fields, mapping, setting
from hf_mlm.training.irle.arguments import RunArguments


ImageRule = Literal["own", "shuffled", "blank", "none"]
ENCODERS = ("text_encoder", "vit", "resnet")


@dataclass
class NERArguments:
    """Data and model of a run; every field is a key of a recipe and a flag of ``hf-mlm train two-mner``.

    ``given`` holds the fields that differ from their defaults.

    Raises:
        ValueError: if what must be a mapping is none, or a number is outside its range.
    """

    model_type: str = setting("crf_tagger", "which tagger; the command names it")
    dataset: str = setting("demo", "configuration of the dataset mmnerd: demo, en, de, fr, es, all, or a pair: en+de")
    data_dir: str | None = setting(None, "folder of MMNERD's files; demo needs none")
    data_files: dict | str | None = setting(
        dict, "other CoNLL files instead: {train: FILE, …}, or for several languages {en: {train: FILE, …}, de: …}"
    )
    dataset_options: dict | str | None = setting(dict, "further settings of the dataset, such as {repair: true}")
    split_ratios: list[float] | None = setting(
        None, "where files give train alone: shares of train, validation and test, images kept together"
    )
    split_seed: int = setting(0, "of that split, of subsamples, folds and of shuffled images")
    max_train_sentences: int | None = setting(None, "at most so many training sentences of each language")
    max_eval_sentences: int | None = setting(None, "at most so many validation and test sentences of each language")
    fold: int | None = setting(None, "leave this fold of the training sentences out, from 0 on (2M-NER, Table 8)")
    folds: int = setting(5, "folds, no image in two of them")
    images: ImageRule = setting("own", "each sentence's own image; for controls: shuffled, blank or none")
    model: dict | str | None = setting(dict, "settings of the model's configuration, such as {alpha: 0.8}")
    reference: bool = setting(False, "two-mner: start from TwoMNERConfig.reference(), the published code's behaviour")
    text_encoder: dict | str | None = setting(None, "folder of a text model, or its configuration")
    vit: dict | str | None = setting(None, "folder of a vision transformer, or its configuration")
    text_layers: int | None = setting(None, "first layers of the text encoder that are used; all when omitted")
    vit_layers: int | None = setting(None, "first layers of the vision transformer that are used; all when omitted")
    resnet: dict | str | None = setting(None, "folder of a convolutional network, .pth file, or its configuration")
    image_processor: dict | str | None = setting(None, "folder or settings; that of the image encoder when omitted")
    tokenizer: str | None = setting(None, "folder; the text encoder's, or one learned on the sentences")
    vocabulary_size: int = setting(16000, "entries of a tokenizer learned on the training sentences")
    word_vectors: str | None = setting(
        None, "word-level taggers: file of GloVe, fastText or safetensors, or use for multilingual sub-word vectors"
    )
    min_count: int = setting(1, "word-level taggers: how often a word must occur in training to be known")
    regions: str = setting("whole", "umgf, mkgformer: whole, a grid such as 2x2, or a file of boxes")
    num_regions: int = setting(4, "umgf, mkgformer: boxes of an image that are taken from a file at most")
    word_splitter: Rule | None = setting(
        None, "how texts become words: unicode, characters, mmnerd or whitespace; chosen by the training sentences"
    )
    max_length: int | None = setting(None, "sub-tokens of a row; longer sentences become several rows")
    freeze: list[str] | None = setting(None, "parts to leave as they are, such as text_encoder.embeddings")

    def __post_init__(self) -> None:
        for name in ("data_files", "dataset_options", "model"):
            setattr(self, name, mapping(name, getattr(self, name)))
        for name in (*ENCODERS, "image_processor"):
            value = getattr(self, name)
            if isinstance(value, str) and value.startswith("{"):
                setattr(self, name, mapping(name, value))
        if self.fold is not None and not 0 <= self.fold < self.folds:
            raise ValueError(f"fold={self.fold} must lie in [0, {self.folds}): there are folds={self.folds}.")
        self.given = changed_fields(self)


@dataclass
class NERTrainingArguments(RunArguments):
    """`RunArguments` for `TaggerTrainer`: learning rates of parts, rows of like length, and metrics batch by batch.

    The plain ``Trainer``, which knows neither of the first two, takes rows in random order, raw ones as well.

    Example:
        >>> NERTrainingArguments("runs/try", learning_rates={"head": 1e-3}).batch_eval_metrics
        True
    """

    learning_rates: dict | str | None = setting(
        dict, "learning rates of parts, such as {head: 1e-3, head.crf: 1e-2}; the rest takes learning_rate"
    )
    train_sampling_strategy: str = setting(
        "bucket_by_length", "batches of sentences of like length (default), random, or sequential"
    )
    batch_eval_metrics: bool = setting(True, "count entities batch by batch, so that memory does not grow")

    def __post_init__(self) -> None:
        self.learning_rates = mapping("learning_rates", self.learning_rates)
        super().__post_init__()


ARGUMENTS = (NERArguments, NERTrainingArguments)  # what `hf-mlm train` parses
