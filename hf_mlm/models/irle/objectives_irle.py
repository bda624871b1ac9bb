"""What IR+LE is trained on beside the contrastive losses: exchanged pairs and cells."""

from __future__ import annotations

import torch
from torch.nn import functional


UNKNOWN_CELL = -1


def exchange_images(batch_size: int, share: float, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose which rows of a batch get another row's image.

    The published sampler replaces every second image by that of another entity. Here the chosen rows pass their images
    on along one random cycle through the batch, so that none keeps its own.

    Args:
        batch_size: rows of the batch; with a single one there is nobody to exchange with.
        share: share of the rows that get another image, rounded to whole rows.
        device: where the result is needed.

    Returns:
        ``sources`` int64 (batch,), the row whose image each row gets, and ``pair_targets`` float32 (batch,), 1 where
        that is its own and -1 where not.
    """
    cycle = torch.randperm(batch_size, device=device)
    chosen = cycle[: round(share * batch_size) if batch_size > 1 else 0]
    successors = torch.empty_like(cycle).scatter_(0, cycle, cycle.roll(-1))
    pair_targets = torch.ones(batch_size, device=device).index_fill(0, chosen, -1.0)
    own = torch.arange(batch_size, device=device)
    return torch.where(pair_targets > 0, own, successors), pair_targets


def cell_loss(geo_logits: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """Cross-entropy over the rows whose cell is known.

    Args:
        geo_logits: (batch, cells).
        cells: int64 (batch,), `UNKNOWN_CELL` where there is none.

    Returns:
        Scalar mean over the known rows; 0 if there are none.
    """
    total = functional.cross_entropy(geo_logits.float(), cells, ignore_index=UNKNOWN_CELL, reduction="sum")
    return total / (cells != UNKNOWN_CELL).sum().clamp(min=1)
