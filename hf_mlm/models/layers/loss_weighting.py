"""Weights of several tasks' losses, learned with the model."""

from __future__ import annotations

import torch
from torch import nn


class LogVarianceWeighting(nn.Module):
    r"""Weigh losses by learned variances (Kendall et al. 2018; MLM paper, Section 5.1.3).

    With one log variance :math:`s_k` a task, the total is the mean over tasks of
    :math:`c_k e^{-s_k} L_k + s_k / 2`, where :math:`c_k` is 1/2 for a regression and 1 for a classification. All
    start at 0, so the first weights are :math:`c_k` divided by the number of tasks.

    Args:
        is_regression: for each task, whether its loss is a regression's.

    Example:
        >>> weighting = LogVarianceWeighting([True, False])
        >>> weighting([torch.tensor(1.0), torch.tensor(2.0)]).item()
        1.25
    """

    def __init__(self, is_regression: list[bool]):
        super().__init__()
        self.scales = [0.5 if regression else 1.0 for regression in is_regression]
        self.log_vars = nn.Parameter(torch.zeros(len(is_regression)))

    def forward(self, losses: list[torch.Tensor]) -> torch.Tensor:
        """Combine one scalar loss a task into one scalar."""
        terms = [
            scale * torch.exp(-log_var) * loss + log_var / 2
            for scale, log_var, loss in zip(self.scales, self.log_vars, losses, strict=True)
        ]
        return torch.stack(terms).mean()
