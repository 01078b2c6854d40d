"""Spectral risk: weights as integrals of the spectrum, closed forms, axioms, gradients, bad input."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor
from torch.testing import assert_close

from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError
from vnb_planner.risk import RISKS, expectation, spectral, worst_case

BETAS = (0.0, 0.5, 0.9, 0.95, 0.99)
levels = st.floats(0.0, 0.99)
samples = arrays("float64", st.integers(1, 30), elements=st.floats(-100, 100))
seeds = st.integers(0, 1000)


def draws(n: int, seed: int = 0, shape: tuple[int, ...] = ()) -> Tensor:
    return torch.randn(*shape, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def positive(n: int, seed: int) -> Tensor:
    return draws(n, seed).abs() + 1e-3


def test_the_expected_worst_of_k_draws_by_enumeration() -> None:
    """At 1 - 1/3 the power is three: all 4^3 ordered draws, each with its probability."""
    costs, p = torch.tensor([3.0, -1.0, 0.5, 2.0]).double(), torch.tensor([0.1, 0.4, 0.3, 0.2]).double()
    total = torch.zeros(()).double()
    for index in itertools.product(range(4), repeat=3):
        total += p[list(index)].prod() * costs[list(index)].max()
    assert_close(spectral(costs, 2.0 / 3.0, p), total)


@pytest.mark.parametrize("beta", BETAS)
def test_weights_are_the_integrals_of_the_spectrum(beta: float) -> None:
    """Against fine midpoint quadrature of ``phi(u) q(u)``; the weights are the gradient."""
    costs, p = torch.tensor([2.0, -1.0, 0.5]).double().requires_grad_(), torch.tensor([0.2, 0.5, 0.3]).double()
    power = 1.0 / (1.0 - beta)
    u = (torch.arange(1_000_000).double() + 0.5) / 1_000_000
    spectrum = power * u ** (power - 1.0)
    integrals = [
        spectrum[(u > low) & (u <= high)].mean() * (high - low) for low, high in ((0.8, 1), (0, 0.5), (0.5, 0.8))
    ]
    (weights,) = torch.autograd.grad(spectral(costs, beta, p), costs)
    assert_close(weights, torch.stack(integrals), rtol=0, atol=1e-5)


def test_uniform_costs() -> None:
    """The worst of k uniform draws has mean ``k / (k + 1)``."""
    costs = (torch.arange(100_000).double() + 0.5) / 100_000
    for beta in BETAS:
        power = 1.0 / (1.0 - beta)
        assert_close(spectral(costs, beta), torch.tensor(power / (power + 1.0)).double(), rtol=0, atol=1e-4)


@settings(deadline=None, max_examples=60)
@given(samples, levels, levels)
def test_between_mean_and_worst_and_growing(raw, a: float, b: float) -> None:
    costs = torch.from_numpy(raw)
    low, high = spectral(costs, min(a, b)), spectral(costs, max(a, b))
    assert costs.mean() - 1e-9 <= low <= high + 1e-9
    assert high <= costs.max() + 1e-9


@settings(deadline=None, max_examples=60)
@given(samples, levels, st.floats(-50, 50), st.floats(0.01, 50))
def test_translation_and_scale(raw, beta: float, shift: float, scale: float) -> None:
    costs = torch.from_numpy(raw)
    assert_close(spectral(costs + shift, beta), spectral(costs, beta) + shift, rtol=1e-7, atol=1e-7)
    assert_close(spectral(scale * costs, beta), scale * spectral(costs, beta), rtol=1e-7, atol=1e-7)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 25), seeds, levels)
def test_monotone_subadditive_law_invariant_and_additive_where_comonotone(n: int, seed: int, beta: float) -> None:
    x, y, w = draws(n, seed), draws(n, seed + 1), positive(n, seed + 2)
    assert spectral(x, beta, w) <= spectral(x + y.abs(), beta, w) + 1e-9
    assert spectral(x + y, beta, w) <= spectral(x, beta, w) + spectral(y, beta, w) + 1e-9
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    assert_close(spectral(x[order], beta, w[order]), spectral(x, beta, w))
    split = torch.cat((w[:1] / 2, w[1:], w[:1] / 2))
    assert_close(spectral(torch.cat((x, x[:1])), beta, split), spectral(x, beta, w))
    together = x.exp()
    assert_close(spectral(x + together, beta, w), spectral(x, beta, w) + spectral(together, beta, w))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_dtype_and_batch(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    costs, weights = draws(20, shape=shape).to(dtype), positive(20, 8).to(dtype)
    together = RISKS["spectral"](0.8)(costs, weights)
    assert together.dtype == dtype and together.shape == shape
    assert_close(together.reshape(-1), torch.stack([spectral(row, 0.8, weights) for row in costs.reshape(-1, 20)]))


def test_limits_and_constant_costs() -> None:
    costs, weights = draws(50, 6), positive(50, 7)
    assert_close(spectral(costs, 0.0, weights), expectation(costs, weights))
    assert_close(spectral(costs, 1 - 1e-9, weights), worst_case(costs, weights))
    for beta in BETAS:
        assert_close(spectral(torch.full((17,), 3.7).double(), beta), torch.tensor(3.7).double(), rtol=1e-6, atol=0)


def test_samples_without_weight_do_not_count() -> None:
    for costs in ([1.0, 2.0, 1e6], [1.0, 2.0, -1e6], [1.0, 2.0, 1.5]):
        whole, weights = torch.tensor(costs).double(), torch.tensor([1.0, 1.0, 0.0]).double()
        assert_close(spectral(whole, 0.8, weights), spectral(whole[:2], 0.8))


@pytest.mark.parametrize("beta", BETAS)
def test_gradients(beta: float) -> None:
    costs, weights = draws(12, 9).requires_grad_(), positive(12, 10)
    assert torch.autograd.gradcheck(lambda c: spectral(c, beta, weights), (costs,))
    (gradient,) = torch.autograd.grad(spectral(costs, beta, weights), costs)
    assert_close(gradient.sum(), torch.ones(()).double())
    assert bool((gradient >= 0.0).all())
    per_probability = (gradient / weights)[costs.detach().argsort()]
    assert bool((per_probability.diff() >= -1e-12).all())  # the spectrum does not fall


def test_bad_input_raises() -> None:
    costs = draws(4)
    for beta in (-0.1, 1.0, math.nan):
        with pytest.raises(ConfigError, match="beta"):
            spectral(costs, beta)
        with pytest.raises(ConfigError, match="beta"):
            RISKS["spectral"](beta)
    for bad in (math.nan, math.inf, -math.inf):
        with pytest.raises(NonFiniteError):
            spectral(torch.tensor([0.0, bad]), 0.5)
    with pytest.raises(ShapeError):
        spectral(costs, 0.5, draws(3))
    with pytest.raises(ShapeError):
        spectral(torch.empty(0), 0.5)
    with pytest.raises(ConfigError):
        spectral(costs, 0.5, torch.zeros(4))
