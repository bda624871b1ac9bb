"""The losses that IR+LE is trained on (MLM paper, Section 5.1)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hf_mlm.geo.density import unit_vectors
from hf_mlm.geo.distance import EARTH_RADIUS_KM
from hf_mlm.models.irle.cells_irle import ABSENT, UNKNOWN_CELL, GeoCells, coarse_groups
from hf_mlm.models.irle.configuration_irle import IRLEConfig
from hf_mlm.models.layers.contrastive import info_nce, siglip_loss
from hf_mlm.models.layers.loss_weighting import LogVarianceWeighting


LARGEST_SCALE = 100.0  # of the learned inverse temperature, as in CLIP


class Losses(NamedTuple):
    """Scalars; None for a task that is not trained or, outside training, has no targets.

    Args:
        loss: the tasks together.
        retrieval_loss: unweighted.
        geo_loss: unweighted: that of the images plus that of the texts.
    """

    loss: torch.Tensor | None = None
    retrieval_loss: torch.Tensor | None = None
    geo_loss: torch.Tensor | None = None


class IRLEObjective(nn.Module):
    """Retrieval loss, geo loss and their sum, with the parameters that are learned for them.

    Args:
        config: tells the tasks, the losses, their weights and how images are swapped.
    """

    def __init__(self, config: IRLEConfig):
        super().__init__()
        self.config = config
        retrieves, locates = "retrieval" in config.tasks, "geo" in config.tasks
        in_batch = retrieves and config.retrieval_loss != "cosine_embedding"
        self.logit_scale = nn.Parameter(torch.zeros(())) if in_batch else None
        self.logit_bias = nn.Parameter(torch.zeros(())) if retrieves and config.retrieval_loss == "siglip" else None
        self.cell_loss = CellLoss(config) if locates else None
        learned = config.loss_weighting == "log_variance" and retrieves and locates
        self.weighting = LogVarianceWeighting([True, False]) if learned else None

    def forward(
        self,
        image: Any,
        text: Any,
        image_cells: torch.Tensor | None = None,
        text_cells: torch.Tensor | None = None,
        pair_targets: torch.Tensor | None = None,
    ) -> Losses:
        """Compare images and texts with each other and with their cells.

        Swapped images matter to the losses alone, so they are swapped here, among embeddings.

        Args:
            image: ``embeds`` (batch, size) and ``geo_logits`` (batch, cells) of the images.
            text: the same of the texts.
            image_cells: int64 (batch,), -1 where unknown, -100 without an image.
            text_cells: int64 (batch,), -1 where unknown, -100 without a text.
            pair_targets: (batch,) of 1, of 0 where either is absent, and of -1 for swapped images.
        """
        embeds, logits = image.embeds, image.geo_logits
        complete = pair_targets is None
        if self.training and self._swaps and (pair_targets is None or not (pair_targets < 0).any()):
            rows = embeds if embeds is not None else logits
            sources, pair_targets = swap_pairs(len(rows), self.config.negative_share, rows.device, pair_targets)
            embeds = embeds[sources] if embeds is not None else None
            logits = logits[sources] if logits is not None and self._learns_text_cell else logits
        retrieval_loss = None if embeds is None else self._retrieval_loss(embeds, text.embeds, pair_targets, complete)
        geo_loss = None
        if self.cell_loss is not None and self._has_cells(image_cells, text_cells):
            image_loss = self.cell_loss(logits, text_cells if self._learns_text_cell else image_cells)
            geo_loss = image_loss + self.cell_loss(text.geo_logits, text_cells)
        return Losses(self._total(retrieval_loss, geo_loss), retrieval_loss, geo_loss)

    @property
    def _learns_text_cell(self) -> bool:
        return self.config.swapped_image_target == "text"

    @property
    def _swaps(self) -> bool:
        pairs = "retrieval" in self.config.tasks or self._learns_text_cell
        return self.config.retrieval_loss == "cosine_embedding" and pairs

    def _retrieval_loss(
        self,
        image_embeds: torch.Tensor,
        text_embeds: torch.Tensor,
        pair_targets: torch.Tensor | None,
        complete: bool,
    ) -> torch.Tensor:
        if self.logit_scale is None:
            if pair_targets is None:
                pair_targets = image_embeds.new_ones(len(image_embeds))
            if complete:
                return functional.cosine_embedding_loss(image_embeds, text_embeds, pair_targets, self.config.margin)
            losses = functional.cosine_embedding_loss(
                image_embeds, text_embeds, pair_targets, self.config.margin, reduction="none"
            )  # (batch,), 0 where the target is 0
            return losses.sum() / (pair_targets != 0).sum().clamp(min=1)
        if pair_targets is not None and (pair_targets < 0).any():
            raise ValueError(
                f"retrieval_loss={self.config.retrieval_loss!r} takes every other row as a negative and no "
                "pair_targets: leave them out, or configure retrieval_loss='cosine_embedding'."
            )
        paired = None if pair_targets is None else pair_targets > 0  # (batch,)
        scale = self.logit_scale.float().exp().clamp(max=LARGEST_SCALE)
        if self.logit_bias is None:
            return info_nce(image_embeds, text_embeds, scale, paired)
        return siglip_loss(image_embeds, text_embeds, scale, self.logit_bias.float(), paired)

    def _has_cells(self, image_cells: torch.Tensor | None, text_cells: torch.Tensor | None) -> bool:
        complete = image_cells is not None and text_cells is not None
        if self.training and not complete:
            raise ValueError(
                "the geo task trains on image_cells and text_cells, int64 (batch,), and the batch lacks them: pass "
                "both, or configure tasks=('retrieval',)."
            )
        return complete

    def _total(self, retrieval_loss: torch.Tensor | None, geo_loss: torch.Tensor | None) -> torch.Tensor | None:
        """Weigh the tasks; the one loss itself where there is one task, None where a task lacks its targets."""
        if len(self.config.tasks) == 1:
            return retrieval_loss if geo_loss is None else geo_loss
        if retrieval_loss is None or geo_loss is None:
            return None
        if self.weighting is not None:
            return self.weighting([retrieval_loss, geo_loss])
        weights = self.config.loss_weights if self.config.loss_weighting == "fixed" else (1.0, 1.0)
        return weights[0] * retrieval_loss + weights[1] * geo_loss


def swap_pairs(
    batch_size: int, share: float, device: torch.device, pair_targets: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Swap images among the rows that have both image and text, as `swap_images` does among all.

    Args:
        batch_size: rows of the batch.
        share: of the pairs that get another image.
        device: where the result is needed.
        pair_targets: (batch,) of 1 and, for incomplete rows, 0; all are complete when None.
    """
    if pair_targets is None:
        return swap_images(batch_size, share, device)
    pairs = (pair_targets > 0).nonzero()[:, 0]
    sources, targets = swap_images(len(pairs), share, device)
    own = torch.arange(batch_size, device=device)
    return own.index_put((pairs,), pairs[sources]), pair_targets.float().index_put((pairs,), targets)


