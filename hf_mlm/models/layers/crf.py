"""Linear-chain conditional random field (Lafferty et al. 2001), and the taggers' head (2M-NER, Equations 15-17)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from hf_mlm.models.layers.crf_likelihood import compiled_kernels, log_likelihood, on_host, tag_marginals
from hf_mlm.models.layers.crf_viterbi import viterbi, viterbi_numpy, viterbi_scan


IGNORED = -100


class LinearChainCRF(nn.Module):
    """Scores of tag sequences with start, end and first-order transition scores.

    float16 and bfloat16 emissions are computed in float32. On CPU the values are checked, and Numba is used where it
    is installed; elsewhere nothing waits for the device, so bad values give the device's own errors or NaN, and
    transition scores count as at most 120 away from 0. Gradients are analytic, and of first order only: asking for a
    graph of them (``create_graph=True``) raises ``RuntimeError``.

    Args:
        num_tags: number of tags.
        constraints: label names in the order of the tags; ``decode`` then keeps to IOB2, training does not.

    Raises:
        ValueError: if ``num_tags`` is not positive, or ``constraints`` are not ``num_tags`` IOB2 names.

    Example:
        >>> crf = LinearChainCRF(3, constraints=["O", "B-PER", "I-PER"])
        >>> emissions = torch.tensor([[[0.0, 0.0, 9.0], [0.0, 0.0, 9.0]], [[9.0, 0.0, 0.0], [0.0, 0.0, 0.0]]])
        >>> mask = torch.tensor([[True, True], [True, False]])
        >>> crf.decode(emissions, mask)
        tensor([[   1,    2],
                [   0, -100]])
        >>> loss = -crf(emissions, crf.decode(emissions, mask), mask).mean()
    """

    def __init__(self, num_tags: int, constraints: Sequence[str] | None = None) -> None:
        super().__init__()
        if num_tags < 1:
            raise ValueError(f"num_tags must be at least 1, got {num_tags}.")
        if constraints is not None and len(constraints) != num_tags:
            raise ValueError(f"constraints must name each of the {num_tags} tags, got {len(constraints)} names.")
        self.num_tags = num_tags
        self.start_transitions = nn.Parameter(torch.empty(num_tags))
        self.end_transitions = nn.Parameter(torch.empty(num_tags))
        self.transitions = nn.Parameter(torch.empty(num_tags, num_tags))
        self.allowed = None if constraints is None else iob2_allowed(constraints)
        self._placed: dict[torch.device, tuple[torch.Tensor, ...]] = {}  # ``allowed`` on each device that asked for it
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every transition score from U(-0.1, 0.1)."""
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)

    def extra_repr(self) -> str:
        """What ``repr`` shows."""
        return f"num_tags={self.num_tags}"

    @torch.compiler.disable
    def forward(self, emissions: torch.Tensor, tags: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Log-likelihood of the tags given the emissions.

        Args:
            emissions: (batch, length, num_tags) floating point.
            tags: (batch, length) int64 in [0, num_tags) where ``mask`` is True, anything (-100) elsewhere.
            mask: (batch, length) bool, False at positions that are no words, which are left out wherever they stand.

        Returns:
            (batch,) log-likelihoods, 0 for a row without words; float32, or float64 for float64 emissions.

        Raises:
            ValueError: if shapes disagree or ``mask`` is not bool; on CPU also if a tag under the mask is out of range
                or an emission under the mask is not finite.
        """
        emissions, mask = self._checked(emissions, mask)
        _check_tags(tags, mask, self.num_tags)
        order = _left_alignment(mask)
        if order is not None:
            emissions, tags, mask = _reorder(emissions, order), tags.gather(1, order), mask.gather(1, order)
        return log_likelihood(emissions, mask, *self._scores(), tags)

    def decode(self, emissions: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Tags of the best path, without gradient, computed on the device of the emissions; it can be exported.

        The arguments, and what is raised, are those of ``forward``.

        Returns:
            (batch, length) int64, -100 where ``mask`` is False.
        """
        emissions = emissions.detach()
        if not torch.compiler.is_exporting():
            return self._decode(emissions, mask)
        emissions = _from_half(emissions)
        mask = emissions.new_ones(emissions.shape[:2], dtype=torch.bool) if mask is None else mask
        scores = self._decoding_scores(emissions.dtype)
        return viterbi_scan(emissions, mask, *scores).masked_fill(~mask, IGNORED)

    @torch.no_grad()
    @torch.compiler.disable
    def marginals(self, emissions: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Probability of each tag at each word, summed over all paths; unconstrained and without gradient.

        The arguments, and what is raised, are those of ``forward``.

        Returns:
            (batch, length, num_tags), float32 or float64; rows sum to 1 under the mask and are 0 elsewhere.
        """
        emissions, mask = self._checked(emissions, mask)
        order = _left_alignment(mask)
        if order is not None:
            emissions, mask = _reorder(emissions, order), mask.gather(1, order)
        marginals = tag_marginals(emissions, mask, *self._scores())
        if order is None:
            return marginals
        return torch.empty_like(marginals).scatter_(1, order.unsqueeze(2).expand_as(marginals), marginals)

    @torch.compiler.disable
    def _decode(self, emissions: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        emissions, mask = self._checked(emissions, mask)
        tags = torch.full_like(mask, IGNORED, dtype=torch.int64)
        if mask.numel() == 0:
            return tags
        scores = self._decoding_scores(emissions.dtype)
        here = on_host(emissions)
        kernels = compiled_kernels() if here else None
        if kernels is not None:
            kernels.viterbi(emissions, mask, *scores, tags)
            return tags
        search = viterbi_numpy if here else viterbi
        order = _left_alignment(mask)
        if order is None:
            return search(emissions, mask, *scores).where(mask, tags)
        path = search(_reorder(emissions, order), mask.gather(1, order), *scores)
        return torch.empty_like(path).scatter_(1, order, path).where(mask, tags)

    def _scores(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.start_transitions, self.transitions, self.end_transitions

    def _decoding_scores(self, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        scores = [score.detach() for score in self._scores()]
        start, transitions, end = scores if scores[0].dtype == dtype else [score.to(dtype) for score in scores]
        if self.allowed is not None:
            first, following = self._allowed_on(start.device)
            start, transitions = start.where(first, -torch.inf), transitions.where(following, -torch.inf)
        return start, transitions, end

    def _allowed_on(self, device: torch.device) -> tuple[torch.Tensor, ...]:
        """What ``iob2_allowed`` says, brought to a device once, as that waits for the device."""
        placed = {} if torch.compiler.is_exporting() else self._placed  # what is traced must not stay
        if device not in placed:
            placed[device] = tuple(torch.tensor(allowed, device=device) for allowed in self.allowed or ())
        return placed[device]

    def _checked(self, emissions: torch.Tensor, mask: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Emissions in the precision of the computation, and the mask, after a look at both."""
        if emissions.dim() != 3 or emissions.shape[2] != self.num_tags:
            shape = tuple(emissions.shape)
            raise ValueError(f"emissions must be (batch, length, num_tags={self.num_tags}), got the shape {shape}.")
        if mask is None:
            mask = torch.ones(emissions.shape[:2], dtype=torch.bool, device=emissions.device)
        _check_mask(mask, emissions)
        _check_finite(emissions, mask)
        return _from_half(emissions), mask


def _from_half(emissions: torch.Tensor) -> torch.Tensor:
    return emissions.float() if emissions.dtype in (torch.float16, torch.bfloat16) else emissions


def _left_alignment(mask: torch.Tensor) -> torch.Tensor | None:
    """Positions (batch, length) that bring each row's words together at its left; None where they are there."""
    if on_host(mask) and not (mask[:, 1:] > mask[:, :-1]).any():
        return None
    return torch.argsort((~mask).byte(), dim=1, stable=True)


def _reorder(emissions: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    return emissions.gather(1, order.unsqueeze(2).expand_as(emissions))


def _check_mask(mask: torch.Tensor, emissions: torch.Tensor) -> None:
    if mask.shape != emissions.shape[:2]:
        expected, shape = tuple(emissions.shape[:2]), tuple(mask.shape)
        raise ValueError(f"mask must be {expected}, the batch and length of emissions, got the shape {shape}.")
    if mask.dtype != torch.bool:
        raise ValueError(f"mask must be bool, got {mask.dtype}; pass mask.bool() if 1 marks words.")


def _check_finite(emissions: torch.Tensor, mask: torch.Tensor) -> None:
    """Refuse emissions that are not finite under the mask; one sum tells that all is well."""
    if not on_host(emissions) or math.isfinite(emissions.sum().item()):
        return
    bad = (~emissions.isfinite().all(2) & mask).nonzero()
    if len(bad) > 0:
        row, position = bad[0].tolist()
        raise ValueError(
            f"emissions must be finite where mask is True, got {emissions[row, position].tolist()} at row {row}, "
            f"position {position} ({len(bad)} such words); to forbid a tag, give it -1e4."
        )


def _check_tags(tags: torch.Tensor, mask: torch.Tensor, num_tags: int) -> None:
    if tags.shape != mask.shape:
        expected, shape = tuple(mask.shape), tuple(tags.shape)
        raise ValueError(f"tags must be {expected}, the batch and length of emissions, got the shape {shape}.")
    if not on_host(tags):
        return
    low, high = tags.where(mask, 0).aminmax() if mask.numel() > 0 else (0, 0)
    if low < 0 or high >= num_tags:
        bad = (((tags < 0) | (tags >= num_tags)) & mask).nonzero()
        row, position = bad[0].tolist()
        raise ValueError(
            f"tags must be 0 to {num_tags - 1} where mask is True, got {tags[row, position]} at row {row}, position "
            f"{position} ({len(bad)} such words); set mask to False where a label is to be ignored."
        )


def iob2_allowed(label_names: Sequence[str]) -> tuple[list[bool], list[list[bool]]]:
    """Tell which tags may come first and which may follow which: I-X only after B-X or I-X.

    Args:
        label_names: "O", "B-X" and "I-X" in the order of the tags.

    Returns:
        (tags,) which may come first, and (tags, tags) whether the column's tag may follow the row's.

    Raises:
        ValueError: if a name is not of IOB2, or an "I-X" is there without its "B-X".

    Example:
        >>> first, following = iob2_allowed(["O", "B-PER", "I-PER"])
        >>> first, following[0], following[1]
        ([True, True, False], [True, True, False], [True, True, True])
    """
    for name in label_names:
        if name != "O" and name[:2] not in ("B-", "I-"):
            raise ValueError(f"label name {name!r} is not of IOB2, which knows 'O', 'B-X' and 'I-X'.")
        if name.startswith("I-") and f"B-{name[2:]}" not in label_names:
            raise ValueError(f"label name {name!r} has no 'B-{name[2:]}' beside it, so that no entity could begin.")
    first = [not name.startswith("I-") for name in label_names]
    return first, [[_may_follow(name, previous) for name in label_names] for previous in label_names]


def _may_follow(name: str, previous: str) -> bool:
    return not name.startswith("I-") or previous in (f"B-{name[2:]}", name)


class TaggingHead(nn.Module):
    """Dropout, a linear layer that scores the labels, and a CRF over the words or a softmax at each word.

    Everything is on the sub-token axis; a mask says at which sub-tokens words are, and the CRF sees those alone.

    Args:
        hidden_size: width of the word vectors.
        label_names: in the order of their ids.
        dropout: drop probability of the word vectors.
        kind: ``"crf"`` or ``"softmax"``.
        constrained: whether the CRF decodes IOB2 alone.
    """

    def __init__(
        self,
        hidden_size: int,
        label_names: Sequence[str],
        dropout: float = 0.1,
        kind: Literal["crf", "softmax"] = "crf",
        constrained: bool = True,
    ):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(hidden_size, len(label_names))
        self.crf = LinearChainCRF(len(label_names), label_names if constrained else None) if kind == "crf" else None

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Score the labels: (batch, tokens, hidden) to (batch, tokens, labels)."""
        return self.classifier(self.dropout(hidden_states))

    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of the labels: summed over a sentence, mean over sentences.

        Args:
            logits: (batch, tokens, labels).
            labels: int64 (batch, tokens), -100 where there is nothing to learn.

        Returns:
            float32 scalar; a sentence without labels counts 0.

        Raises:
            ValueError: on CPU, if a label is none of the head's.
        """
        if self.crf is not None:
            return -self.crf(logits, labels, labels != IGNORED).mean()
        wrong = (labels >= logits.shape[2]) | ((labels < 0) & (labels != IGNORED))
        if labels.device.type == "cpu" and bool(wrong.any()):
            raise ValueError(
                f"there is a label {int(labels[wrong][0])}, and the model has {logits.shape[2]}, from 0 on."
            )
        loss = functional.cross_entropy(logits.float().transpose(1, 2), labels, reduction="none")  # (batch, tokens)
        return loss.sum(dim=1).mean()

    @torch.no_grad()
    def decode(self, logits: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Choose a label for each word: int64 (batch, tokens), -100 where the bool mask ``words`` has none."""
        if self.crf is not None:
            return self.crf.decode(logits, words)
        return logits.argmax(dim=-1).masked_fill(~words, IGNORED)

    @torch.no_grad()
    def probabilities(self, logits: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Probability of each label at each word: the CRF's marginals, or the softmax.

        Returns:
            float32 (batch, tokens, labels), 0 where the bool mask ``words`` has none.
        """
        if self.crf is not None:
            return self.crf.marginals(logits, words)
        return logits.float().softmax(dim=-1) * words.unsqueeze(-1)
