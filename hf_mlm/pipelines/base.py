"""Images of pipelines, which may lie at an address."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from typing import Any

from PIL import Image
from torch.utils.data import DataLoader
from transformers import image_utils
from transformers.pipelines.base import Pipeline
from transformers.pipelines.pt_utils import PipelineDataset, PipelineIterator

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


def prepared(inputs: Any, process: Callable[..., Any], settings: Mapping[str, Any]) -> Any:
    """Prepare inputs one by one, as they are asked for; of several, an error says which it was.

    Args:
        inputs: a sequence, or a generator, which is not read ahead.
        process: prepares one of them.
        settings: of ``process``.

    Returns:
        a dataset for a ``DataLoader``.

    Example:
        >>> prepared(["1", "two"], int, {})[1]
        Traceback (most recent call last):
        ValueError: input 1 (counted from 0): invalid literal for int() with base 10: 'two'
    """
    if not isinstance(inputs, Sized):
        return _NumberedIterator(inputs, process, settings)
    return (_NumberedDataset if len(inputs) > 1 else PipelineDataset)(inputs, process, settings)


class _NumberedDataset(PipelineDataset):
    """Inputs by position."""

    def __getitem__(self, i: int) -> Any:
        with _numbered(i):
            return super().__getitem__(i)


class _NumberedIterator(PipelineIterator):
    """Inputs one after the other."""

    def __iter__(self) -> Any:
        self._number = -1
        return super().__iter__()

    def __next__(self) -> Any:
        self._number += 1
        with _numbered(self._number):
            return super().__next__()


@contextmanager
def _numbered(number: int) -> Iterator[None]:
    """Put the number of the input before what is wrong with it."""
    try:
        yield
    except (OSError, ValueError) as error:
        kind = next(kind for kind in (FileNotFoundError, OSError, ValueError) if isinstance(error, kind))
        raise kind(f"input {number} (counted from 0): {error}") from error


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


class BatchingPipeline(Pipeline):
    """Answers one input, or each of a list or generator; the answers do not depend on the size of the batches.

    Subclasses say how one input is prepared (``preprocess``), how the model runs over several (``_collate`` and
    ``_forward``), and what comes of it: ``postprocess`` takes a batch of prepared inputs with the model's outputs, and
    gives an answer for each.
    """

    _load_processor = None  # so that a model without one gets the subclass's sentence
    _load_image_processor = False
    _load_feature_extractor = False
    _load_tokenizer = False

    def __call__(self, inputs: Any, **kwargs: Any) -> Any:
        """Answer one input, or each of several; see the class."""
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
        """Give the answer to each input, in their order; a generator is read no further than the batch needs."""
        items = prepared(inputs, self.preprocess, preprocess_params)
        for batch in DataLoader(items, batch_size, num_workers=num_workers, collate_fn=list):
            outputs = self.forward(self._collate(batch), **forward_params)
            yield from self.postprocess((batch, outputs), **postprocess_params)

    def run_single(self, inputs: Any, *params: dict[str, Any]) -> Any:
        """Answer one input."""
        return next(iter(self.get_iterator([inputs], 0, 1, *params)))

    @abstractmethod
    def _collate(self, batch: Sequence[Any]) -> dict[str, Any]:
        """Arguments of ``_forward`` for several prepared inputs together."""
