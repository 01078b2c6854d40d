import dataclasses
import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from vnb_belief import layout
from vnb_belief.beliefs.particle_filter import ParticleFilterBelief
from vnb_belief.beliefs.particle_filter_config import ParticleFilterConfig
from vnb_belief.features import pose_from_vector
from vnb_belief.geometry import GraspGeometry
from vnb_belief.likelihoods import friction_log_likelihood
from vnb_belief.prior import PriorConfig, prior_scales
from vnb_grasp.description import load_hand, load_object
from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError

HAND, BOX = load_hand("l6_v31"), load_object("cube")
TRACE = 3 * 0.0025**2 + 3 * 0.025**2
Q = torch.full((11,), 0.2, dtype=torch.float64)
HOLD = torch.zeros(6, dtype=torch.float64)


def true_position(depth: float = 0.0) -> Tensor:
    """Where the cube's face is touched by the index, ring and pinky fingertips' mean, ``depth`` deep."""
    geometry = GraspGeometry(HAND, BOX)
    tips = geometry.fingertips(Q)
    centre = tips.centres[1].clone()
    half = BOX.geoms[0].size[2]
    return centre + torch.tensor([0.0, 0.0, half + HAND.pads[1].radius - depth], dtype=torch.float64)


def observation(
    position: Tensor, force: float = 0.0, contact: bool = False, noise: Tensor | None = None, trace: float = TRACE
) -> Tensor:
    vector = torch.zeros(layout.OBSERVATION_DIM, dtype=torch.float64)
    vector[:3] = position
    if noise is not None:
        vector[layout.OBS_POSE] += noise
    vector[layout.OBS_TRACE] = trace
    vector[layout.OBS_FORCE.start + 1] = force
    vector[layout.OBS_CONTACT.start + 1] = float(contact)
    vector[layout.OBS_JOINT_POSITION] = Q
    return vector


def start(belief: ParticleFilterBelief, vector: Tensor) -> None:
    belief.reset(vector, pose_from_vector(vector[layout.OBS_POSE]))


def make(**changes: object) -> ParticleFilterBelief:
    return ParticleFilterBelief(HAND, BOX, dataclasses.replace(ParticleFilterConfig(), **changes))


def follow(belief: ParticleFilterBelief, steps: int, bias: Tensor, **seen: float) -> None:
    """Rest at the true position while estimates show it with a constant bias and white noise."""
    g = torch.Generator().manual_seed(5)
    spread = torch.tensor([0.0015] * 3 + [0.015] * 3, dtype=torch.float64)
    for step in range(steps + 1):
        noise = bias + spread * torch.randn(6, generator=g, dtype=torch.float64)
        vector = observation(true_position(seen.get("depth", 0.0)), seen.get("force", 0.0), "force" in seen, noise)
        if step == 0:
            start(belief, vector)
        else:
            belief.update(HOLD, vector)


NO_BIAS = torch.zeros(6, dtype=torch.float64)


def test_starts_at_the_prior_around_the_estimate() -> None:
    belief = make(num_particles=4000)
    start(belief, observation(true_position() + 1.0))  # far from the fingers: no touch to explain
    mean, std = prior_scales()
    mixture = belief.mixture
    particles = mixture.means
    assert mixture.num_components == 4000
    assert_close(particles.mean(dim=0), mean, rtol=0.02, atol=0.06)
    assert_close(particles.std(dim=0), std, rtol=0.06, atol=1e-4)
    assert belief.ess == pytest.approx(4000.0)


def test_summary_holds_the_particles_and_their_weights() -> None:
    belief = make()
    follow(belief, 5, NO_BIAS)
    mixture = belief.mixture
    assert mixture.means.shape == (100, 26)
    assert bool((mixture.stds > 0.0).all())
    assert 1.0 / float(mixture.weights.square().sum()) == pytest.approx(belief.ess, rel=1e-6)
    kappa = mixture.means[:, layout.LOG_KAPPA]
    assert torch.equal(kappa, kappa[:, :1].expand(-1, 5))  # one stiffness per object


