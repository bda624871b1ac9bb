"""Pixels and token ids for IR+LE from images, summaries and class names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import BatchFeature, ProcessorMixin

from hf_mlm.models.base.images import to_rgb


CLASS_SEPARATOR = ", "


class IRLEProcessor(ProcessorMixin):
    """An image processor and a tokenizer in one.

    Args:
        image_processor: one of transformers' image processors, of which the Pillow ones are enough.
        tokenizer: the text encoder's tokenizer.
        max_length: tokens of a summary, and of a row of classes, beyond which they are cut.
    """

    class_separator = CLASS_SEPARATOR  # between the names of a row's classes

    def __init__(self, image_processor: Any, tokenizer: Any, max_length: int = 128, **kwargs: Any):
        super().__init__(image_processor, tokenizer, **kwargs)
        self.max_length = max_length

    def __call__(
        self,
        images: Any = None,
        text: str | Sequence[str] | None = None,
        classes: str | Sequence[str] | Sequence[Sequence[str]] | None = None,
        return_tensors: str | None = "pt",
        text_kwargs: Mapping[str, Any] | None = None,
        images_kwargs: Mapping[str, Any] | None = None,
        common_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Prepare one row or a batch; every argument may be left out.

        Args:
            images: one image or a list, each in a form that `hf_mlm.models.base.images.to_rgb` takes.
            text: one summary or a list.
            classes: class names of each row, as a list of names or joined by ", ". Beside a single ``text`` a list of
                names is that row's; otherwise it has one entry a row.
            return_tensors: "pt" for tensors, "np" for arrays.
            text_kwargs: given by libraries that call any processor by modality, such as sentence-transformers: texts
                then go without classes. Summaries are padded and cut as everywhere.
            images_kwargs: likewise, handed to the image processor.
            common_kwargs: likewise; ``return_tensors`` is read.
            **kwargs: handed to the image processor.

        Returns:
            ``pixel_values`` (batch, 3, height, width), ``input_ids`` and ``attention_mask`` (batch, tokens),
            ``class_input_ids`` and ``class_attention_mask`` (batch, tokens), as far as asked for.

        Raises:
            ValueError: if nothing is given, or an image cannot be read.
            FileNotFoundError: if an image's path leads nowhere.
        """
        data: dict[str, Any] = {}
        if text_kwargs is not None:  # called by modality
            return_tensors = (common_kwargs or {}).get("return_tensors", return_tensors)
            kwargs = dict(images_kwargs or {})
            classes = None if text is None else [""] * len(text)
        if images is not None:
            pictures = [to_rgb(image, f"image {row}") for row, image in enumerate(_as_list(images))]
            data |= self.image_processor(pictures, return_tensors=return_tensors, **kwargs)
        if text is not None:
            data |= self._tokenize([text] if isinstance(text, str) else list(text), return_tensors)
        if classes is not None:
            rows: Any = [classes] if isinstance(classes, str) or isinstance(text, str) else classes
            names = [row if isinstance(row, str) else CLASS_SEPARATOR.join(row) for row in rows]
            data |= {f"class_{name}": values for name, values in self._tokenize(names, return_tensors).items()}
        if not data:
            raise ValueError("there is nothing to process: pass images, text or classes.")
        return BatchFeature(data)

    @property
    def model_input_names(self) -> list[str]:
        """Names of the model's arguments that the processor makes."""
        return ["pixel_values", "input_ids", "attention_mask", "class_input_ids", "class_attention_mask"]

    def _tokenize(self, texts: list[str], return_tensors: str | None) -> dict[str, Any]:
        encoded = self.tokenizer(
            texts, padding=True, truncation=True, max_length=self.max_length, return_tensors=return_tensors
        )
        return {name: encoded[name] for name in ("input_ids", "attention_mask")}


def _as_list(images: Any) -> list[Any]:
    return list(images) if isinstance(images, (list, tuple)) else [images]
