"""Base of the pipelines: inputs in batches with their errors, and images, which may lie at an address."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset
from transformers import image_utils
from transformers.pipelines.base import Pipeline

from hf_mlm.models.base.images import to_rgb


def open_image(image: Any, timeout: float | None = None) -> Image.Image:
    """Open an image as `to_rgb` does, or fetch it as transformers does where it is an address.

    Args:
        image: in any form that `to_rgb` takes, or a string that begins with http:// or https://.
        timeout: seconds to wait for an address; no end when None.

    Raises:
        ValueError: if it is no image.
        OSError: if it is not there, or what the address gives is no image.
    """
    if not (isinstance(image, str) and image.startswith(("http://", "https://"))):
        return to_rgb(image)
    try:
        return to_rgb(image_utils.load_image(image, timeout))
    except (image_utils.httpx.HTTPError, OSError) as error:  # of the client that transformers fetches with
        raise OSError(f"{image} gives no image ({error}): check the address, or pass a file.") from error


def check_whole(text: str) -> None:
    r"""Refuse a text that no tokenizer can read.

    Args:
        text: of any length.

    Raises:
        ValueError: if it holds half a character, as one does that was cut within an emoji.

    Example:
        >>> check_whole("Sligo \ud83d")
        Traceback (most recent call last):
        ValueError: the text has half a character, '\ud83d', at 6 (from 0): cut it before or after the whole one.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"the text has half a character, {text[error.start]!a}, at {error.start} (from 0): cut it before or after "
            "the whole one."
        ) from error


@dataclass(frozen=True)
class Failure:
    """An input that cannot be answered, and the sentence that says so."""

    message: str


OnError = Literal["raise", "skip"]


@dataclass(frozen=True)
class _Preparer:
    """Prepares inputs; of several, an error says which it was, counted from 0."""

    process: Callable[..., Any]
    settings: Mapping[str, Any]
    several: bool
    on_error: OnError

    def __call__(self, numbered: tuple[int, Any]) -> Any:
        number, item = numbered
        try:
            return self.process(item, **self.settings)
        except (OSError, ValueError) as error:
            message = f"input {number} (counted from 0): {error}" if self.several else str(error)
            if self.on_error == "skip":
                return Failure(message)
            kind = next(kind for kind in (FileNotFoundError, OSError, ValueError) if isinstance(error, kind))
            raise kind(message) from error


class _Listed(Dataset):
    """Prepared inputs by position."""

    def __init__(self, inputs: Any, prepare: _Preparer):
        self.inputs, self.prepare = inputs, prepare

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, number: int) -> Any:
        return self.prepare((number, self.inputs[number]))


class _Streamed(IterableDataset):
    """Prepared inputs one after the other, read no further than they are asked for."""

    def __init__(self, inputs: Any, prepare: _Preparer):
        self.inputs, self.prepare = inputs, prepare

    def __iter__(self) -> Iterator[Any]:
        return map(self.prepare, enumerate(self.inputs))


def settings_before(timeout: float | None, on_error: OnError | None) -> dict[str, Any]:
    """Settings of ``preprocess``, as far as they are given.

    Raises:
        ValueError: if ``on_error`` is another.
    """
    if on_error not in (None, "raise", "skip"):
        raise ValueError(f"Expected on_error to be 'raise' or 'skip', found {on_error!r}.")
    given = {"timeout": timeout, "on_error": on_error}
    return {name: value for name, value in given.items() if value is not None}


class BatchingPipeline(Pipeline):
    """Answers one input, or each of a list or generator; the answers do not depend on the size of the batches.

    Subclasses say how one input is prepared (``preprocess``), how the model runs over several (``_collate`` and
    ``_forward``), and what comes of it: ``postprocess`` takes a batch of prepared inputs with the model's outputs, and
    gives an answer for each. With ``on_error="skip"`` among the settings of ``preprocess``, an input that cannot be
    read is answered by ``{"error": sentence}``, and the others are answered all the same.
    """

    _load_processor = None  # so that a model without one gets the subclass's sentence
    _load_image_processor = False
    _load_feature_extractor = False
    _load_tokenizer = False
    batches_ahead = 1  # that are prepared together, for `_answers` to arrange

    def __call__(self, inputs: Any, **kwargs: Any) -> Any:
        """Answer one input, or each of several; see the class."""
        if isinstance(inputs, Iterator) or hasattr(inputs, "column_names"):
            inputs = (item for item in inputs)  # the one form of them that transformers takes
        return [] if isinstance(inputs, list) and not inputs else super().__call__(inputs, **kwargs)

    def get_iterator(
        self,
        inputs: Any,
        num_workers: int,
        batch_size: int,
        preprocess_params: dict[str, Any],
        forward_params: dict[str, Any],
        postprocess_params: dict[str, Any],
    ) -> Iterator[Any]:
        """Give the answer to each input, in their order; a generator is read no further than the batches need."""
        settings = dict(preprocess_params)
        on_error, sized = settings.pop("on_error", "raise"), isinstance(inputs, Sized)
        prepare = _Preparer(self.preprocess, settings, not sized or len(inputs) > 1, on_error)
        items = _Listed(inputs, prepare) if sized else _Streamed(inputs, prepare)
        ahead = batch_size * (self.batches_ahead if batch_size > 1 else 1)
        workers = num_workers if sized else min(num_workers, 1)
        for batch in DataLoader(items, ahead, num_workers=workers, collate_fn=list):
            readable = [item for item in batch if not isinstance(item, Failure)]
            answers = self._answers(readable, batch_size, forward_params, postprocess_params) if readable else iter(())
            yield from ({"error": item.message} if isinstance(item, Failure) else next(answers) for item in batch)

    def run_single(self, inputs: Any, *params: dict[str, Any]) -> Any:
        """Answer one input."""
        return next(iter(self.get_iterator([inputs], 0, 1, *params)))

    def _answers(
        self, items: list[Any], batch_size: int, forward_params: dict[str, Any], postprocess_params: dict[str, Any]
    ) -> Iterator[Any]:
        """Answer prepared inputs, in their order."""
        outputs = self.forward(self._collate(items), **forward_params)
        return iter(self.postprocess((items, outputs), **postprocess_params))

    @abstractmethod
    def _collate(self, batch: Sequence[Any]) -> dict[str, Any]:
        """Arguments of ``_forward`` for several prepared inputs together."""
