"""The losses in one process; `TestCommon.test_two_processes_equal_one` of IR+LE compares them with two."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing
from torch.nn import functional

from hf_mlm.models.layers.contrastive import gather_with_gradient, info_nce, nt_xent, own_columns, siglip_loss


def pairs(rows: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    embeds = (torch.randn(rows, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    image, text = (functional.normalize(vectors, dim=1).requires_grad_() for vectors in embeds)
    return image, text


def test_info_nce_is_the_mean_surprise_of_finding_ones_own() -> None:
    image, text = pairs()
    cosines = (image @ text.T).tolist()
    total = 0.0
    for i in range(5):
        row = [math.exp(7 * cosines[i][j]) for j in range(5)]
        column = [math.exp(7 * cosines[j][i]) for j in range(5)]
        total -= math.log(row[i] / sum(row)) + math.log(column[i] / sum(column))
    assert info_nce(image, text, torch.tensor(7.0)).item() == pytest.approx(total / 10)


def test_siglip_asks_of_every_pair_whether_it_belongs_together() -> None:
    image, text = pairs()
    cosines = (image @ text.T).tolist()
    total = sum(
        math.log1p(math.exp(-(1 if i == j else -1) * (7 * cosines[i][j] - 2))) for i in range(5) for j in range(5)
    )
    assert siglip_loss(image, text, torch.tensor(7.0), torch.tensor(-2.0)).item() == pytest.approx(total / 5)


def test_gradients_are_exact() -> None:
    scale, bias = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (3.0, -1.0))
    assert torch.autograd.gradcheck(info_nce, (*pairs(), scale))
    assert torch.autograd.gradcheck(siglip_loss, (*pairs(), scale, bias))


def test_collapsed_embeddings_cost_what_guessing_costs() -> None:
    same = torch.ones(8, 2) / math.sqrt(2)
    assert info_nce(same, same, torch.tensor(100.0)).item() == pytest.approx(math.log(8))


def test_autocast_does_not_round_cosines() -> None:
    image, text = (vectors.detach().float() for vectors in pairs())
    exact = info_nce(image, text, torch.tensor(100.0))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(info_nce(image, text, torch.tensor(100.0)), exact)


def test_one_process_keeps_its_rows() -> None:
    rows = torch.randn(3, 2)
    assert gather_with_gradient(rows) is rows
    assert own_columns(torch.zeros(3, 3)).tolist() == [0, 1, 2]


def pairs_nt_xent(rows: int = 6, size: int = 5, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(rows)
    return [torch.randn(rows, size, generator=generator, dtype=dtype).requires_grad_() for _ in range(2)]


def by_definition(
    texts: torch.Tensor, images: torch.Tensor, temperature: float = 0.5, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean over views of -log(exp(partner) / sum over all other views), one cosine at a time."""
    if mask is not None:
        texts, images = texts[mask], images[mask]
    views, n = [*texts, *images], len(texts)
    total = torch.zeros((), dtype=texts.dtype)
    for i, view in enumerate(views):
        cosines = [functional.cosine_similarity(view, other, dim=0) / temperature for other in views]
        others = torch.stack([cosine for k, cosine in enumerate(cosines) if k != i])
        total -= cosines[(i + n) % (2 * n)] - others.exp().sum().log()
    return total / (2 * n)


