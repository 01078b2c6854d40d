"""Entropic risk: the aversion's and the level's measure against closed forms, duality, axioms, gradients, bad input."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor
from torch.testing import assert_close

from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError
from vnb_planner.risk import RISKS, cvar, entropic, entropic_at_level, expectation, worst_case

BETAS = (0.1, 0.5, 0.9, 0.95, 0.99)
levels = st.floats(0.0, 0.99)
aversions = st.floats(1e-3, 10.0)
samples = arrays("float64", st.integers(1, 30), elements=st.floats(-100, 100))
seeds = st.integers(0, 1000)


def draws(n: int, seed: int = 0, shape: tuple[int, ...] = ()) -> Tensor:
    return torch.randn(*shape, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def positive(n: int, seed: int) -> Tensor:
    return draws(n, seed).abs() + 1e-3


def test_aversion_by_hand() -> None:
    costs, weights = torch.tensor([0.0, 1.0]).double(), torch.tensor([3.0, 1.0]).double()
    expected = math.log(0.75 + 0.25 * math.exp(2.0)) / 2.0
    assert_close(entropic(costs, 2.0, weights), torch.tensor(expected).double())


def test_normal_costs_cost_half_the_aversion_times_the_variance() -> None:
    """``C ~ N(m, s^2)``: ``m + a s^2 / 2`` for the aversion, ``m + s sqrt(2 c)`` for the level, c nats."""
    quantiles = (torch.arange(400_000).double() + 0.5) / 400_000
    costs = 1.5 + 0.3 * torch.special.ndtri(quantiles)
    assert_close(entropic(costs, 2.0), torch.tensor(1.5 + 0.09).double(), rtol=0, atol=1e-5)
    for beta in (0.5, 0.9):
        expected = 1.5 + 0.3 * math.sqrt(2.0 * math.log(1.0 / (1.0 - beta)))
        assert_close(entropic_at_level(costs, beta), torch.tensor(expected).double(), rtol=0, atol=1e-3)


@pytest.mark.parametrize("beta", BETAS)
def test_the_level_is_the_least_of_all_aversions(beta: float) -> None:
    """The definition, by brute force over the aversion."""
    costs, weights = draws(40, 1), positive(40, 2)
    distance = math.log(1.0 / (1.0 - beta))
    tried = [entropic(costs, a, weights) + distance / a for a in torch.logspace(-3, 7, 8001).tolist()]
    assert_close(entropic_at_level(costs, beta, weights), torch.stack(tried).min(), rtol=1e-5, atol=0)


@pytest.mark.parametrize("beta", BETAS)
def test_the_gradient_is_a_law_that_far_from_the_samples(beta: float) -> None:
    """The dual: the value is the mean under that law, and no law as near has a larger mean."""
    costs, p = draws(60, 3).requires_grad_(), positive(60, 4)
    p = p / p.sum()
    value = entropic_at_level(costs, beta, p)
    (q,) = torch.autograd.grad(value, costs)
    assert_close(q.sum(), torch.ones(()).double())
    assert_close((q * (q / p).log()).sum(), torch.tensor(math.log(1.0 / (1.0 - beta))).double())
    assert_close(value.detach(), (q * costs.detach()).sum())
    generator = torch.Generator().manual_seed(5)
    for _ in range(200):
        other = (p.log() + 3.0 * torch.randn(60, generator=generator, dtype=torch.float64)).softmax(-1)
        if float((other * (other / p).log()).sum()) <= math.log(1.0 / (1.0 - beta)):
            assert (other * costs.detach()).sum() <= value + 1e-9


@settings(deadline=None, max_examples=60)
@given(samples, levels, levels, aversions)
def test_between_mean_and_worst_and_growing(raw, a: float, b: float, aversion: float) -> None:
    costs = torch.from_numpy(raw)
    low, high = entropic_at_level(costs, min(a, b)), entropic_at_level(costs, max(a, b))
    assert costs.mean() - 1e-7 <= low <= high + 1e-7
    assert high <= costs.max() + 1e-7
    assert costs.mean() - 1e-7 <= entropic(costs, aversion) <= entropic(costs, 2.0 * aversion) + 1e-7
    assert entropic(costs, 2.0 * aversion) <= costs.max() + 1e-7


@settings(deadline=None, max_examples=60)
@given(samples, levels, seeds)
def test_never_below_cvar_at_the_same_level(raw, beta: float, seed: int) -> None:
    costs, weights = torch.from_numpy(raw), positive(len(raw), seed)
    assert entropic_at_level(costs, beta, weights) >= cvar(costs, beta, weights) - 1e-7


@settings(deadline=None, max_examples=60)
@given(samples, levels, aversions, st.floats(-50, 50), st.floats(0.01, 50))
def test_translation_of_both_and_scale_of_the_level(
    raw, beta: float, aversion: float, shift: float, scale: float
) -> None:
    costs = torch.from_numpy(raw)
    for measure in (lambda c: entropic(c, aversion), lambda c: entropic_at_level(c, beta)):
        assert_close(measure(costs + shift), measure(costs) + shift, rtol=1e-7, atol=1e-6)
    assert_close(entropic_at_level(scale * costs, beta), scale * entropic_at_level(costs, beta), rtol=1e-7, atol=1e-6)
    # With an aversion it is the unit that scales along.
    assert_close(entropic(scale * costs, aversion / scale), scale * entropic(costs, aversion), rtol=1e-7, atol=1e-6)


def test_an_aversion_is_not_homogeneous() -> None:
    costs = torch.tensor([0.0, 1.0]).double()
    assert entropic(2.0 * costs, 1.0) > 2.0 * entropic(costs, 1.0) + 0.05


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 25), seeds, levels, aversions, st.floats(0.0, 1.0))
def test_monotone_convex_and_law_invariant(n: int, seed: int, beta: float, aversion: float, part: float) -> None:
    x, y, w = draws(n, seed), draws(n, seed + 1), positive(n, seed + 2)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    split = torch.cat((w[:1] / 2, w[1:], w[:1] / 2))
    for measure in (lambda c, p: entropic(c, aversion, p), lambda c, p: entropic_at_level(c, beta, p)):
        assert measure(x, w) <= measure(x + y.abs(), w) + 1e-7
        mixed = measure(part * x + (1.0 - part) * y, w)
        assert mixed <= part * measure(x, w) + (1.0 - part) * measure(y, w) + 1e-7
        assert_close(measure(x[order], w[order]), measure(x, w), rtol=1e-7, atol=1e-7)
        assert_close(measure(torch.cat((x, x[:1])), split), measure(x, w), rtol=1e-7, atol=1e-7)
    assert entropic_at_level(x + y, beta, w) <= entropic_at_level(x, beta, w) + entropic_at_level(y, beta, w) + 1e-7


def test_an_aversion_by_the_spread_would_call_a_better_grasp_riskier() -> None:
    """The reason for the level: the numbers of the module's docstring."""
    p, good, worse = (torch.tensor(v).double() for v in ([0.69, 0.3, 0.01], [0.0, 0.0, 1.0], [0.0, 0.6, 1.0]))

    def by_spread(costs: Tensor) -> float:
        std = float((expectation(costs.square(), p) - expectation(costs, p).square()).sqrt())
        return float(entropic(costs, math.log(10.0) / std, p))

    assert by_spread(good) == pytest.approx(0.801, abs=1e-3)
    assert by_spread(worse) == pytest.approx(0.527, abs=1e-3)
    assert entropic_at_level(good, 0.9, p) < entropic_at_level(worse, 0.9, p)


