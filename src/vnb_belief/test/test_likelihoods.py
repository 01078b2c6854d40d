"""Goldens of the likelihoods, and the particle filter's friction against an exact filter on a grid."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from vnb_belief.likelihoods import friction_log_likelihood, gap_log_likelihood, slip_log_likelihood
from vnb_belief.particles import Particles, shrunk_jitter, systematic_indices
from vnb_grasp.errors import ConfigError

NOISE = 0.15
HELD, SLIPPED = torch.tensor(0.0), torch.tensor(1.0)


def friction(mu: Tensor | float, normal: float, tangential: float, slip: Tensor) -> Tensor:
    log_mu = torch.as_tensor(mu, dtype=torch.float64).log()
    return friction_log_likelihood(log_mu, torch.tensor(normal), torch.tensor(tangential), slip, NOISE)


def test_a_contact_that_holds_bounds_friction_from_below_only() -> None:
    assert float(friction(0.5, 2.0, 1.0, HELD)) == pytest.approx(math.log(0.5))  # at the bound: even odds
    assert float(friction(5.0, 2.0, 1.0, HELD)) == pytest.approx(0.0, abs=1e-12)
    one_below = friction(0.5 * math.exp(-NOISE), 2.0, 1.0, HELD)
    assert float(one_below) == pytest.approx(math.log(0.5 * math.erfc(1.0 / math.sqrt(2.0))))
    rising = friction(torch.linspace(0.05, 2.0, 50, dtype=torch.float64), 2.0, 1.0, HELD)
    assert bool((rising.diff() >= 0.0).all())


def test_a_contact_that_slips_shows_its_friction() -> None:
    mu = torch.linspace(0.05, 2.0, 400, dtype=torch.float64)
    assert float(mu[friction(mu, 2.0, 1.0, SLIPPED).argmax()]) == pytest.approx(0.5, abs=0.005)
    assert float(friction(0.5 * math.exp(2 * NOISE), 2.0, 1.0, SLIPPED)) == pytest.approx(-2.0)


def test_an_uncertain_slip_mixes_both() -> None:
    held, slipped = friction(0.4, 2.0, 1.0, HELD).exp(), friction(0.4, 2.0, 1.0, SLIPPED).exp()
    mixed = friction(0.4, 2.0, 1.0, torch.tensor(0.25)).exp()
    assert_close(mixed, 0.75 * held + 0.25 * slipped)


@pytest.mark.parametrize(("normal", "tangential"), [(2.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
@pytest.mark.parametrize("slip", [0.0, 0.3, 1.0])
def test_without_load_nothing_is_learned(normal: float, tangential: float, slip: float) -> None:
    mu = torch.linspace(0.05, 2.0, 9, dtype=torch.float64)
    assert torch.equal(friction(mu, normal, tangential, torch.tensor(slip)), torch.zeros(9, dtype=torch.float64))


def test_bad_friction_arguments_are_refused() -> None:
    one = torch.tensor(1.0)
    with pytest.raises(ConfigError, match="noise"):
        friction_log_likelihood(one, one, one, one, 0.0)
    with pytest.raises(ConfigError, match="slip probability"):
        friction_log_likelihood(one, one, one, torch.tensor(1.5), 0.1)


def sequence(seed: int) -> list[tuple[float, float, Tensor]]:
    """Loads on one contact of friction 0.35 that grow until it slips; some steps carry none."""
    g = torch.Generator().manual_seed(seed)
    steps = []
    for ratio in (0.0, 0.08, 0.15, 0.2, 0.0, 0.26, 0.3, 0.34, 0.31, 0.36):
        seen = ratio * math.exp(0.05 * float(torch.randn((), generator=g)))
        normal = 1.0 + 4.0 * float(torch.rand((), generator=g))
        slip = torch.tensor(1.0 if ratio > 0.35 else 0.1 if ratio > 0.32 else 0.0)
        steps.append((normal, seen * normal, slip))
    return steps


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_particle_filter_follows_the_exact_grid_filter(seed: int) -> None:
    low, high, n = math.log(0.2), math.log(0.65), 20_000
    grid = torch.linspace(low, high, 20_001, dtype=torch.float64)
    exact = torch.zeros_like(grid)
    g = torch.Generator().manual_seed(seed)
    particles = Particles.equal(low + (high - low) * torch.rand(n, 1, generator=g, dtype=torch.float64))
    resampled = 0
    for normal, tangential, slip in sequence(seed):
        load = (torch.tensor(normal), torch.tensor(tangential), slip, NOISE)
        exact = exact + friction_log_likelihood(grid, *load)
        particles = particles.reweighted(friction_log_likelihood(particles.values[:, 0], *load))
        weights = exact.softmax(dim=0)
        mean = float(weights @ grid)
        std = float((weights @ (grid - mean).square()).sqrt())
        error = 5.0 * std / math.sqrt(particles.ess)  # five standard errors of a mean of that many draws
        assert float(particles.mean()) == pytest.approx(mean, abs=error)
        assert float(particles.std()) == pytest.approx(std, abs=error)
        if particles.ess < 0.5 * n:
            index = systematic_indices(particles.log_weights, g)
            particles = Particles.equal(shrunk_jitter(particles.values[index], particles, 0.98, g))
            resampled += 1
    assert resampled >= 1
    assert std < 0.5 * (high - low) / math.sqrt(12.0)  # the sequence was informative


def test_touch_is_likeliest_where_force_and_stiffness_put_the_fingertip() -> None:
    gap = torch.linspace(-0.01, 0.01, 201, dtype=torch.float64)
    force, kappa = torch.tensor(4.0), torch.tensor(1000.0).double().log()
    touching = gap_log_likelihood(gap, force, torch.tensor(True), kappa, 1e-3, 0.1, 1e-2)
    assert float(gap[touching.argmax()]) == pytest.approx(-0.004, abs=1e-4)
    stiffness = torch.linspace(300.0, 3000.0, 271, dtype=torch.float64)
    seen = gap_log_likelihood(torch.tensor(-0.004), force, torch.tensor(True), stiffness.log(), 1e-4, 0.1, 1e-2)
    assert float(stiffness[seen.argmax()]) == pytest.approx(1000.0, abs=10.0)


def test_no_touch_is_evidence_too_and_outliers_bound_both() -> None:
    gap = torch.linspace(-0.05, 0.05, 101, dtype=torch.float64)
    free = gap_log_likelihood(gap, torch.tensor(0.0), torch.tensor(False), torch.tensor(7.0), 1e-3, 0.1, 1e-2)
    assert bool((free.diff() >= -1e-12).all())
    assert float(free[-1]) == pytest.approx(0.0, abs=1e-6)
    assert float(free[50]) == pytest.approx(math.log(0.5), abs=1e-6)
    for contact in (True, False):
        near = gap_log_likelihood(
            torch.tensor(-0.01), torch.tensor(0.0), torch.tensor(contact), torch.tensor(7.0), 1e-3, 0.1, 1e-2
        )
        assert -6.0 < float(near) < -2.0  # ten standard deviations off, but not impossible


def test_slip_speed_follows_rice() -> None:
    noise, slip = 0.03, 0.05
    z = torch.linspace(1e-6, 0.6, 60_001, dtype=torch.float64)
    density = z / noise**2 * slip_log_likelihood(z, torch.tensor(slip).double(), noise).exp()
    assert float(torch.trapezoid(density, z)) == pytest.approx(1.0, abs=1e-6)
    second = float(torch.trapezoid(density * z.square(), z))
    assert second == pytest.approx(slip**2 + 2.0 * noise**2, rel=1e-5)