@pytest.mark.parametrize("mask", [None, [True, False, True, True, False, True], [False] * 5 + [True]])
@pytest.mark.parametrize("temperature", [0.07, 0.5, 2.0])
def test_loss_and_gradients_equal_the_definition(mask: list[bool] | None, temperature: float) -> None:
    inputs = pairs_nt_xent()
    chosen = None if mask is None else torch.tensor(mask)
    ours, plain = nt_xent(*inputs, temperature, chosen), by_definition(*inputs, temperature, chosen)
    torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-9)
    for one, other in zip(torch.autograd.grad(ours, inputs), torch.autograd.grad(plain, inputs), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_embeddings_of_absent_images_are_never_read() -> None:
    texts, images = pairs_nt_xent(dtype=torch.float32)
    mask = torch.tensor([True, True, False, True, True, True])
    dirty = images.detach().masked_fill(~mask.unsqueeze(1), torch.nan).requires_grad_()
    loss = nt_xent(texts, dirty, mask=mask)
    loss.backward()
    torch.testing.assert_close(loss, nt_xent(texts, images, mask=mask))
    assert dirty.grad.isfinite().all() and texts.grad[2].count_nonzero() == 0


def test_without_any_pair_the_loss_is_zero() -> None:
    inputs = pairs_nt_xent()
    loss = nt_xent(*inputs, mask=torch.zeros(6, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0 and all(embeds.grad.count_nonzero() == 0 for embeds in inputs)


@pytest.mark.parametrize("mask", [None, torch.zeros(0, dtype=torch.bool)])
def test_an_empty_batch_has_no_loss(mask: torch.Tensor | None) -> None:
    nothing = torch.zeros(0, 3, requires_grad=True)
    loss = nt_xent(nothing, nothing, mask=mask)
    loss.backward()
    assert loss.item() == 0 and nothing.grad.shape == (0, 3)


def test_a_learned_temperature_gets_its_gradient() -> None:
    temperature = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(nt_xent, (*pairs_nt_xent(3), temperature))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    half = [embeds.detach().to(dtype) for embeds in pairs_nt_xent()]
    single = [embeds.float() for embeds in half]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(nt_xent(*half), nt_xent(*single))


def test_an_accelerator_is_never_waited_for() -> None:
    """A tensor of the meta device has no values: whatever looked at one, copied it or branched on it, would raise."""
    inputs = [embeds.detach().to("meta").requires_grad_() for embeds in pairs_nt_xent()]
    nt_xent(*inputs, mask=torch.empty(6, dtype=torch.bool, device="meta")).backward()
    assert all(embeds.grad.shape == embeds.shape for embeds in inputs)


def one_of_two(rank: int, folder: str) -> None:
    """Score half of the pairs in a process of its own and save its loss and gradients."""
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    inputs = [embeds.detach().chunk(2)[rank].requires_grad_() for embeds in pairs_nt_xent()]
    loss = nt_xent(*inputs, mask=torch.tensor([True, True, False, True, True, True]).chunk(2)[rank])
    torch.save((loss, torch.autograd.grad(loss, inputs)), f"{folder}/{rank}.pt")
    distributed.barrier()
    distributed.destroy_process_group()


@pytest.mark.heavy
@pytest.mark.skipif(not distributed.is_available(), reason="this torch has no torch.distributed")
def test_mean_over_two_processes_is_the_loss_of_one(tmp_path: Path) -> None:
    multiprocessing.spawn(one_of_two, (str(tmp_path),), nprocs=2)
    (first, first_gradients), (second, second_gradients) = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    inputs = pairs_nt_xent()
    loss = nt_xent(*inputs, mask=torch.tensor([True, True, False, True, True, True]))
    torch.testing.assert_close((first + second) / 2, loss)
    for whole, *halves in zip(torch.autograd.grad(loss, inputs), first_gradients, second_gradients, strict=True):
        torch.testing.assert_close(torch.cat(halves) / 2, whole)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"image_embeds": torch.zeros(5, 5)}, r"of one shape \(N, size\), got \(6, 5\) and \(5, 5\)"),
        ({"mask": torch.ones(6)}, r"mask must be bool \(6,\), got torch.float32 of \(6,\)"),
        ({"mask": torch.ones(5).bool()}, r"mask must be bool \(6,\), got torch.bool of \(5,\)"),
        ({"temperature": 0.0}, "temperature must be positive, got 0.0"),
    ],
)
def test_bad_input_gets_a_sentence(changes: dict[str, object], sentence: str) -> None:
    texts, images = pairs_nt_xent()
    with pytest.raises(ValueError, match=sentence):
        nt_xent(**{"text_embeds": texts, "image_embeds": images, **changes})
