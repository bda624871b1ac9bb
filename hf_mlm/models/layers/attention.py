"""Words looking at an image: the collaboration block of 2M-NER (Equations 11-14)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class CrossModalBlock(nn.Module):
    """Cross attention from words to image tokens, then a feed-forward layer, each added to the words and normalised.

    T~ = LN(T + MHA(T, V, V)) and LN(T~ + FFN(T~)), computed by ``scaled_dot_product_attention``. Words of a row
    without an image pass through unchanged.

    Args:
        hidden_size: size of a word and of an image token.
        num_heads: attention heads; they divide ``hidden_size``.
        dropout: probability, on attention weights and on both sub-layers.
        use_ffn: the published code has no feed-forward layer (Equation 14).
        tie_query_key: the published code projects queries and keys (Equation 11) by one and the same matrix.
        layer_norm_eps: epsilon of both normalisations.

    Raises:
        ValueError: if ``hidden_size`` is not a multiple of ``num_heads``.

    Example:
        >>> block = CrossModalBlock(8, num_heads=2).eval()
        >>> words, image_tokens = torch.randn(2, 5, 8), torch.randn(2, 49, 8)
        >>> block(words, image_tokens, image_mask=torch.tensor([True, False])).shape
        torch.Size([2, 5, 8])
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int = 12,
        dropout: float = 0.1,
        use_ffn: bool = True,
        tie_query_key: bool = False,
        layer_norm_eps: float = 1e-12,
    ) -> None:
        super().__init__()
        if hidden_size % num_heads != 0:
            raise ValueError(f"hidden_size must be a multiple of num_heads={num_heads}, got {hidden_size}.")
        self.num_heads = num_heads
        self.dropout = dropout
        self.key = nn.Linear(hidden_size, hidden_size)
        self.query = None if tie_query_key else nn.Linear(hidden_size, hidden_size)
        self.value = nn.Linear(hidden_size, hidden_size)
        self.output = nn.Linear(hidden_size, hidden_size)
        self.attention_norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.ffn = FeedForward(hidden_size, dropout, layer_norm_eps) if use_ffn else None

    def forward(
        self,
        words: torch.Tensor,
        image_tokens: torch.Tensor,
        image_mask: torch.Tensor | None = None,
        key_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Fuse words with the image of their sentence.

        Args:
            words: (batch, words, hidden_size); so is the result.
            image_tokens: (batch, tokens, hidden_size); one token, such as a pooled vector, is enough.
            image_mask: bool (batch,), False where the sentence has no image; its tokens are then never read.
            key_mask: bool (batch, tokens), False for tokens to leave out; a row without any token has no image.

        Raises:
            ValueError: if shapes disagree or a mask is not bool.
        """
        _check_shapes(words, image_tokens, image_mask, key_mask)
        present, keys = _present(image_mask, key_mask)
        if present is not None:
            image_tokens = image_tokens.masked_fill(~present.view(-1, 1, 1), 0)
        fused = self.attention_norm(words + self._attend(words, image_tokens, keys))
        if self.ffn is not None:
            fused = self.ffn(fused)
        return fused if present is None else torch.where(present.view(-1, 1, 1), fused, words)

    def _attend(self, words: torch.Tensor, image_tokens: torch.Tensor, keys: torch.Tensor | None) -> torch.Tensor:
        queries = self.key(words) if self.query is None else self.query(words)
        attended = functional.scaled_dot_product_attention(
            self._heads(queries),  # (batch, heads, words, head size)
            self._heads(self.key(image_tokens)),  # (batch, heads, tokens, head size)
            self._heads(self.value(image_tokens)),
            attn_mask=None if keys is None else keys[:, None, None],  # (batch, 1, 1, tokens)
            dropout_p=self.dropout if self.training else 0.0,
        )
        attended = attended.transpose(1, 2).flatten(2)  # (batch, words, hidden)
        return functional.dropout(self.output(attended), self.dropout, self.training)

    def _heads(self, values: torch.Tensor) -> torch.Tensor:
        return values.unflatten(2, (self.num_heads, -1)).transpose(1, 2)


class FeedForward(nn.Module):
    """LN(x + W2 GELU(W1 x)) with four times the width inside (Equation 14)."""

    def __init__(self, hidden_size: int, dropout: float, layer_norm_eps: float) -> None:
        super().__init__()
        self.inner = nn.Linear(hidden_size, 4 * hidden_size)
        self.outer = nn.Linear(4 * hidden_size, hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Transform (batch, words, hidden_size)."""
        return self.norm(words + self.dropout(self.outer(functional.gelu(self.inner(words)))))


def _present(
    image_mask: torch.Tensor | None, key_mask: torch.Tensor | None
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Rows that have an image, and the tokens to attend to: all of them in the other rows, where none is read."""
    if key_mask is None:
        return image_mask, None
    present = key_mask.any(1) if image_mask is None else key_mask.any(1) & image_mask
    return present, key_mask | ~present.unsqueeze(1)


def _check_shapes(
    words: torch.Tensor,
    image_tokens: torch.Tensor,
    image_mask: torch.Tensor | None,
    key_mask: torch.Tensor | None,
) -> None:
    batch, _, hidden = words.shape
    if image_tokens.dim() != 3 or image_tokens.shape[0] != batch or image_tokens.shape[2] != hidden:
        shape = tuple(image_tokens.shape)
        raise ValueError(f"image_tokens must be (batch={batch}, tokens, hidden_size={hidden}), got the shape {shape}.")
    expected = {"image_mask": (image_mask, (batch,)), "key_mask": (key_mask, tuple(image_tokens.shape[:2]))}
    for name, (mask, shape) in expected.items():
        if mask is not None and (mask.dtype != torch.bool or tuple(mask.shape) != shape):
            raise ValueError(f"{name} must be bool of the shape {shape}, got {mask.dtype} of {tuple(mask.shape)}.")