def test_contacts_share_the_friction_of_the_object() -> None:
    belief = make()
    follow(belief, 30, NO_BIAS, force=3.0, depth=0.003)
    mu = belief.mixture.means[:, layout.LOG_MU]
    assert float(mu.std(dim=1).max()) < 0.1
    assert float(mu.mean(dim=1).std()) > 0.2


def test_without_tangential_load_friction_stays_as_wide_as_the_prior() -> None:
    belief = make()
    std = float(prior_scales()[1][layout.LOG_MU.start])
    follow(belief, 60, torch.tensor([0.002, -0.002, 0.002, 0.02, 0.0, -0.02]).double(), force=6.0, depth=0.006)
    mixture = belief.mixture
    mu = mixture.means[:, layout.LOG_MU]
    spread = (mixture.weights @ (mu - mixture.weights @ mu).square()).sqrt()
    assert bool((spread > 0.85 * std).all()) and bool((spread < 1.15 * std).all())
    assert belief.friction_ess == pytest.approx(100.0)


def test_a_known_load_moves_friction_as_the_exact_filter_says() -> None:
    belief = make(num_particles=20_000, contact_spread=1e-4)
    start(belief, observation(true_position() + 1.0))
    prior = PriorConfig()
    ends = [0.5 * math.log(prior.friction_finger * x) for x in (prior.friction_object_low, prior.friction_object_high)]
    grid = torch.linspace(ends[0] - 0.3, ends[1] + 0.3, 8001, dtype=torch.float64)
    blur = prior.friction_smoothing * math.sqrt(2.0)
    exact = (torch.special.erf((grid - ends[0]) / blur) - torch.special.erf((grid - ends[1]) / blur)).clamp(min=1e-300)
    log_exact = exact.log()
    one = torch.eye(5, dtype=torch.float64)[1]
    for normal, tangential, slip in ((3.0, 0.6, 0.0), (3.0, 0.9, 0.0), (2.0, 0.9, 1.0), (4.0, 1.2, 0.0)):
        belief.observe_load(normal * one, tangential * one, slip * one)
        log_exact = log_exact + friction_log_likelihood(
            grid, torch.tensor(normal), torch.tensor(tangential), torch.tensor(slip), belief.config.friction_noise
        )
        weights = log_exact.softmax(dim=0)
        mean = float(weights @ grid)
        std = float((weights @ (grid - mean).square()).sqrt())
        mixture = belief.mixture
        log_mu = mixture.means[:, layout.LOG_MU.start + 1]
        error = 5.0 * std / math.sqrt(belief.friction_ess)
        found = float(mixture.weights @ log_mu)
        assert found == pytest.approx(mean, abs=error)
        assert float((mixture.weights @ (log_mu - found).square()).sqrt()) == pytest.approx(std, abs=error)
        other = float(mixture.weights @ mixture.means[:, layout.LOG_MU.start + 4])
        assert other == pytest.approx(mean, abs=error)  # what one contact shows, all contacts know


def test_touch_corrects_a_biased_pose_and_its_absence_does_too() -> None:
    for bias, seen in ((-0.004, {"force": 0.5, "depth": 0.0005}), (0.004, {"depth": -0.001})):
        belief, blind = make(num_particles=2000), make(num_particles=2000, gap_steps=1e9)
        constant = torch.tensor([0.0, 0.0, -bias, 0.0, 0.0, 0.0], dtype=torch.float64)
        for each in (belief, blind):
            follow(each, 40, constant, **seen)
        errors = []
        for each in (belief, blind):
            state = each._started()
            z = float(state.log_weights.exp() @ each._poses(state)[:, 2, 3])
            errors.append(abs(z - float(true_position(seen["depth"])[2])))
        assert errors[0] < errors[1] - 0.0002


def test_constant_bias_is_not_averaged_away() -> None:
    belief = make(num_particles=1000, gap_steps=1e9)
    follow(belief, 60, NO_BIAS)
    std = belief.mixture.covariance().diagonal().sqrt()[:3]
    assert bool((std > 0.0019).all())


