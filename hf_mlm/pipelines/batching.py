"""What all pipelines of the package share: inputs prepared one by one and answered in batches."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

from torch.utils.data import DataLoader
from transformers.pipelines.base import Pipeline

from hf_mlm.pipelines.numbering import prepared


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
