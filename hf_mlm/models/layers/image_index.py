"""Which image of a batch belongs to which sentence."""

from __future__ import annotations

import torch


def image_rows(
    batch_size: int,
    pixel_values: torch.Tensor | None,
    image_index: torch.Tensor | None = None,
    image_mask: torch.Tensor | None = None,
) -> torch.Tensor | None:
    """Give each sentence the row of its image.

    Args:
        batch_size: number of sentences.
        pixel_values: (images, …), each image once; None if no sentence has one.
        image_index: int64 (batch,), which image each sentence has, -1 where none; when omitted, there is an image for
            each sentence.
        image_mask: bool (batch,), False for sentences without an image, whatever their index.

    Returns:
        int64 (batch,), -1 where a sentence has no image; None if there are no images at all.

    Raises:
        ValueError: if there are more or fewer images than sentences and no ``image_index``.

    Example:
        >>> image_rows(2, torch.zeros(2, 3, 8, 8), image_mask=torch.tensor([True, False]))
        tensor([ 0, -1])
    """
    if pixel_values is None or pixel_values.shape[0] == 0:
        return None
    if image_index is None:
        if pixel_values.shape[0] != batch_size:
            raise ValueError(
                f"pixel_values has {len(pixel_values)} images for {batch_size} sentences: pass image_index, which "
                "image each sentence has and -1 where none."
            )
        image_index = torch.arange(batch_size, device=pixel_values.device)
    return image_index if image_mask is None else image_index.masked_fill(~image_mask.bool(), -1)
