"""Which of several inputs an error is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sized
from contextlib import contextmanager
from typing import Any

from transformers.pipelines.pt_utils import PipelineDataset, PipelineIterator


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
