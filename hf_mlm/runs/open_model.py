"""Opening of saved models: the one way in for evaluation, inference, export, publishing and the app."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mlm.registry import MODELS, load


if TYPE_CHECKING:
    from transformers import PreTrainedModel, ProcessorMixin

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
_FAMILIES = {"irle": "an 'irle' model", "taggers": "a tagger"}
_WHOLE = "take config.json and the weights from the same training"


def open_model(
    folder: str | os.PathLike[str], kind: str | None = None, *, allow_partial: bool = False
) -> tuple[PreTrainedModel, ProcessorMixin | None]:
    """Open a model that was saved by training, with its processor.

    Nothing is guessed: weights that are missing, left over or of another shape are refused, and so are pickles and
    configurations that ask for code of their own. ``from_pretrained`` of the Auto classes warns instead.

    Args:
        folder: with ``config.json``, ``model.safetensors`` and, unless the model reads features, its processor.
        kind: a ``model_type`` or a family of `hf_mlm.registry.MODELS` (``"taggers"``) that it must be of.
        allow_partial: whether weights that are missing or of another shape are drawn at random and those left over
            are passed by, each told in a warning: for a model that is to be trained further.

    Returns:
        The model in evaluation mode, and its processor; None for an IR+LE that reads precomputed features.

    Raises:
        FileNotFoundError: if there is no such folder, or no configuration or weights in it.
        ValueError: if it is another kind of model, or weights, configuration or processor are damaged or do not fit
            each other.
    """
    folder = Path(folder)
    found = check_kind(folder, kind)
    _refuse_code(folder)
    _refuse_pickles(folder)
    with _damage_told(folder / "config.json", "copy it from the training again"):
        config = load(MODELS[found].config).from_pretrained(folder)
    model = _open_weights(load(MODELS[found].model), config, folder, allow_partial)
    reads_features = found == "irle" and not (config.image_encoder_config or config.text_encoder_config)
    return model.eval(), None if reads_features else open_processor(folder)


def check_kind(folder: str | os.PathLike[str], kind: str | None = None) -> str:
    """Read the ``model_type`` of a saved model, if it is one of the package's.

    Args:
        folder: where it was saved.
        kind: a ``model_type`` or a family that it must be of.

    Raises:
        FileNotFoundError: if there is no such folder, or no configuration in it.
        ValueError: if the configuration is damaged, or of another kind.
    """
    found = saved_type(Path(folder))
    entry = MODELS.get(found)
    if entry is not None and kind in (None, found, entry.family):
        return found
    wanted = _FAMILIES.get(kind or "") or (f"a {kind!r} model" if kind else f"a model of hf_mlm ({', '.join(MODELS)})")
    raise ValueError(f"Expected {wanted} in {os.fspath(folder)}, found {found!r}.")


def saved_type(folder: Path, name: str | None = None) -> str:
    """Read ``model_type`` from a folder's ``config.json``, whatever library knows it.

    Args:
        folder: where a model was saved.
        name: of the model in an error; the folder when omitted.

    Raises:
        FileNotFoundError: if there is no such folder, or no configuration in it.
        ValueError: if the configuration is damaged or tells no type.
    """
    name = name or str(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {name!r}: name the output_dir of a finished training.")
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{name} has no config.json: name the output_dir of a training.")
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["model_type"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is not the configuration of a model ({error!r}).") from error


def open_processor(folder: str | os.PathLike[str]) -> ProcessorMixin:
    """Open the processor that was saved beside a model.

    Args:
        folder: with ``processor_config.json`` and what else the processor has.

    Raises:
        ValueError: if it is absent, damaged, or asks for code of its own.
    """
    from transformers import AutoProcessor, ProcessorMixin

    needed = "copy processor_config.json, tokenizer.json and tokenizer_config.json from the training"
    with _damage_told(Path(folder), needed, "the processor in {} cannot be opened"):
        processor = AutoProcessor.from_pretrained(folder, trust_remote_code=False)
        if not isinstance(processor, ProcessorMixin):
            raise ValueError("there is no processor_config.json")
    return processor


def _refuse_code(folder: Path) -> None:
    """Refuse configurations that would have their own code run, of the model or of an encoder inside it."""
    for path in sorted(folder.glob("*config.json")):
        if '"auto_map"' in path.read_text(encoding="utf-8", errors="replace"):
            raise ValueError(
                f"{path} asks for code of its own (auto_map), which is never run: take auto_map out, or open the "
                "model by the library that it was written with."
            )


def _refuse_pickles(folder: Path) -> None:
    """Refuse a folder whose weights, or those that its index names, are anything but safetensors beside it."""
    if (folder / WEIGHTS).is_file():
        return
    index = folder / INDEX
    if not index.is_file():
        raise FileNotFoundError(f"{folder} has no {WEIGHTS}, and pickled weights are not opened: convert them first.")
    with _damage_told(index, "copy it from the training again"):
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    for shard in sorted(shards, key=str):
        if not isinstance(shard, str) or Path(shard).name != shard or not shard.endswith(".safetensors"):
            raise ValueError(f"{index} names {shard!r}, and only .safetensors files beside it are opened.")
        if not (folder / shard).is_file():
            raise FileNotFoundError(f"{folder} has no {shard}, which {INDEX} names: copy it from the training.")


def _open_weights(model_class: Any, config: Any, folder: Path, allow_partial: bool) -> PreTrainedModel:
    """Load the weights, each of which is there and has the shape that the configuration calls for."""
    with _damage_told(folder, "copy them from the training again", "the weights in {} are damaged or do not fit"):
        model, report = model_class.from_pretrained(
            folder, config=config, output_loading_info=True, ignore_mismatched_sizes=True, use_safetensors=True
        )
    if allow_partial:
        return model
    faults = [
        *(
            f"{name} has shape {tuple(found)} and {tuple(wanted)} is called for"
            for name, found, wanted in sorted(report["mismatched_keys"])
        ),
        *(f"there is no {name}" for name in sorted(report["missing_keys"])),
        *(f"{name} belongs to no part of the model" for name in sorted(report["unexpected_keys"])),
    ]
    if faults:
        more = f" (and {len(faults) - 1:,} more)" if len(faults) > 1 else ""
        raise ValueError(f"the weights in {folder} do not fit its config.json: {faults[0]}{more}; {_WHOLE}.")
    return model


@contextmanager
def _damage_told(path: Path, remedy: str, sentence: str = "{} cannot be read") -> Iterator[None]:
    """Turn whatever a library raises over a damaged file into one sentence with a remedy."""
    try:
        yield
    except (FileNotFoundError, MemoryError):
        raise
    except Exception as error:  # transformers, tokenizers and safetensors raise whatever their parsers come upon
        reason = " ".join(str(error.__cause__ or error).split()) or type(error).__name__
        raise ValueError(f"{sentence.format(path)} ({reason}): {remedy}.") from error