def swap_images(batch_size: int, share: float, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose which rows of a batch get another row's image.

    The published sampler replaces every second image by that of another entity. Here the chosen rows pass their images
    on along one random cycle through the batch, so that none keeps its own.

    Args:
        batch_size: rows of the batch; with a single one there is nobody to swap with.
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


class CellLoss(nn.Module):
    r"""Cross-entropy of cells, with smoothed targets and coarser levels where the configuration asks for them.

    With smoothing, cell i's target is proportional to :math:`e^{-d_i / \tau}`, where :math:`d_i` is the great-circle
    distance of its place to that of the true cell (Haas et al. 2024, with cells in place of exact places). Each
    coarser level adds the cross-entropy of its cells, whose probability is the sum over the fine ones within.

    Args:
        config: tells ``geo_label_smoothing_km``, ``hierarchy_levels`` and the cells.
    """

    centers: torch.Tensor

    def __init__(self, config: IRLEConfig):
        super().__init__()
        self.config = config
        for name, values in self.maps().items():  # follow from the configuration, so checkpoints leave them out
            self.register_buffer(name, values, persistent=False)

    def maps(self) -> dict[str, torch.Tensor]:
        """Buffers that follow from the cells: ``centers`` (cells, 3) and ``groups`` (levels, cells)."""
        maps = {}
        if self.config.geo_label_smoothing_km is not None:
            cells = GeoCells.from_config(self.config)
            maps["centers"] = torch.from_numpy(unit_vectors(cells.latitudes, cells.longitudes)).float()
        if self.config.hierarchy_levels and self.config.cell_tokens:
            groups = [coarse_groups(self.config.cell_tokens, level) for level in self.config.hierarchy_levels]
            maps["groups"] = torch.from_numpy(np.stack(groups))
        return maps

    def _apply(self, *args: Any, **kwargs: Any) -> CellLoss:
        """Follow the model to its device, but not to half precision, in which places would be kilometres off."""
        super()._apply(*args, **kwargs)
        if "centers" in self._buffers:
            self.centers = self.maps()["centers"].to(self.centers.device)
        return self

    def forward(self, geo_logits: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
        """Average over the rows whose cell is known.

        Args:
            geo_logits: (batch, cells).
            cells: int64 (batch,), `UNKNOWN_CELL` or -100 where there is none.

        Returns:
            Scalar; 0 if no cell is known.

        Raises:
            ValueError: on CPU, if a cell is none of the configuration's.
        """
        _check_cells(cells, geo_logits.shape[1])
        known = cells > UNKNOWN_CELL
        log_probs = geo_logits.float().log_softmax(dim=-1)  # (batch, cells)
        targets = cells.clamp(min=0)
        losses = self._fine(log_probs, targets)  # (batch,)
        for groups in getattr(self, "groups", ()):
            outside = groups != groups[targets, None]  # (batch, cells)
            losses = losses - log_probs.masked_fill(outside, -torch.inf).logsumexp(dim=-1)
        return (losses * known).sum() / known.sum().clamp(min=1)

    def _fine(self, log_probs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if self.config.geo_label_smoothing_km is None:
            return -log_probs.gather(1, targets[:, None])[:, 0]
        chords = torch.cdist(self.centers[targets], self.centers, compute_mode="donot_use_mm_for_euclid_dist")
        distances = 2 * EARTH_RADIUS_KM * (chords / 2).clamp(max=1).asin()  # (batch, cells) km
        weights = (-distances / self.config.geo_label_smoothing_km).softmax(dim=-1)
        return -(weights * log_probs).sum(dim=-1)


def _check_cells(cells: torch.Tensor, count: int) -> None:
    if cells.device.type != "cpu" or torch.compiler.is_compiling():
        return
    wrong = (cells >= count) | ((cells < UNKNOWN_CELL) & (cells != ABSENT))
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise ValueError(
            f"cells must be 0 to {count - 1}, or {UNKNOWN_CELL} where there is none, got {int(cells[row])} at row "
            f"{row}: configure num_geo_cells, or the cells themselves, as the dataset has them."
        )
