"""From settings and a dataset's columns to a processor and a model."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any, cast

import transformers
from datasets import Dataset, DatasetDict
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer, PreTrainedTokenizerFast

from hf_mlm.models.irle import IRLEConfig, IRLEForRetrievalAndGeo, IRLEProcessor
from hf_mlm.training.arguments import IRLEArguments
from hf_mlm.training.cells import cell_map
from hf_mlm.training.settings import refuse_unknown


IMAGE_SIZE = 224  # of an encoder that does not tell


def has_features(rows: Dataset) -> bool:
    """Whether rows hold precomputed features rather than images and texts."""
    return "image_features" in rows.column_names


def build_processor(arguments: IRLEArguments, rows: Dataset) -> IRLEProcessor | None:
    """Bring together the image processor and the tokenizer of the encoders.

    Args:
        arguments: ``image_encoder``, ``text_encoder``, ``image_processor``, ``tokenizer`` and ``vocabulary_size``.
        rows: training rows, whose summaries and classes a new tokenizer learns from.

    Returns:
        None for rows of precomputed features, which need no processing.

    Raises:
        ValueError: if rows are raw and an encoder is not named.
    """
    if has_features(rows):
        return None
    for name in ("image_encoder", "text_encoder"):
        if not getattr(arguments, name):
            raise ValueError(
                f"the dataset {arguments.dataset!r} has raw images and texts, and {name} is not set: name the folder "
                "of a transformers model, or give a configuration such as {model_type: bert, hidden_size: 128}."
            )
    folder = arguments.tokenizer or (arguments.text_encoder if isinstance(arguments.text_encoder, str) else None)
    if folder:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    else:
        tokenizer = learn_tokenizer(_texts(rows), arguments.vocabulary_size)
    return IRLEProcessor(_image_processor(arguments), tokenizer)


def build_model(
    arguments: IRLEArguments, dataset: DatasetDict, processor: IRLEProcessor | None = None
) -> IRLEForRetrievalAndGeo:
    """Build the model that fits a dataset: widths or encoders, cells, and what ``arguments.model`` asks for.

    Args:
        arguments: ``model``, ``reference`` and the encoders.
        dataset: all splits; ``train`` tells the widths, and ``geo_cell`` the cells.
        processor: of raw rows.

    Raises:
        ValueError: if a setting of ``arguments.model`` is unknown or wrong, or the geo task is asked for where no row
            has a cell.
    """
    asked = cast(dict[str, Any], arguments.model)
    refuse_unknown(asked, {field.name for field in dataclasses.fields(IRLEConfig)}, "model")
    inputs = _input_settings(arguments, dataset["train"], processor)
    settings = {**inputs, **cell_map(dataset), **asked}
    config = IRLEConfig.reference(**settings) if arguments.reference else IRLEConfig(**settings)
    if "geo" in config.tasks and "num_geo_cells" not in settings:
        raise ValueError(
            f"the rows of {arguments.dataset!r} have no cells to learn: train retrieval alone, with "
            "--model.tasks '[retrieval]'."
        )
    model = IRLEForRetrievalAndGeo(config)
    for name in ("image_encoder", "text_encoder"):
        folder, encoder = getattr(arguments, name), getattr(model, name)
        if isinstance(folder, str) and encoder is not None:
            encoder.load_state_dict(type(encoder).from_pretrained(folder).state_dict())
    return model


def learn_tokenizer(texts: Iterable[str], vocabulary_size: int) -> PreTrainedTokenizerFast:
    """Learn byte-pair pieces of lower-cased words; the same texts give the same tokenizer in every process.

    Args:
        texts: to learn from.
        vocabulary_size: at most so many entries.

    Example:
        >>> tokenizer = learn_tokenizer(["Cork is a city", "Galway is a city"], 60)
        >>> tokenizer.convert_ids_to_tokens(tokenizer("a City")["input_ids"])
        ['[CLS]', 'a', 'city', '[SEP]']
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size, special_tokens=list(special.values()), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    ends = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def _texts(rows: Dataset) -> Iterator[str]:
    for row in rows.select_columns(["summaries", "classes"]):
        yield from (text for text in row["summaries"].values() if text)
        yield ", ".join(row["classes"])


def _input_settings(arguments: IRLEArguments, rows: Dataset, processor: IRLEProcessor | None) -> dict[str, Any]:
    if processor is not None:
        text = _encoder_config(arguments.text_encoder)
        if not isinstance(arguments.text_encoder, str):
            text.vocab_size, text.pad_token_id = len(processor.tokenizer), processor.tokenizer.pad_token_id
        return {"image_encoder_config": _encoder_config(arguments.image_encoder), "text_encoder_config": text}
    columns = {name: rows.features[name] for name in rows.column_names if name.endswith("_features")}
    widths = {f"{name.removesuffix('s')}_size": column.feature.length for name, column in columns.items()}
    classes = "class_features" in columns and any(len(found) for found in rows["class_features"])
    return {**{name: width for name, width in widths.items() if width > 0}, "use_classes": classes}


def _encoder_config(encoder: dict | str | None) -> Any:
    """The configuration in a folder, or the one described; of a whole CLIP and its like, the vision part."""
    if isinstance(encoder, str):
        config = AutoConfig.from_pretrained(encoder)
        return getattr(config, "vision_config", config)
    described = dict(encoder or {})
    if "model_type" not in described:
        raise ValueError(f"the encoder {described} needs a model_type, such as resnet or bert, or name its folder.")
    return AutoConfig.for_model(described.pop("model_type"), **described)


def _image_processor(arguments: IRLEArguments) -> Any:
    settings, encoder = arguments.image_processor, arguments.image_encoder
    if settings is None and isinstance(encoder, str):
        settings = encoder
    if isinstance(settings, str):
        return AutoImageProcessor.from_pretrained(settings)
    side = getattr(_encoder_config(encoder), "image_size", IMAGE_SIZE)
    described = {"size": {"height": side, "width": side}, **(settings or {})}
    kind = described.pop("image_processor_type", "ViTImageProcessor").removesuffix("Pil")
    return getattr(transformers, f"{kind}Pil")(**described)
