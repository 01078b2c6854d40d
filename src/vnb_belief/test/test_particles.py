import math

import pytest
import torch
from torch.testing import assert_close

from vnb_belief.particles import (
    Particles,
    effective_sample_size,
    shrunk_jitter,
    silverman_bandwidth,
    systematic_indices,
)
from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cloud(n: int = 4000) -> Particles:
    g = generator()
    values = torch.randn(n, 3, generator=g, dtype=torch.float64) @ torch.tensor(
        [[1.0, 0.8, 0.0], [0.0, 0.6, 0.0], [0.0, 0.0, 1e-3]], dtype=torch.float64
    )
    return Particles.equal(values).reweighted(0.5 * values[:, 0])


def test_moments_and_effective_sample_size_of_two_particles() -> None:
    two = Particles(torch.tensor([[0.0], [4.0]]), torch.tensor([0.75, 0.25]).log())
    assert_close(two.mean(), torch.tensor([1.0]))
    assert_close(two.std(), torch.tensor([math.sqrt(3.0)]))
    assert two.ess == pytest.approx(1.0 / (0.75**2 + 0.25**2), rel=1e-5)
    assert Particles.equal(torch.zeros(7, 1)).ess == pytest.approx(7.0, rel=1e-5)


def test_reweighting_is_bayes_rule() -> None:
    prior = Particles(torch.zeros(3, 1), torch.tensor([0.5, 0.3, 0.2]).log())
    posterior = prior.reweighted(torch.tensor([0.1, 0.2, 0.4]).log() + 700.0)  # of any scale
    assert_close(posterior.weights, torch.tensor([0.05, 0.06, 0.08]) / 0.19, rtol=1e-3, atol=1e-4)
    dead = prior.reweighted(torch.tensor([-torch.inf, 0.0, 0.0]))
    assert float(dead.weights[0]) == 0.0


def test_evidence_that_nothing_explains_is_an_error() -> None:
    prior = Particles.equal(torch.zeros(2, 1))
    with pytest.raises(NonFiniteError, match="no particle explains"):
        prior.reweighted(torch.tensor([-torch.inf, -torch.inf]))
    with pytest.raises(NonFiniteError, match="particle weights"):
        prior.reweighted(torch.tensor([torch.nan, 0.0]))
    with pytest.raises(ShapeError, match="log-likelihood"):
        prior.reweighted(torch.zeros(3))
    with pytest.raises(ShapeError, match="particles"):
        Particles(torch.zeros(2, 1), torch.zeros(3))


def test_systematic_resampling_allots_within_one() -> None:
    weights = torch.tensor([0.07, 0.43, 0.0, 0.5], dtype=torch.float64)
    log_weights = torch.cat((weights.log(), torch.full((6,), -torch.inf, dtype=torch.float64)))
    for seed in range(50):
        counts = torch.bincount(systematic_indices(log_weights, generator(seed)), minlength=10)
        assert bool(((counts - 10 * log_weights.exp()).abs() < 1.0).all())
        assert int(counts[2:3].sum() + counts[4:].sum()) == 0
    a, b = (systematic_indices(log_weights, generator(7)) for _ in range(2))
    assert torch.equal(a, b)


def test_jitter_keeps_mean_and_covariance_where_plain_jitter_widens() -> None:
    before = cloud()
    index = systematic_indices(before.log_weights, generator(1))
    chosen = before.values[index]
    for repeat in range(30):
        chosen = shrunk_jitter(chosen, before, 0.9, generator(repeat))
    assert_close(chosen.mean(dim=0), before.mean(), rtol=0.0, atol=0.05)
    offset = before.values - before.mean()
    covariance = (before.weights[:, None] * offset).T @ offset
    assert_close(chosen.T.cov(), covariance, rtol=0.1, atol=0.05)
    assert len(chosen.unique(dim=0)) == len(chosen)


def test_jitter_of_a_point_stays_a_point_and_discount_one_does_nothing() -> None:
    point = Particles.equal(torch.ones(5, 2, dtype=torch.float64))
    assert_close(shrunk_jitter(point.values, point, 0.9, generator()), point.values)
    before = cloud(50)
    assert_close(shrunk_jitter(before.values, before, 1.0, generator()), before.values)
    for discount in (1.0 / 3.0, 1.01):
        with pytest.raises(ConfigError, match="discount"):
            shrunk_jitter(before.values, before, discount, generator())


def test_silverman_bandwidth_of_equal_weights() -> None:
    values = torch.linspace(-1.0, 1.0, 101, dtype=torch.float64)[:, None] * torch.tensor([1.0, 10.0])
    width = silverman_bandwidth(values, Particles.equal(values).log_weights)
    assert_close(width, (4.0 / 303.0) ** 0.2 * values.std(dim=0, correction=0))
    assert effective_sample_size(Particles.equal(values).log_weights) == pytest.approx(101.0)