def test_force_and_depth_show_stiffness() -> None:
    for depth, kappa in ((0.003, 1400.0), (0.007, 600.0)):
        belief = make(num_particles=500, gap_steps=4.0)
        follow(belief, 40, NO_BIAS, force=4.2, depth=depth)
        found = float(belief.mixture.mean()[layout.LOG_KAPPA.start])
        assert abs(found - math.log(kappa)) < abs(float(prior_scales()[0][layout.LOG_KAPPA.start]) - math.log(kappa))


def test_deterministic_and_a_reset_forgets() -> None:
    a, b = make(), make()
    for belief in (a, b):
        follow(belief, 10, NO_BIAS, force=2.0, depth=0.002)
    assert torch.equal(a.mixture.means, b.mixture.means)
    first = a.mixture
    follow(a, 10, NO_BIAS, force=2.0, depth=0.002)
    assert torch.equal(a.mixture.means, first.means)
    other = ParticleFilterBelief(HAND, BOX, seed=1)
    follow(other, 10, NO_BIAS, force=2.0, depth=0.002)
    assert not torch.equal(other.mixture.means, first.means)


def test_prediction_widens_and_changes_nothing() -> None:
    belief = make()
    follow(belief, 5, NO_BIAS, force=2.0, depth=0.002)
    now = belief.mixture
    predicted = belief.predict(HOLD)
    assert bool((predicted.stds[:, layout.POSE] > now.stds[:, layout.POSE]).all())
    assert torch.equal(predicted.means[:, layout.LOG_MU], now.means[:, layout.LOG_MU])
    vector = observation(true_position(0.002), 2.0, True)
    after = belief.update(HOLD, vector)
    again = make()
    follow(again, 5, NO_BIAS, force=2.0, depth=0.002)
    assert torch.equal(again.update(HOLD, vector).means, after.means)


def test_a_thrown_object_is_followed() -> None:
    belief = make()
    follow(belief, 20, NO_BIAS, force=2.0, depth=0.002)
    away = true_position() + torch.tensor([0.05, 0.05, 0.0], dtype=torch.float64)
    for _ in range(3):
        belief.update(HOLD, observation(away))
    assert float(belief.mixture.mean()[:3].norm()) < 0.006


def test_entropy_is_finite_and_draws_follow_the_summary() -> None:
    belief = make()
    follow(belief, 3, NO_BIAS)
    g = torch.Generator().manual_seed(0)
    assert math.isfinite(float(belief.entropy(g)))
    draws = belief.sample(4000, g)
    assert_close(draws.mean(dim=0), belief.mixture.mean(), rtol=0.05, atol=0.1)


def test_bad_input_is_refused_and_leaves_the_belief() -> None:
    with pytest.raises(ConfigError, match="no object"):
        start(ParticleFilterBelief(HAND, None), observation(true_position()))
    belief = make()
    with pytest.raises(ConfigError, match="reset"):
        belief.observe_load(torch.zeros(5), torch.zeros(5), torch.zeros(5))
    with pytest.raises(ConfigError, match="trace"):
        start(belief, observation(true_position(), trace=0.0))
    follow(belief, 2, NO_BIAS)
    now = belief.mixture
    with pytest.raises(ConfigError, match="trace"):
        belief.update(HOLD, observation(true_position(), trace=-1.0))
    with pytest.raises(ShapeError, match="slip"):
        belief.observe_load(torch.zeros(5), torch.zeros(5), torch.zeros(4))
    with pytest.raises(NonFiniteError, match="normal force"):
        belief.observe_load(torch.full((5,), torch.nan), torch.zeros(5), torch.zeros(5))
    assert belief.mixture is now


@pytest.mark.parametrize(
    "changes",
    [
        {"num_particles": 1},
        {"contact_spread": 0.0},
        {"bias_share": 1.0},
        {"motion_free": (0.0, 1.0)},
        {"resample_below": 0.0},
        {"discount": 0.3},
        {"gap_steps": 0.5},
        {"decision_period": 0.0},
    ],
)
def test_bad_configuration_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="particle filter"):
        make(**changes)
