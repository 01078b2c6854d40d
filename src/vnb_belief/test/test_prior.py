import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from vnb_belief import layout
from vnb_belief.prior import ACCURACIES, PriorConfig, at_accuracy, prior_mixture, prior_scales, stated_accuracy
from vnb_grasp.errors import ConfigError


@pytest.mark.parametrize("k", [1, 3, 8])
def test_moments_do_not_depend_on_the_number_of_components(k: int) -> None:
    mean, std = prior_scales()
    mixture = prior_mixture(k)
    assert_close(mixture.mean(), mean)
    assert_close(mixture.covariance().diagonal(), std.square())
    assert_close(mixture.weights, torch.full((k,), 1.0 / k, dtype=torch.float64))


def test_friction_covers_the_effective_range_and_nothing_far_from_it() -> None:
    low, high = (math.sqrt(0.35 * mu) for mu in (0.15, 1.2))
    mu = layout.to_physical(prior_mixture(8).sample(20_000, torch.Generator().manual_seed(0))).mu
    inside = ((mu > low) & (mu < high)).double().mean()
    assert 0.93 < inside < 0.99
    assert float(mu.max()) < 1.4 * high and float(mu.min()) > low / 1.4
    # flat in log friction: each third of the range holds a third of the mass
    thirds = torch.histc(mu[:, 0].log(), bins=3, min=math.log(low), max=math.log(high)) / len(mu)
    assert_close(thirds, torch.full((3,), 0.32, dtype=torch.float64), rtol=0.0, atol=0.02)


def test_contacts_share_friction() -> None:
    covariance = prior_mixture(8).covariance()[layout.LOG_MU, layout.LOG_MU]
    assert float(covariance[0, 1] / covariance[0, 0]) > 0.9


def test_stiffness_has_the_stated_moments() -> None:
    kappa = layout.to_physical(prior_mixture(2).sample(100_000, torch.Generator().manual_seed(0))).kappa
    assert float(kappa.mean()) == pytest.approx(1000.0, abs=5.0)
    assert float(kappa.std()) == pytest.approx(250.0, abs=5.0)


def test_other_entries_have_the_stated_centre_and_spread() -> None:
    config = PriorConfig(damping_median=7.0, slip_median=0.002, position_std=0.004, rotation_std=0.03)
    mixture = prior_mixture(1, config)
    physical = layout.to_physical(mixture.mean())
    np.testing.assert_allclose(physical.damping, 7.0)
    np.testing.assert_allclose(physical.slip, 0.002)
    np.testing.assert_allclose(physical.pose, 0.0)
    np.testing.assert_allclose(mixture.stds[0, layout.POSE], [0.004] * 3 + [0.03] * 3)


def test_bad_ranges_are_named() -> None:
    with pytest.raises(ConfigError, match="components: got 0"):
        prior_mixture(0)
    with pytest.raises(ConfigError, match="damping_median: got nan"):
        PriorConfig(damping_median=math.nan)
    with pytest.raises(ConfigError, match="low < high"):
        PriorConfig(friction_object_low=1.3)


def test_stated_accuracy_is_one_for_the_priors_own_spread_and_bounded() -> None:
    trace = 3.0 * (0.0025**2 + 0.025**2)
    observation = torch.zeros(4, layout.OBSERVATION_DIM, dtype=torch.float64)
    observation[:, layout.OBS_TRACE.start] = torch.tensor([trace, 4.0 * trace, 0.0, 100.0])
    assert_close(stated_accuracy(observation), torch.tensor([1.0, 2.0, *ACCURACIES], dtype=torch.float64))


def test_a_worse_sensor_broadens_the_pose_alone() -> None:
    prior = prior_mixture(3)
    broad = at_accuracy(prior, torch.tensor([1.0, 2.0], dtype=torch.float64))
    assert_close(broad.stds[0], prior.stds)
    assert_close(broad.stds[1, :, layout.POSE], 2.0 * prior.stds[:, layout.POSE])
    assert_close(broad.stds[1, :, 6:], prior.stds[:, 6:])
