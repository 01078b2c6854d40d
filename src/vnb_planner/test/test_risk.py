"""Risk measures: closed forms, brute force, properties, gradients, bad input."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.testing import assert_close

from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError, UnknownNameError
from vnb_planner.risk import (
    RISKS,
    cvar,
    expectation,
    failure_probability,
    smooth_cvar,
    smooth_cvar_bound,
    smooth_failure_probability,
    worst_case,
)

BETAS = (0.0, 0.5, 0.9, 0.95, 0.99)
levels = st.floats(0.0, 0.99)
samples = arrays("float64", st.integers(1, 30), elements=st.floats(-100, 100))


def draws(n: int, seed: int = 0, shape: tuple[int, ...] = ()) -> torch.Tensor:
    return torch.randn(*shape, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def uryasev(costs: torch.Tensor, eta: torch.Tensor, beta: float, p: torch.Tensor) -> torch.Tensor:
    return eta + ((costs - eta[:, None]).clamp(min=0) * p).sum(-1) / (1 - beta)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_cvar_follows_dtype_and_batch(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    costs = draws(40, shape=shape).to(dtype)
    value = cvar(costs, 0.9)
    assert value.dtype == dtype
    assert value.shape == shape
    assert_close(value, costs.sort(-1, descending=True).values[..., :4].mean(-1))


def test_cvar_counts_the_boundary_atom_for_its_fraction() -> None:
    costs = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    # The worst 0.375 of four atoms of 0.25: all of 4, half of 3.
    assert_close(cvar(costs, 0.625), torch.tensor((0.25 * 4 + 0.125 * 3) / 0.375, dtype=torch.float64))


def test_weighted_cvar_by_hand() -> None:
    costs = torch.tensor([10.0, 0.0, 5.0], dtype=torch.float64)
    weights = torch.tensor([0.1, 0.6, 0.3], dtype=torch.float64)
    assert_close(cvar(costs, 0.8, weights), torch.tensor((0.1 * 10 + 0.1 * 5) / 0.2, dtype=torch.float64))
    assert_close(cvar(costs, 0.8, 7.0 * weights), cvar(costs, 0.8, weights))


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("measure", ["mean", "cvar", "smooth_cvar", "worst_case"])
def test_constant_cost_is_its_own_risk(beta: float, measure: str) -> None:
    costs = torch.full((17,), 3.7, dtype=torch.float64)
    assert_close(RISKS[measure](beta)(costs), costs[0], rtol=0, atol=1e-12)


def test_ends_of_the_level() -> None:
    costs, weights = draws(50), draws(50, 1).abs()
    assert_close(cvar(costs, 0.0, weights), expectation(costs, weights))
    assert_close(cvar(costs, 1 - 1e-12, weights), worst_case(costs, weights))
    assert_close(worst_case(costs, weights), costs.max())


def test_atoms_without_weight_do_not_count() -> None:
    costs = torch.tensor([1.0, 2.0, 1e6], dtype=torch.float64)
    weights = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    for name in ("mean", "cvar", "worst_case"):
        assert_close(RISKS[name](0.9)(costs, weights), RISKS[name](0.9)(costs[:2]))


@pytest.mark.parametrize("beta", BETAS)
def test_cvar_is_the_minimum_of_the_rockafellar_uryasev_objective(beta: float) -> None:
    costs, p = draws(23, 2), draws(23, 3).abs()
    p = p / p.sum()
    # The objective is convex and piecewise linear, so a minimum lies at an atom; a fine grid finds nothing lower.
    eta = torch.cat((costs, torch.linspace(-5, 5, 4001, dtype=torch.float64)))
    assert_close(cvar(costs, beta, p), uryasev(costs, eta, beta, p).min())


@settings(deadline=None, max_examples=60)
@given(samples, levels, levels)
def test_monotone_in_beta_and_between_mean_and_maximum(raw, a: float, b: float) -> None:
    costs = torch.from_numpy(raw)
    low, high = cvar(costs, min(a, b)), cvar(costs, max(a, b))
    assert low <= high + 1e-9
    assert costs.mean() - 1e-9 <= low
    assert high <= costs.max() + 1e-9


@settings(deadline=None, max_examples=60)
@given(samples, levels, st.floats(-50, 50), st.floats(0.01, 50))
def test_translation_and_scale(raw, beta: float, shift: float, scale: float) -> None:
    costs = torch.from_numpy(raw)
    for measure in (lambda c: cvar(c, beta), lambda c: smooth_cvar(c, beta, 0.3)):
        assert_close(measure(costs + shift), measure(costs) + shift, rtol=1e-7, atol=1e-7)
        assert_close(measure(scale * costs), scale * measure(costs), rtol=1e-7, atol=1e-7)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 25), st.integers(0, 1000), levels)
def test_subadditive_permutation_invariant_and_blind_to_split_atoms(n: int, seed: int, beta: float) -> None:
    x, y, w = draws(n, seed), draws(n, seed + 1), draws(n, seed + 2).abs() + 1e-3
    assert cvar(x + y, beta, w) <= cvar(x, beta, w) + cvar(y, beta, w) + 1e-9
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    assert_close(cvar(x[order], beta, w[order]), cvar(x, beta, w))
    split = torch.cat((w[:1] / 2, w[1:], w[:1] / 2))
    assert_close(cvar(torch.cat((x, x[:1])), beta, split), cvar(x, beta, w))


@pytest.mark.parametrize("beta", BETAS)
def test_gradients(beta: float) -> None:
    costs, weights = draws(12, 5).requires_grad_(), draws(12, 6).abs()
    assert torch.autograd.gradcheck(lambda c: cvar(c, beta, weights), (costs,))
    assert torch.autograd.gradcheck(lambda c: smooth_cvar(c, beta, 0.5, weights), (costs,))
    for measure in (lambda c: cvar(c, beta, weights), lambda c: smooth_cvar(c, beta, 0.5, weights)):
        (gradient,) = torch.autograd.grad(measure(costs), costs)
        assert_close(gradient.sum(), torch.ones((), dtype=torch.float64))


@settings(deadline=None, max_examples=100)
@given(samples, levels, st.floats(1e-3, 10.0), st.integers(0, 100))
def test_smooth_cvar_stays_within_its_bound(raw, beta: float, temperature: float, seed: int) -> None:
    costs, weights = torch.from_numpy(raw), draws(len(raw), seed).abs() + 1e-6
    gap = smooth_cvar(costs, beta, temperature, weights) - cvar(costs, beta, weights)
    assert gap >= -1e-9
    assert gap <= smooth_cvar_bound(costs, beta, temperature, weights) + 1e-9


def test_bound_vanishes_with_the_temperature_and_does_not_grow_with_beta() -> None:
    costs = draws(300, 7)
    for beta in BETAS:
        assert_close(smooth_cvar(costs, beta, 1e-6), cvar(costs, beta), rtol=0, atol=1e-5)
    spread = (costs - costs.mean()).abs().mean()
    assert_close(smooth_cvar_bound(costs, 0.99, 0.2), 0.2 * spread * math.log(2.0))


def test_smooth_cvar_of_like_costs_has_finite_gradients() -> None:
    costs = torch.full((5,), 2.0, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(smooth_cvar(costs, 0.9, 0.1), costs)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("measure", ["mean", "cvar", "smooth_cvar", "worst_case"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_non_finite_costs_raise(measure: str, bad: float) -> None:
    with pytest.raises(NonFiniteError):
        RISKS[measure](0.5)(torch.tensor([0.0, bad]))


def test_bad_input_raises() -> None:
    costs = draws(4)
    for beta in (-0.1, 1.0, math.nan):
        with pytest.raises(ConfigError):
            cvar(costs, beta)
        with pytest.raises(ConfigError):
            RISKS["cvar"](beta)
    for temperature in (0.0, -1.0, math.inf):
        with pytest.raises(ConfigError):
            smooth_cvar(costs, 0.5, temperature)
    with pytest.raises(ShapeError):
        cvar(costs, 0.5, draws(3))
    with pytest.raises(ShapeError):
        cvar(torch.empty(0), 0.5)
    with pytest.raises(ConfigError):
        cvar(costs, 0.5, torch.zeros(4))
    with pytest.raises(ConfigError):
        cvar(costs, 0.5, torch.tensor([1.0, -1.0, 1.0, 1.0]))
    with pytest.raises(NonFiniteError):
        cvar(costs, 0.5, torch.tensor([1.0, math.nan, 1.0, 1.0]))
    with pytest.raises(UnknownNameError, match="cvar"):
        RISKS["variance"]


def test_failure_probability_counts_and_its_smooth_version_agrees_away_from_the_threshold() -> None:
    costs = torch.tensor([0.0, 0.4, 0.6, 2.0], dtype=torch.float64)
    weights = torch.tensor([1.0, 1.0, 1.0, 5.0], dtype=torch.float64)
    assert_close(failure_probability(costs, 0.5), torch.tensor(0.5, dtype=torch.float64))
    assert_close(failure_probability(costs, 0.5, weights), torch.tensor(0.75, dtype=torch.float64))
    gap = (smooth_failure_probability(costs, 0.5, weights) - 0.75).abs()
    assert gap <= torch.sigmoid(torch.tensor(-100 * 0.1))
    assert_close(smooth_failure_probability(costs[:1], 0.0), torch.tensor(0.5, dtype=torch.float64))


def test_smooth_failure_probability_gradient() -> None:
    costs = (0.02 * draws(6, 8)).requires_grad_()
    assert torch.autograd.gradcheck(lambda c: smooth_failure_probability(c, 0.0), (costs,))
    with pytest.raises(ConfigError):
        smooth_failure_probability(costs, 0.0, sharpness=0.0)
    for function in (failure_probability, smooth_failure_probability):
        with pytest.raises(NonFiniteError):
            function(torch.tensor([math.nan]), 0.0)


def test_a_probability_of_rounded_weights_stays_one() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(200, 100, generator=generator)
    costs = torch.ones(200, 100)
    sums = (weights / weights.sum(-1, keepdim=True)).sum(-1)
    assert float(sums.max()) > 1.0  # else this test would show nothing
    probability = failure_probability(costs, 0.5, weights)
    assert float(probability.max()) <= 1.0
    torch.testing.assert_close(probability, torch.ones(200))