def test_limits() -> None:
    costs, weights = draws(50, 6), positive(50, 7)
    mean, worst = expectation(costs, weights), worst_case(costs, weights)
    assert_close(entropic(costs, 1e-6, weights), mean, rtol=0, atol=1e-5)
    assert_close(entropic(costs, 1e6, weights), worst, rtol=0, atol=1e-5)
    assert torch.equal(entropic_at_level(costs, 0.0, weights), mean)
    assert_close(entropic_at_level(costs, 1e-12, weights), mean, rtol=0, atol=1e-4)
    assert torch.equal(entropic_at_level(costs, 1 - 1e-9, weights), worst)


def test_a_worst_cost_of_the_tails_probability_is_the_answer() -> None:
    costs = torch.tensor([0.0, 3.0, 1.0, 3.0]).double()
    assert torch.equal(entropic_at_level(costs, 0.5), costs.max())
    assert entropic_at_level(costs, 0.4) < 3.0 - 1e-3
    near = torch.tensor([0.0, 1.0, 1.0 + 1e-12]).double()  # all but alike, and still two samples
    assert_close(entropic_at_level(near, 0.6), near.max(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_dtype_and_batch(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    costs, weights = draws(20, shape=shape).to(dtype), positive(20, 8).to(dtype)
    for measure in (lambda c: entropic(c, 2.0, weights), lambda c: RISKS["entropic"](0.8)(c, weights)):
        together = measure(costs)
        assert together.dtype == dtype and together.shape == shape
        rows = [measure(row) for row in costs.reshape(-1, 20)]
        assert_close(together.reshape(-1), torch.stack(rows))


def test_samples_alike_and_without_weight() -> None:
    alike = torch.full((5,), 2.5, dtype=torch.float64, requires_grad=True)
    value = entropic_at_level(alike, 0.9)
    (gradient,) = torch.autograd.grad(value, alike)
    assert_close(value.detach(), alike[0].detach())
    assert_close(gradient, torch.full((5,), 0.2).double())
    costs, weights = torch.tensor([1.0, 2.0, 1e6]).double(), torch.tensor([1.0, 1.0, 0.0]).double()
    assert_close(entropic_at_level(costs, 0.3, weights), entropic_at_level(costs[:2], 0.3))
    assert_close(entropic(costs, 1.0, weights), entropic(costs[:2], 1.0))


@pytest.mark.parametrize("beta", [0.0, *BETAS])
def test_gradients(beta: float) -> None:
    costs, weights = draws(12, 9).requires_grad_(), positive(12, 10)
    assert torch.autograd.gradcheck(lambda c: entropic_at_level(c, beta, weights), (costs,))
    assert torch.autograd.gradcheck(lambda c: entropic(c, 1.0 + beta, weights), (costs,))


def test_bad_input_raises() -> None:
    costs = draws(4)
    for beta in (-0.1, 1.0, math.nan):
        with pytest.raises(ConfigError, match="beta"):
            entropic_at_level(costs, beta)
        with pytest.raises(ConfigError, match="beta"):
            RISKS["entropic"](beta)
    for aversion in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ConfigError, match="aversion"):
            entropic(costs, aversion)
    for bad in (math.nan, math.inf, -math.inf):
        with pytest.raises(NonFiniteError):
            RISKS["entropic"](0.5)(torch.tensor([0.0, bad]))
        with pytest.raises(NonFiniteError):
            entropic(torch.tensor([0.0, bad]), 1.0)
    for measure in (lambda c, w: entropic(c, 1.0, w), lambda c, w: entropic_at_level(c, 0.5, w)):
        with pytest.raises(ShapeError):
            measure(costs, draws(3))
        with pytest.raises(ShapeError):
            measure(torch.empty(0), None)
        with pytest.raises(ConfigError):
            measure(costs, torch.zeros(4))
