import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from vnb_belief import layout
from vnb_belief.dynamics import MEMORY_DIM, BeliefDynamics, DynamicsConfig, Normalisation
from vnb_belief.mixture import Mixture
from vnb_belief.prior import prior_mixture
from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError


def shaken(config: DynamicsConfig | None = None, size: float = 0.3, seed: int = 0) -> BeliefDynamics:
    """A model whose decoder is not zero, in double precision."""
    model = BeliefDynamics(config).double()
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data += size * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return model


USUAL_TRACE = 3.0 * (0.0025**2 + 0.025**2)
"""Of a sensor that is as accurate as the prior says."""


def inputs(*batch: int, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    action = torch.randn(*batch, 6, generator=g, dtype=torch.float64)
    observation = torch.randn(*batch, 41, generator=g, dtype=torch.float64)
    observation[..., layout.OBS_TRACE] = USUAL_TRACE
    return action, observation


def assert_same(ours: Mixture, theirs: Mixture) -> None:
    for name in ("logits", "means", "log_stds"):
        assert_close(getattr(ours, name), getattr(theirs, name))


@pytest.mark.parametrize("k", [1, 8])
def test_layer_sizes_are_the_stated_ones(k: int) -> None:
    model = BeliefDynamics(DynamicsConfig(num_components=k))

    def sizes(network: nn.Module) -> list[int]:
        linear = [m for m in network.modules() if isinstance(m, nn.Linear)]
        return [linear[0].in_features, *(m.out_features for m in linear)]

    assert sizes(model.transition) == [70, 128, 128, 64]
    assert sizes(model.observe) == [105, 128, 128, 64]
    assert sizes(model.decoder) == [64, 64, k * (2 * 26 + 1)]


@pytest.mark.parametrize("k", [1, 8])
def test_untrained_network_is_the_prior_whatever_it_sees(k: int) -> None:
    model = BeliefDynamics(DynamicsConfig(num_components=k)).double()
    h, phi = model.initial_state(4)
    for seed in range(3):
        h, phi = model.step(h, phi, *inputs(4, seed=seed))
    prior = prior_mixture(k).expand(4)
    for name in ("logits", "means", "log_stds"):
        assert_close(getattr(phi, name), getattr(prior, name), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_rollout_equals_stepping(batch: tuple[int, ...]) -> None:
    model = shaken()
    actions, observations = inputs(*batch, 5)
    beliefs = model.rollout(actions, observations)
    h, phi = model.begin(observations[..., 0, :])
    for t in range(5):
        h, phi = model.step(h, phi, actions[..., t, :], observations[..., t, :])
        at_t = Mixture(beliefs.logits[..., t, :], beliefs.means[..., t, :, :], beliefs.log_stds[..., t, :, :])
        assert_same(phi, at_t)


def test_small_jumps_of_the_estimate_are_averaged_and_long_ones_are_motion() -> None:
    """An untrained network on a resting object: the mean is the moving average of the estimates, told from the last."""
    model = BeliefDynamics(DynamicsConfig(steadiness=50.0)).double()
    actions, observations = inputs(6)
    observations[:, :6] *= 0.001
    beliefs = model.rollout(actions, observations)
    average = torch.zeros(6, dtype=torch.float64)
    h, phi = model.initial_state()
    previous = torch.zeros(6, dtype=torch.float64)
    for t, motion in enumerate(observations[:, :6]):
        average = average + model.config.alpha * (motion - average)
        assert_close(beliefs.means[t, :, :6], (average - motion).expand(8, 6), rtol=1e-3, atol=1e-6)
        h, phi = model.step(h, phi, actions[t], observations[t], previous)
        previous = motion
        assert_close(phi.means, beliefs.means[t])
    observations[:, :6] *= 1e6  # a thrown object
    assert_close(model.rollout(actions, observations).means[..., :6], torch.zeros(6, 8, 6, dtype=torch.float64))


def test_the_pose_is_as_uncertain_as_the_sensor_states() -> None:
    model = shaken()
    actions, observations = inputs(4)
    # The network sees the trace too; without that, and without motion, a threefold error is a threefold pose.
    model.observe[0].weight.data[:, 64 + layout.OBS_TRACE.start] = 0.0
    observations[:, layout.OBS_POSE] = 0.0
    base = model.rollout(actions, observations)
    observations[:, layout.OBS_TRACE] *= 9.0
    worse = model.rollout(actions, observations)
    assert_close(worse.means[..., layout.POSE], 3.0 * base.means[..., layout.POSE])
    assert_close(worse.stds[..., layout.POSE], 3.0 * base.stds[..., layout.POSE])
    assert_close(worse.means[..., 6:], base.means[..., 6:])
    assert_close(worse.log_stds[..., 6:], base.log_stds[..., 6:])


def test_step_is_the_moving_average_of_decodes() -> None:
    model = shaken(DynamicsConfig(alpha=0.25))
    action, observation = inputs()
    h, phi = model.initial_state()
    h_next, phi_next = model.step(h, phi, action, observation)
    decoded = model.decode(h_next)
    assert_close(phi_next.means, 0.75 * phi.means + 0.25 * decoded.means)
    assert_close(phi_next.logits, 0.75 * phi.logits + 0.25 * decoded.logits)
    assert_close(phi_next.log_stds, 0.75 * phi.log_stds + 0.25 * decoded.log_stds)


def test_batch_entries_do_not_mix() -> None:
    model = shaken()
    actions, observations = inputs(3, 4)
    whole = model.rollout(actions, observations)
    alone = model.rollout(actions[1], observations[1])
    assert_close(whole.means[1], alone.means)


def test_action_and_observation_both_matter() -> None:
    model = shaken()
    action, observation = inputs()
    _, base = model.step(*model.initial_state(), action, observation)
    for changed in ((action + 0.1, observation), (action, observation + 0.1)):
        _, other = model.step(*model.initial_state(), *changed)
        assert float((other.means - base.means).detach().abs().max()) > 1e-6


def test_inputs_are_normalised() -> None:
    action, observation = inputs()
    plain = shaken()
    mean, std, raw = torch.full((41,), 2.0), torch.full((41,), 4.0), 4.0 * observation + 2.0
    trace = layout.OBS_TRACE  # also says how broad the pose is, so it stays
    mean[trace], std[trace], raw[trace] = 0.0, 1.0, observation[trace]
    norm = Normalisation(mean, std, torch.full((6,), 0.5))
    scaled = BeliefDynamics(normalisation=norm).double()
    scaled.load_state_dict({**plain.state_dict(), **{n: getattr(scaled, n) for n in vars(norm)}})
    _, ours = scaled.step(*scaled.initial_state(), 0.5 * action, raw)
    _, theirs = plain.step(*plain.initial_state(), action, observation)
    assert_same(ours, theirs)


def test_stds_stay_inside_their_smooth_bounds_with_live_gradients() -> None:
    config = DynamicsConfig()
    model = BeliefDynamics(config).double()
    scale = model.latent_scale
    for push in (-3.0, 3.0):
        bias = model.decoder[-1].bias
        bias.data.fill_(push)
        decoded = model.decode(torch.zeros(64, dtype=torch.float64))
        relative = decoded.stds / scale
        assert (relative > config.std_floor).all() and (relative < config.std_ceiling).all()
        (gradient,) = torch.autograd.grad(decoded.log_stds.sum(), bias)
        assert (gradient[8 + 8 * 26 :] > 0.0).all()


def test_untrained_network_remembers_and_does_not_explode() -> None:
    model = BeliefDynamics().double()
    _, observation = inputs()
    quiet, hold = torch.zeros(41, dtype=torch.float64), torch.zeros(6, dtype=torch.float64)
    with torch.no_grad():
        h, _ = model.initial_state()
        h = first = model.embed(h, hold, observation)
        for _ in range(60):
            h = model.embed(h, hold, quiet)
    memory = slice(0, MEMORY_DIM)
    assert_close(h[memory], first[memory])
    assert float(first[memory].abs().max()) > 0.01


def test_large_inputs_are_compressed_and_small_ones_are_not() -> None:
    model = shaken()
    hold = torch.zeros(6, dtype=torch.float64)

    def response(size: float) -> torch.Tensor:
        zero, pushed = torch.zeros(64, dtype=torch.float64), torch.zeros(41, dtype=torch.float64)
        pushed[6] = size
        base = model.embed(zero, hold, torch.zeros(41, dtype=torch.float64))
        return (model.embed(zero, hold, pushed) - base).detach().norm()

    assert float(response(2e-4) / response(1e-4)) == pytest.approx(2.0, rel=0.02)
    assert float(response(2e4) / response(1e4)) < 1.2


def test_gradients_reach_every_weight() -> None:
    model = shaken(size=0.05)
    beliefs = model.rollout(*inputs(2, 3))
    beliefs.log_prob(torch.zeros(2, 3, layout.LATENT_DIM, dtype=torch.float64)).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and float(parameter.grad.abs().sum()) > 0.0, name


def test_dropout_acts_only_while_training() -> None:
    model = shaken()
    sequence = inputs(5)
    assert torch.equal(model.rollout(*sequence).means, model.rollout(*sequence).means)
    model.train()
    assert not torch.equal(model.rollout(*sequence).means, model.rollout(*sequence).means)


def test_same_generator_same_weights() -> None:
    a, b, c = (BeliefDynamics(generator=torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert torch.equal(a.transition[0].weight, b.transition[0].weight)
    assert not torch.equal(a.transition[0].weight, c.transition[0].weight)


def test_bad_inputs_are_named() -> None:
    model = shaken()
    action, observation = inputs()
    with pytest.raises(NonFiniteError, match="observation"):
        model.step(*model.initial_state(), action, observation * math.nan)
    with pytest.raises(NonFiniteError, match="action"):
        model.step(*model.initial_state(), action * math.inf, observation)
    with pytest.raises(ShapeError, match="action"):
        model.step(*model.initial_state(), action[:5], observation)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_components": 0}, "num_components"),
        ({"alpha": 0.0}, "alpha"),
        ({"alpha": 1.5}, "alpha"),
        ({"dropout": 1.0}, "dropout"),
        ({"std_floor": 2.0, "std_ceiling": 1.0}, "floor < ceiling"),
    ],
)
def test_bad_hyperparameters_are_named(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DynamicsConfig(**arguments)


def test_bounds_that_exclude_the_prior_are_refused() -> None:
    with pytest.raises(ConfigError, match="contain the prior"):
        BeliefDynamics(DynamicsConfig(std_floor=0.5))


def test_bad_normalisation_is_named() -> None:
    with pytest.raises(ConfigError, match="action_std"):
        Normalisation(torch.zeros(41), torch.ones(41), torch.zeros(6))
    with pytest.raises(ShapeError, match="observation_mean"):
        Normalisation(torch.zeros(40), torch.ones(41), torch.ones(6))
