"""The loss of location estimation over S2 cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from hf_mlm.geo.distance import EARTH_RADIUS_KM
from hf_mlm.models.irle.cells_irle import GeoCells, coarse_groups, unit_vectors
from hf_mlm.models.irle.configuration_irle import IRLEConfig


UNKNOWN_CELL = -1


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
        """What the loss has to know of the earth: ``centers`` (cells, 3) and ``groups`` (levels, cells)."""
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
            cells: int64 (batch,), `UNKNOWN_CELL` where there is none.

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
    wrong = (cells >= count) | (cells < UNKNOWN_CELL)
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise ValueError(
            f"cells must be 0 to {count - 1}, or {UNKNOWN_CELL} where there is none, got {int(cells[row])} at row "
            f"{row}: configure num_geo_cells, or the cells themselves, as the dataset has them."
        )
