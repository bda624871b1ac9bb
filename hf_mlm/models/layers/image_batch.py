"""Which image of a batch belongs to which sentence."""

from __future__ import annotations

from collections.abc import Callable

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


def as_regions(
    pixel_values: torch.Tensor, region_mask: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Read images as one region each where they do not come as regions.

    Args:
        pixel_values: (images, regions, 3, height, width), or (images, 3, height, width).
        region_mask: bool (images, regions), False where there is no region; all are there when omitted.

    Returns:
        ``pixel_values`` of (images, regions, 3, height, width), and the mask, bool (images, regions).

    Raises:
        ValueError: if shapes are others or disagree.

    Example:
        >>> pixels, mask = as_regions(torch.zeros(2, 3, 8, 8))
        >>> tuple(pixels.shape), tuple(mask.shape)
        ((2, 1, 3, 8, 8), (2, 1))
    """
    pixels = pixel_values.unsqueeze(1) if pixel_values.dim() == 4 else pixel_values
    if pixels.dim() != 5 or (region_mask is not None and region_mask.shape != pixels.shape[:2]):
        masked = "" if region_mask is None else f" with a region_mask of {tuple(region_mask.shape)}"
        raise ValueError(
            "pixel_values must be (images, 3, height, width) or (images, regions, 3, height, width), with a "
            f"region_mask of (images, regions), and is {tuple(pixel_values.shape)}{masked}."
        )
    if region_mask is None:
        return pixels, torch.ones(pixels.shape[:2], dtype=torch.bool, device=pixels.device)
    return pixels, region_mask.bool()


def see_regions(
    pixel_values: torch.Tensor, region_mask: torch.Tensor, see: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Encode the regions that are there, and no others, which would count in batch statistics.

    Args:
        pixel_values: (images, regions, 3, height, width).
        region_mask: bool (images, regions).
        see: makes (n, …) of n regions (n, 3, height, width).

    Returns:
        (images, regions, …), 0 where no region is.
    """
    seen = see(pixel_values[region_mask])  # (regions that are there, …)
    features = seen.new_zeros(*region_mask.shape, *seen.shape[1:])
    return features.index_put((region_mask,), seen)
