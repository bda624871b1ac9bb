"""The conditional random field against enumeration of every path, pytorch-crf and finite differences."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.models.layers import crf as crf_module
from hf_mlm.models.layers import crf_likelihood
from hf_mlm.models.layers.crf import LinearChainCRF, iob2_allowed


@pytest.fixture(params=["compiled", "plain", "accelerator"], autouse=True)
def kernels(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run every test with Numba's kernels, without them, and on what an accelerator would run, but here."""
    if request.param == "compiled":
        pytest.importorskip("numba")
        yield request.param
        return
    with pytest.MonkeyPatch.context() as patch:
        for module in (crf_module, crf_likelihood):
            patch.setattr(module, "compiled_kernels", lambda: None)
            if request.param == "accelerator":
                patch.setattr(module, "on_host", lambda values: False)
        yield request.param


def random_case(
    seed: int, batch: int, length: int, tags: int, scale: float = 1.0, dtype: torch.dtype = torch.float64
) -> tuple[LinearChainCRF, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A field, emissions, tags (-100 outside the mask) and a mask with gaps; row 0 is full, row 1 has no word."""
    generator = torch.Generator().manual_seed(seed)
    crf = LinearChainCRF(tags).to(dtype)
    for parameter in crf.parameters():
        parameter.data.normal_(0, 2, generator=generator)
    emissions = scale * torch.randn(batch, length, tags, generator=generator, dtype=dtype)
    mask = torch.rand(batch, length, generator=generator) < 0.7
    mask[0], mask[1:2] = True, False
    gold = torch.randint(0, tags, (batch, length), generator=generator).masked_fill(~mask, -100)
    return crf, emissions, gold, mask


def path_scores(crf: LinearChainCRF, words: torch.Tensor) -> dict[tuple[int, ...], float]:
    """Score of every tag sequence over one sentence's words (length, tags), added up one term at a time."""
    start, table, end = crf.start_transitions.tolist(), crf.transitions.tolist(), crf.end_transitions.tolist()
    rows = words.tolist()
    scores = {}
    for path in itertools.product(range(crf.num_tags), repeat=len(rows)):
        score = start[path[0]] + end[path[-1]] + sum(row[tag] for row, tag in zip(rows, path, strict=True))
        scores[path] = score + sum(table[left][right] for left, right in itertools.pairwise(path))
    return scores


def log_sum_exp(values: list[float]) -> float:
    return torch.tensor(values, dtype=torch.float64).logsumexp(0).item()


cases = st.tuples(
    st.integers(0, 2**16), st.integers(1, 4), st.integers(1, 5), st.integers(1, 4), st.sampled_from([0.0, 1, 40, 1e4])
)


@given(cases)
def test_likelihood_marginals_and_best_path_equal_enumeration(case: tuple[int, int, int, int, float]) -> None:
    crf, emissions, gold, mask = random_case(*case)
    likelihoods, marginals = crf(emissions, gold, mask), crf.marginals(emissions, mask)
    decoded = crf.decode(emissions, mask)
    assert (decoded[~mask] == -100).all() and (marginals[~mask] == 0).all()
    for row in torch.nonzero(mask.any(1)).flatten().tolist():
        words = mask[row]
        scores = path_scores(crf, emissions[row, words])
        partition = log_sum_exp(list(scores.values()))
        expected = scores[tuple(gold[row, words].tolist())] - partition
        assert likelihoods[row].item() == pytest.approx(expected, rel=1e-9, abs=1e-9)
        assert scores[tuple(decoded[row, words].tolist())] == pytest.approx(max(scores.values()), rel=1e-12, abs=1e-12)
        probabilities = torch.zeros(int(words.sum()), crf.num_tags, dtype=torch.float64)
        for path, score in scores.items():
            probabilities[range(len(path)), path] += torch.tensor(score - partition, dtype=torch.float64).exp()
        torch.testing.assert_close(marginals[row, words], probabilities, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("transition", [0.3, 30.0, 200.0, 1e4])
@pytest.mark.parametrize("emission", [0.3, 30.0, 1e4])
def test_scores_of_any_size_are_exact_and_give_finite_gradients(
    kernels: str, transition: float, emission: float
) -> None:
    if kernels == "accelerator" and transition >= 200:
        pytest.skip("transition scores count as at most 120 away from 0 there")
    crf, emissions, gold, mask = random_case(5, 3, 4, 3, emission)
    for parameter in crf.parameters():
        parameter.data.mul_(transition)
    emissions.requires_grad_()
    likelihoods = crf(emissions, gold, mask)
    scores = path_scores(crf, emissions[0])
    expected = scores[tuple(gold[0].tolist())] - log_sum_exp(list(scores.values()))
    assert likelihoods[0].item() == pytest.approx(expected, rel=1e-9, abs=1e-9)
    likelihoods.sum().backward()
    assert emissions.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in crf.parameters())


@pytest.mark.parametrize("transition", [1.0, 100.0])
def test_gradients_equal_finite_differences(kernels: str, transition: float) -> None:
    if kernels == "accelerator" and transition == 100:
        pytest.skip("these, of up to 400, count as 120 there")
    crf, emissions, gold, mask = random_case(3, 4, 6, 3)
    parameters = [parameter.detach().mul(transition).requires_grad_() for parameter in crf.parameters()]

    def likelihood(emissions: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        named = dict(zip(dict(crf.named_parameters()), parameters, strict=True))
        return torch.func.functional_call(crf, named, (emissions, gold, mask))

    assert torch.autograd.gradcheck(likelihood, (emissions.requires_grad_(), *parameters))


def test_gradient_of_a_gradient_is_refused() -> None:
    crf, emissions, gold, mask = random_case(3, 2, 3, 2)
    with pytest.raises(RuntimeError, match="gradients of first order only; leave create_graph=True out"):
        torch.autograd.grad(crf(emissions.requires_grad_(), gold, mask).sum(), emissions, create_graph=True)


@pytest.mark.real
@pytest.mark.parametrize(("batch", "length", "tags"), [(16, 32, 9), (3, 40, 17), (1, 2, 1)])
def test_equals_pytorch_crf(batch: int, length: int, tags: int) -> None:
    peer = pytest.importorskip("torchcrf").CRF(tags, batch_first=True)
    crf, emissions, _, _ = random_case(7, batch, length, tags, dtype=torch.float32)
    peer.load_state_dict(crf.state_dict())
    mask = torch.arange(length) < torch.randint(1, length + 1, (batch, 1), generator=torch.Generator().manual_seed(1))
    gold = torch.randint(0, tags, (batch, length), generator=torch.Generator().manual_seed(2))
    results = []
    for score in (crf(emissions.requires_grad_(), gold, mask), peer(emissions, gold, mask, reduction="none")):
        parameters = [(crf if not results else peer).get_parameter(name) for name, _ in crf.named_parameters()]
        results.append((score, *torch.autograd.grad(score.sum(), (emissions, *parameters), materialize_grads=True)))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    decoded = crf.decode(emissions, mask)
    assert [row[words].tolist() for row, words in zip(decoded, mask, strict=True)] == peer.decode(emissions, mask)


def test_rows_without_words_count_nothing() -> None:
    crf, emissions, gold, _ = random_case(1, 3, 4, 5)
    nothing = torch.zeros(3, 4, dtype=torch.bool)
    likelihoods = crf(emissions.requires_grad_(), gold, nothing)
    likelihoods.sum().backward()
    assert likelihoods.tolist() == [0, 0, 0]
    assert emissions.grad.count_nonzero() == 0 and crf.start_transitions.grad.count_nonzero() == 0
    assert (crf.decode(emissions, nothing) == -100).all()


def test_padding_is_never_read() -> None:
    crf, emissions, gold, mask = random_case(2, 4, 6, 3)
    dirty = emissions.masked_fill(~mask.unsqueeze(2), torch.nan).requires_grad_()
    likelihoods = crf(dirty, gold, mask)
    likelihoods.sum().backward()
    torch.testing.assert_close(likelihoods, crf(emissions, gold, mask))
    torch.testing.assert_close(crf.marginals(dirty, mask), crf.marginals(emissions, mask))
    assert (dirty.grad[~mask] == 0).all() and dirty.grad.isfinite().all()
    assert torch.equal(crf.decode(dirty, mask), crf.decode(emissions, mask))


def test_without_a_mask_every_position_is_a_word() -> None:
    crf, emissions, _, _ = random_case(2, 4, 6, 3)
    everything = torch.ones(4, 6, dtype=torch.bool)
    gold = crf.decode(emissions)
    assert torch.equal(gold, crf.decode(emissions, everything))
    torch.testing.assert_close(crf(emissions, gold), crf(emissions, gold, everything))
    assert crf(emissions[:, :0], gold[:, :0]).tolist() == [0, 0, 0, 0]
    assert crf.decode(emissions[:, :0]).shape == (4, 0) and crf(emissions[:0], gold[:0]).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    crf, emissions, gold, mask = random_case(4, 8, 20, 9, dtype=torch.float32)
    half = emissions.to(dtype).requires_grad_()
    single = half.detach().float().requires_grad_()
    for inputs in (half, single):
        likelihoods = crf(inputs, gold, mask)
        assert likelihoods.dtype == torch.float32
        likelihoods.sum().backward()
    torch.testing.assert_close(half.grad, single.grad.to(dtype))
    assert torch.equal(crf.decode(half, mask), crf.decode(single, mask))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(crf(half, gold, mask), likelihoods)


LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


@given(st.integers(0, 2**16), st.integers(1, 4))
def test_constrained_decoding_finds_the_best_path_of_iob2(seed: int, length: int) -> None:
    free, emissions, _, _ = random_case(seed, 1, length, len(LABELS))
    crf = LinearChainCRF(len(LABELS), constraints=LABELS).double()
    crf.load_state_dict(free.state_dict())
    names = [LABELS[tag] for tag in crf.decode(emissions)[0].tolist()]
    legal = {
        path: score
        for path, score in path_scores(crf, emissions[0]).items()
        if all(
            not LABELS[tag].startswith("I-") or (place > 0 and LABELS[path[place - 1]][2:] == LABELS[tag][2:])
            for place, tag in enumerate(path)
        )
    }
    best = max(legal, key=legal.get)
    assert names == [LABELS[tag] for tag in best]


class Decoder(torch.nn.Module):
    def __init__(self, crf: LinearChainCRF) -> None:
        super().__init__()
        self.crf = crf

    def forward(self, emissions: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.crf.decode(emissions, mask)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_exported_decoding_takes_any_batch_and_length(dtype: torch.dtype) -> None:
    crf, emissions, _, mask = random_case(6, 4, 7, 5, dtype=torch.float32)
    sizes = {0: torch.export.Dim.AUTO, 1: torch.export.Dim.AUTO}
    exported = torch.export.export(Decoder(crf), (emissions.to(dtype), mask), dynamic_shapes=(sizes, sizes)).module()
    for seed, batch, length in ((1, 2, 3), (2, 9, 30), (3, 5, 2)):
        _, emissions, _, mask = random_case(seed, batch, length, 5, dtype=torch.float32)
        emissions = emissions.to(dtype)
        assert torch.equal(exported(emissions, mask), crf.decode(emissions, mask))


def test_compiled_model_keeps_the_field_outside_the_graph() -> None:
    crf, emissions, gold, mask = random_case(6, 4, 7, 5, dtype=torch.float32)
    compiled = torch.compile(lambda values: crf(2 * values, gold, mask).mean(), backend="eager")
    torch.testing.assert_close(compiled(emissions), crf(2 * emissions, gold, mask).mean())


def test_an_accelerator_is_never_waited_for() -> None:
    """A tensor of the meta device has no values: whatever looked at one, copied it or branched on it, would raise."""
    crf = LinearChainCRF(len(LABELS), constraints=LABELS).to("meta")
    emissions = torch.empty(4, 7, len(LABELS), device="meta", requires_grad=True)
    mask = torch.empty(4, 7, dtype=torch.bool, device="meta")
    tags = crf.decode(emissions, mask)
    likelihood = crf(emissions, tags, mask)
    likelihood.sum().backward()
    assert (tags.shape, likelihood.shape, emissions.grad.shape) == ((4, 7), (4,), emissions.shape)
    assert crf.marginals(emissions, mask).shape == emissions.shape
    assert tags.device.type == crf.transitions.grad.device.type == "meta"


def broken(**changes: object) -> dict[str, object]:
    """Arguments of a good call, but for the changes."""
    _, emissions, gold, mask = random_case(0, 3, 4, 5)
    return {"emissions": emissions, "tags": gold, "mask": mask, **changes}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (broken(emissions=torch.zeros(3, 4, 6)), r"emissions must be \(batch, length, num_tags=5\).*\(3, 4, 6\)"),
        (broken(mask=torch.ones(3, 5).bool()), r"mask must be \(3, 4\).*\(3, 5\)"),
        (broken(mask=torch.ones(3, 4)), r"mask must be bool, got torch.float32"),
        (broken(tags=torch.zeros(4, 3).long()), r"tags must be \(3, 4\).*\(4, 3\)"),
        (
            broken(tags=torch.full((3, 4), -100)),
            r"tags must be 0 to 4 where .* got -100 at row 0, position 0 \(\d+ such",
        ),
        (broken(tags=torch.full((3, 4), 5)), r"tags must be 0 to 4 where .* got 5 at row 0"),
        (
            broken(emissions=torch.full((3, 4, 5), torch.nan)),
            r"emissions must be finite where .* \[nan, .* row 0, pos",
        ),
        (broken(emissions=torch.full((3, 4, 5), -torch.inf)), r"emissions must be finite where .* give it -1e4"),
    ],
)
def test_bad_input_gets_a_sentence(kernels: str, arguments: dict[str, torch.Tensor], sentence: str) -> None:
    if kernels == "accelerator" and "where" in sentence:
        pytest.skip("nothing looks at values there")
    crf = LinearChainCRF(5)
    with pytest.raises(ValueError, match=sentence):
        crf(**arguments)
    for method in (crf.decode, crf.marginals) if "tags must" not in sentence else ():
        with pytest.raises(ValueError, match=sentence):
            method(arguments["emissions"], arguments["mask"])


def test_bad_configuration_gets_a_sentence() -> None:
    with pytest.raises(ValueError, match="num_tags must be at least 1, got 0"):
        LinearChainCRF(0)
    with pytest.raises(ValueError, match="name each of the 3 tags, got 2 names"):
        LinearChainCRF(3, constraints=["O", "B-PER"])


def test_inside_tags_follow_their_own_type_only() -> None:
    first, following = iob2_allowed(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
    assert first == [True, True, False, True, False]
    assert [[int(allowed) for allowed in row] for row in following] == [
        [1, 1, 0, 1, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 1, 1],
        [1, 1, 0, 1, 1],
    ]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [(["O", "S-PER"], "'S-PER' is not of IOB2"), (["O", "I-PER"], "'I-PER' has no 'B-PER' beside it")],
)
def test_other_schemes_get_a_sentence(names: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        iob2_allowed(names)
