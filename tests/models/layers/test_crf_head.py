from __future__ import annotations

import itertools

import pytest
import torch

from hf_mlm.models.layers.crf import TaggingHead


NAMES = ["O", "B-X", "I-X"]
WORDS = torch.tensor([[True, False, True, True], [False, True, False, False], [False] * 4])
LABELS = torch.tensor([[1, -100, 2, 0], [-100, 0, -100, -100], [-100] * 4])


def head(kind: str = "crf", constrained: bool = True) -> TaggingHead:
    torch.manual_seed(0)
    return TaggingHead(5, NAMES, kind=kind, constrained=constrained).eval()


def paths(tagger: TaggingHead, logits: torch.Tensor) -> dict[tuple[int, ...], torch.Tensor]:
    """Score of every path over (words, labels)."""
    crf = tagger.crf
    scores = {}
    for path in itertools.product(range(3), repeat=len(logits)):
        steps = sum(crf.transitions[a, b] for a, b in itertools.pairwise(path)) if crf else 0
        ends = crf.start_transitions[path[0]] + crf.end_transitions[path[-1]] if crf else 0
        scores[path] = ends + steps + sum(logits[word, tag] for word, tag in enumerate(path))
    return scores


@pytest.mark.parametrize("kind", ["crf", "softmax"])
def test_loss_and_probabilities_are_those_of_all_paths(kind: str) -> None:
    tagger, hidden = head(kind), torch.randn(3, 4, 5)
    logits = tagger(hidden)
    probabilities, losses = tagger.probabilities(logits, WORDS), []
    for row in range(2):
        scores = paths(tagger, logits[row, WORDS[row]])
        partition = torch.stack(list(scores.values())).logsumexp(0)
        losses.append(partition - scores[tuple(LABELS[row, WORDS[row]].tolist())])
        for number, position in enumerate(WORDS[row].nonzero().flatten()):
            for label in range(3):
                passing = torch.stack([score for path, score in scores.items() if path[number] == label]).logsumexp(0)
                torch.testing.assert_close(probabilities[row, position, label], (passing - partition).exp())
    torch.testing.assert_close(tagger.loss(logits, LABELS), sum(losses) / 3)  # the third sentence counts 0
    assert (probabilities[~WORDS] == 0).all()


@pytest.mark.parametrize(("kind", "constrained"), [("crf", True), ("crf", False), ("softmax", True)])
def test_the_best_path_is_decoded_where_words_are(kind: str, constrained: bool) -> None:
    tagger, generator = head(kind, constrained), torch.Generator().manual_seed(1)
    logits = torch.randn(3, 4, 3, generator=generator) + torch.tensor([0.0, 0.0, 2.0])
    decoded = tagger.decode(logits, WORDS)
    assert torch.equal(decoded == -100, ~WORDS)
    for row in range(2):
        scores = paths(tagger, logits[row, WORDS[row]])
        if kind == "crf" and constrained:
            scores = {p: s for p, s in scores.items() if all(b != 2 or a for a, b in itertools.pairwise((0, *p)))}
        assert decoded[row, WORDS[row]].tolist() == list(max(scores, key=lambda path: scores[path]))


def test_a_batch_without_labels_has_a_loss_of_0_and_gradients_that_are_finite() -> None:
    for kind in ("crf", "softmax"):
        tagger = head(kind)
        loss = tagger.loss(tagger(torch.randn(2, 3, 5)), torch.full((2, 3), -100))
        loss.backward()
        assert loss == 0 and all(torch.isfinite(p.grad).all() for p in tagger.parameters())


@pytest.mark.parametrize("label", [3, -1])
@pytest.mark.parametrize("kind", ["crf", "softmax"])
def test_a_label_that_the_head_has_not_gets_a_sentence(kind: str, label: int) -> None:
    with pytest.raises(ValueError, match=rf"a label {label}, and the model has 3|tags must be 0 to 2.*got {label} at"):
        head(kind).loss(torch.zeros(1, 2, 3), torch.tensor([[0, label]]))
