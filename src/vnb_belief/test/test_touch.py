"""Reading friction from touch: the Kalman filter's update per component, right for two modes, all else untouched."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from vnb_belief.friction import believed_friction, friction_nodes
from vnb_belief.layout import LATENT_DIM, LOG_MU
from vnb_belief.mixture import Mixture
from vnb_belief.touch import WRONG, WRONG_SPREAD, FrictionReading
from vnb_grasp.errors import ConfigError

READING = FrictionReading(offset=0.5, slope=0.8, noise=0.2, weights=(2.0, -1.0))


def belief(*modes: tuple[float, float, float]) -> Mixture:
    """Return a mixture whose components have these weights, means and deviations of log friction."""
    means = torch.randn(len(modes), LATENT_DIM, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    log_stds = torch.full((len(modes), LATENT_DIM), -1.0, dtype=torch.float64)
    for k, (_, mean, std) in enumerate(modes):
        means[k, LOG_MU], log_stds[k, LOG_MU] = mean, math.log(std)
    return Mixture(torch.tensor([math.log(weight) for weight, _, _ in modes], dtype=torch.float64), means, log_stds)


def test_one_gaussian_is_updated_as_by_the_kalman_filter() -> None:
    prior = belief((1.0, -1.0, 0.3))
    found = READING.update(prior, (0.1, 0.9))  # z = -0.7
    precision = 1.0 / 0.3**2 + 0.8**2 / 0.2**2
    mean = (-1.0 / 0.3**2 + 0.8 * (-0.7 - 0.5) / 0.2**2) / precision
    assert_close(found.means[0, LOG_MU], torch.full((5,), mean, dtype=torch.float64))
    assert_close(found.log_stds[0, LOG_MU].exp(), torch.full((5,), precision**-0.5, dtype=torch.float64))


def test_two_modes_are_weighed_as_bayes_rule_on_a_grid_says() -> None:
    prior, sensed = belief((0.5, math.log(0.25), 0.1), (0.5, math.log(0.6), 0.1)), (0.0, -0.1)
    found = READING.update(prior, sensed)
    grid = torch.linspace(-3.0, 1.0, 4001, dtype=torch.float64)

    def density(mixture: Mixture) -> torch.Tensor:
        mean, std = mixture.means[:, LOG_MU][:, :1], mixture.log_stds[:, LOG_MU][:, :1].exp()
        return (mixture.weights[:, None] * torch.exp(-0.5 * ((grid - mean) / std) ** 2) / std).sum(0)

    updated = Mixture(found.logits[:2], found.means[:2], found.log_stds[:2])
    likelihood = torch.exp(-0.5 * ((READING.read(sensed) - 0.5 - 0.8 * grid) / 0.2) ** 2)
    expected = density(prior) * likelihood
    actual = density(updated)
    assert_close(actual / actual.sum(), expected / expected.sum(), atol=1e-9, rtol=1e-6)
    assert not torch.allclose(updated.weights, prior.weights, atol=0.05)


def test_a_reading_that_no_friction_explains_is_not_believed() -> None:
    prior = belief((1.0, -1.0, 0.3))
    plausible, absurd = (READING.update(prior, (0.0, -z)).weights for z in (-0.3, 5.0))
    total = 0.8**2 * 0.3**2 + 0.2**2
    odds = (1.0 - WRONG) / WRONG * WRONG_SPREAD
    assert_close(plausible[0] / plausible[1], torch.tensor(odds, dtype=torch.float64))  # as predicted: no surprise
    expected = odds * math.exp(-0.5 * (5.0 - 0.5 + 0.8) ** 2 / total * (1.0 - WRONG_SPREAD**-2))
    assert_close(absurd[0] / absurd[1], torch.tensor(expected, dtype=torch.float64))
    assert absurd[1] > 0.999


def test_all_else_stays_as_it_was() -> None:
    prior = belief((0.3, -1.0, 0.3), (0.7, -0.5, 0.2))
    found = READING.update(prior, (0.4, 0.2))
    others = [i for i in range(LATENT_DIM) if i not in range(LATENT_DIM)[LOG_MU]]
    assert torch.equal(found.means[:, others], torch.cat((prior.means, prior.means))[:, others])
    assert torch.equal(found.log_stds[:, others], torch.cat((prior.log_stds, prior.log_stds))[:, others])
    assert torch.equal(found.means[2:], prior.means)


@given(z=st.floats(-5.0, 5.0), noise=st.floats(0.01, 10.0), slope=st.floats(-2.0, 2.0))
def test_a_reading_never_widens_a_component_and_a_useless_one_changes_nothing(
    z: float, noise: float, slope: float
) -> None:
    prior = belief((0.4, -1.2, 0.3), (0.6, -0.6, 0.1))
    found = FrictionReading(0.0, slope, noise, (1.0,)).update(prior, (z,))
    assert bool((found.log_stds <= torch.cat((prior.log_stds, prior.log_stds)) + 1e-12).all())
    useless = FrictionReading(0.0, 0.0, noise, (1.0,)).update(prior, (z,))
    assert_close(useless.weights.reshape(2, 2).sum(0), prior.weights)
    assert_close(useless.means, torch.cat((prior.means, prior.means)))


def test_readings_of_a_truth_are_calibrated() -> None:
    """Truths from the prior, readings from the law: the posterior's standard scores have variance one."""
    generator = torch.Generator().manual_seed(1)
    truth = -1.0 + 0.3 * torch.randn(2000, generator=generator, dtype=torch.float64)
    noise = torch.randn(2000, generator=generator, dtype=torch.float64)
    one = FrictionReading(0.5, 0.8, 0.2, (1.0,))
    scores = []
    for mu, error in zip(truth.tolist(), noise.tolist(), strict=True):
        found = one.update(belief((1.0, -1.0, 0.3)), (0.5 + 0.8 * mu + 0.2 * error,))
        scores.append((mu - float(found.means[0, LOG_MU][0])) / float(found.log_stds[0, LOG_MU][0].exp()))
    assert_close(torch.tensor(scores).mean(), torch.tensor(0.0), atol=0.07, rtol=0.0)
    assert_close(torch.tensor(scores).var(), torch.tensor(1.0), atol=0.1, rtol=0.0)


def test_rows_go_there_and_back() -> None:
    assert FrictionReading.of(READING.row()) == READING
    assert FrictionReading.of(()) is None


@pytest.mark.parametrize("row", [(1.0,), (1.0, 1.0, 0.1), (1.0, 1.0, 0.0, 1.0), (math.nan, 1.0, 0.1, 1.0)])
def test_rows_that_are_none_are_refused(row: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="friction reading"):
        FrictionReading.of(row)


def test_another_number_of_quantities_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected 2"):
        READING.update(belief((1.0, -1.0, 0.3)), (1.0,))


def test_nodes_have_the_moments_asked_for() -> None:
    nodes, weights = friction_nodes(-1.0, 0.3)
    assert_close(weights @ nodes.log(), torch.tensor(-1.0, dtype=torch.float64))
    assert_close(weights @ (nodes.log() + 1.0) ** 2, torch.tensor(0.09, dtype=torch.float64))
    own, own_weights = believed_friction(belief((1.0, -1.0, 0.3)))
    assert_close(own, nodes)
    assert_close(own_weights, weights)
