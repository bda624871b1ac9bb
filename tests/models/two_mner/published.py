"""2M-NER spelled out from its equations and the behaviour of its published code, word by word and head by head.

Only the encoders' outputs and the weights are taken from the model; the settings choose between paper and code.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch.nn import functional

from hf_mlm.models.two_mner.modeling_two_mner import TwoMNERForTokenClassification


Weights = dict[str, torch.Tensor]


def spell_out(
    model: TwoMNERForTokenClassification, batch: dict[str, torch.Tensor]
) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
    """Scores (words, labels) of each sentence, alignment losses (branches,) and the loss."""
    config, weights = model.config, model.state_dict()
    encoded = model.text_encoder(batch["input_ids"], attention_mask=batch["attention_mask"])
    images = {name: see(batch["pixel_values"]) for name, see in encoders(model).items()}
    scores, log_likelihoods = [], []
    for row, word_ids in enumerate(batch["word_ids"].tolist()):
        words = pool(encoded.last_hidden_state[row], word_ids, config.word_pooling)  # (words, hidden)
        views = [collaborate(words, images[name][0][row], weights, name, config) for name in images]
        joined = torch.cat(views, dim=-1) if views else words
        if config.fusion_size is not None and views:
            joined = linear(joined, weights, "collaboration.fusion")
        scores.append(linear(joined, weights, "head.classifier"))
        labels = [label for label in batch["labels"][row].tolist() if label != -100]
        log_likelihoods.append(log_likelihood(scores[-1], labels, weights))
    sentences = [
        sentence(encoded, batch["attention_mask"], row, config.alignment_text_pooling) for row in range(len(scores))
    ]
    texts = [mlp(vector, weights, "alignment.text") for vector in sentences] if images else []
    aligned = [
        nt_xent(texts, [mlp(vector, weights, f"alignment.images.{name}") for vector in vectors], config.temperature)
        for name, (_, vectors) in images.items()
    ]
    alignment = torch.stack(aligned) if aligned else torch.zeros(0)
    crf = -torch.stack(log_likelihoods).mean()
    return scores, alignment, config.loss_scale * (config.alpha * crf + (1 - config.alpha) * alignment.sum())


def encoders(model: TwoMNERForTokenClassification) -> dict[str, object]:
    """For each branch what makes tokens and a vector of each image."""

    def vit(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        outputs = model.image_encoders["vit"].model(pixels)
        tokens = outputs.last_hidden_state
        flat = model.config.alignment_vit_pooling == "flatten"
        return tokens, tokens.reshape(len(tokens), -1) if flat else outputs.pooler_output

    def resnet(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scale, shift = (
            torch.tensor(v, dtype=pixels.dtype)
            for v in (model.config.resnet_pixel_scale, model.config.resnet_pixel_shift)
        )
        grid = (
            model.image_encoders["resnet"]
            .model(torch.stack([pixels[:, c] * scale[c] + shift[c] for c in range(3)], dim=1))
            .last_hidden_state
        )  # (images, channels, 7, 7)
        pooled = grid.mean(dim=(2, 3))
        positions = [grid[:, :, y, x] for y in range(grid.shape[2]) for x in range(grid.shape[3])]
        return torch.stack([pooled] if model.config.resnet_tokens == "pooled" else positions, dim=1), pooled

    return {name: {"vit": vit, "resnet": resnet}[name] for name in model.config.image_branches}


def pool(hidden: torch.Tensor, word_ids: list[int], how: str) -> torch.Tensor:
    """A vector for each word."""
    if how == "previous":  # the code counts sub-tokens without the special ones and looks them up among all
        counted = [word for word in word_ids if word >= 0]
        return torch.stack([hidden[counted.index(word)] for word in sorted(set(counted))])
    words = []
    for word in sorted({word for word in word_ids if word >= 0}):
        own = [hidden[position] for position, other in enumerate(word_ids) if other == word]
        words.append({"first": own[0], "last": own[-1], "mean": sum(own) / len(own)}[how])
    return torch.stack(words)


def collaborate(words: torch.Tensor, tokens: torch.Tensor, weights: Weights, name: str, config) -> torch.Tensor:
    """Equations 11 to 14, one head at a time; (words, hidden)."""
    block = f"collaboration.blocks.{name}"
    if f"collaboration.projections.{name}.weight" in weights:
        tokens = linear(tokens, weights, f"collaboration.projections.{name}")
    queries = linear(words, weights, f"{block}.key" if config.tie_query_key else f"{block}.query")
    keys, values = linear(tokens, weights, f"{block}.key"), linear(tokens, weights, f"{block}.value")
    size = words.shape[1] // config.collaboration_heads
    heads = []
    for start in range(0, words.shape[1], size):
        part = slice(start, start + size)
        attention = torch.softmax(queries[:, part] @ keys[:, part].T / math.sqrt(size), dim=1)
        heads.append(attention @ values[:, part])
    attended = linear(torch.cat(heads, dim=1), weights, f"{block}.output")
    fused = norm(words + attended, weights, f"{block}.attention_norm")
    if not config.collaboration_ffn:
        return fused
    inner = functional.gelu(linear(fused, weights, f"{block}.ffn.inner"))
    return norm(fused + linear(inner, weights, f"{block}.ffn.outer"), weights, f"{block}.ffn.norm")


def sentence(encoded, mask: torch.Tensor, row: int, how: str) -> torch.Tensor:
    """One vector for a sentence."""
    hidden = encoded.last_hidden_state[row]
    if how == "mean":
        return hidden[: int(mask[row].sum())].mean(dim=0)
    return hidden[0] if how == "cls" else encoded.pooler_output[row]


def nt_xent(texts: list[torch.Tensor], images: list[torch.Tensor], temperature: float) -> torch.Tensor:
    """The pairwise form: each of the 2N views against all others."""
    views, size = texts + images, len(texts)
    terms = []
    for i, view in enumerate(views):
        similar = [torch.exp(functional.cosine_similarity(view, other, dim=0) / temperature) for other in views]
        terms.append(-torch.log(similar[(i + size) % (2 * size)] / sum(s for j, s in enumerate(similar) if j != i)))
    return sum(terms) / (2 * size)


def log_likelihood(scores: torch.Tensor, labels: list[int], weights: Weights) -> torch.Tensor:
    """Equations 15 to 17 by going through all paths."""
    start, end, steps = (
        weights[f"head.crf.{name}"] for name in ("start_transitions", "end_transitions", "transitions")
    )

    def score(path: tuple[int, ...]) -> torch.Tensor:
        total = start[path[0]] + end[path[-1]] + sum(scores[word, tag] for word, tag in enumerate(path))
        return total + sum(steps[a, b] for a, b in itertools.pairwise(path))

    paths = itertools.product(range(scores.shape[1]), repeat=len(scores))
    return score(tuple(labels)) - torch.stack([score(path) for path in paths]).logsumexp(dim=0)


def linear(x: torch.Tensor, weights: Weights, name: str) -> torch.Tensor:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def mlp(x: torch.Tensor, weights: Weights, name: str) -> torch.Tensor:
    return linear(linear(x, weights, f"{name}.hidden").clamp(min=0), weights, f"{name}.output")


def norm(x: torch.Tensor, weights: Weights, name: str) -> torch.Tensor:
    centred = x - x.mean(dim=-1, keepdim=True)
    scaled = centred / torch.sqrt(x.var(dim=-1, unbiased=False, keepdim=True) + 1e-12)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]
