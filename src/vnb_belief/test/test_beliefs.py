from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from vnb_belief import layout
from vnb_belief.beliefs import BELIEFS, Belief, BeliefContext, LearnedBelief, PriorBelief
from vnb_belief.checkpoint import Provenance, save_checkpoint
from vnb_belief.dynamics import VISION_FLOOR, BeliefDynamics, DynamicsConfig
from vnb_belief.features import pose_from_vector
from vnb_belief.prior import prior_mixture
from vnb_grasp.description import load_hand
from vnb_grasp.errors import CheckpointError, ConfigError, NonFiniteError, ShapeError, UnknownNameError


def learned(k: int = 4) -> LearnedBelief:
    model = BeliefDynamics(DynamicsConfig(num_components=k))
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    return LearnedBelief(model)


def inputs(steps: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    observations = 0.1 * torch.randn(steps + 1, 41, generator=g, dtype=torch.float64)
    observations[:, layout.OBS_TRACE] = 3.0 * (0.0025**2 + 0.025**2)
    actions = torch.randn(steps, 6, generator=g, dtype=torch.float64)
    return actions, observations, pose_from_vector(observations[0, :6])


BOTH = pytest.mark.parametrize("belief", [learned(), PriorBelief(4)], ids=["learned", "prior"])


@BOTH
def test_interface(belief: Belief) -> None:
    actions, observations, start = inputs()
    for mixture in (belief.reset(observations[0], start), belief.update(actions[0], observations[1])):
        assert mixture.means.shape == (4, 26)
        assert mixture.means.dtype == torch.float64
        assert not mixture.means.requires_grad


@BOTH
def test_bad_input_raises_and_leaves_the_state(belief: Belief) -> None:
    actions, observations, start = inputs()
    belief.reset(observations[0], start)
    expected = belief.update(actions[0], observations[1])
    belief.reset(observations[0], start)
    bad = observations[1].clone()
    bad[8] = torch.nan
    with pytest.raises(NonFiniteError, match="observation"):
        belief.update(actions[0], bad)
    with pytest.raises(NonFiniteError, match="action"):
        belief.update(actions[0] * torch.inf, observations[1])
    with pytest.raises(ShapeError, match="observation"):
        belief.update(actions[0], observations[1, :40])
    with pytest.raises(NonFiniteError, match="observation"):
        belief.reset(bad, start)
    with pytest.raises(NonFiniteError, match="T_hand_object"):
        belief.reset(observations[1], start * torch.nan)
    after = belief.update(actions[0], observations[1])
    assert torch.equal(after.means, expected.means)


def test_reset_forgets() -> None:
    belief = learned()
    actions, observations, start = inputs()
    first = belief.reset(observations[0], start)
    for action, observation in zip(actions, observations[1:], strict=True):
        last = belief.update(action, observation)
    assert not torch.equal(first.means, last.means)
    assert torch.equal(belief.reset(observations[0], start).means, first.means)


@pytest.mark.parametrize("belief", [learned(), PriorBelief(4)], ids=["learned", "prior"])
def test_update_before_reset_is_refused(belief: Belief) -> None:
    actions, observations, _ = inputs()
    with pytest.raises(ConfigError, match="reset"):
        belief.update(actions[0], observations[1])


def test_learned_belief_does_not_see_where_the_object_started() -> None:
    _, observations, start = inputs()
    moved = observations[0].clone()
    moved[:6] += 0.7
    a, b = learned(), learned()
    assert_close(a.reset(observations[0], start).means, b.reset(moved, pose_from_vector(moved[:6])).means)


def test_what_cameras_say_of_the_view_moves_only_a_belief_that_has_learned_from_it() -> None:
    spread = torch.ones(layout.OBSERVATION_DIM)
    _, observations, start = inputs()
    hidden = observations[0].clone()
    hidden[layout.OBS_OCCLUSION], hidden[layout.OBS_SEGMENTATION] = 1.0, 0.0
    for floor, moves in ((VISION_FLOOR, False), (0.2, True)):
        spread[layout.OBS_OCCLUSION] = spread[layout.OBS_SEGMENTATION] = floor
        model = learned()._model
        model.load_state_dict({**model.state_dict(), "observation_std": spread})
        belief = LearnedBelief(model)
        seen = belief.reset(observations[0], start).means
        assert torch.equal(belief.reset(hidden, start).means, seen) is not moves


def test_the_shipped_belief_has_learned_without_cameras() -> None:
    _, observations, start = inputs()
    belief = LearnedBelief.from_checkpoint()
    hidden = observations[0].clone()
    hidden[layout.OBS_OCCLUSION], hidden[layout.OBS_SEGMENTATION] = 1.0, 0.0
    assert torch.equal(belief.reset(observations[0], start).means, belief.reset(hidden, start).means)


def test_learned_belief_does_not_drop_units() -> None:
    model = BeliefDynamics(DynamicsConfig(dropout=0.5)).train()
    LearnedBelief(model)
    assert not model.training


def test_prior_never_moves() -> None:
    belief = PriorBelief(8)
    actions, observations, start = inputs()
    belief.reset(observations[0], start)
    changed = observations[1] + 5.0
    changed[layout.OBS_TRACE] = observations[1, layout.OBS_TRACE]
    mixture = belief.update(actions[0], changed)
    assert_close(mixture.means, prior_mixture(8).means)
    assert_close(mixture.log_stds, prior_mixture(8).log_stds)


def context(checkpoint: Path | None = None) -> BeliefContext:
    return BeliefContext(load_hand("l6_v31"), checkpoint=checkpoint)


def test_registry_builds_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    save_checkpoint(path, BeliefDynamics(DynamicsConfig(num_components=2)), Provenance("c", 0, 1, "h", "d", 1, 1))
    _, observations, start = inputs()
    assert BELIEFS["learned"](context(path)).reset(observations[0], start).num_components == 2
    assert BELIEFS["prior"](context()).reset(observations[0], start).num_components == 8
    with pytest.raises(CheckpointError, match="no such file"):
        BELIEFS["learned"](context(tmp_path / "none.pt"))
    with pytest.raises(UnknownNameError, match="flow, implicit, learned, particle_filter, prior"):
        BELIEFS["psychic"]
    for name in BELIEFS:
        assert BELIEFS[name](context()).name == name


def test_context_refuses_a_negative_seed() -> None:
    with pytest.raises(ConfigError, match="seed"):
        BeliefContext(load_hand("l6_v31"), seed=-1)


@BOTH
def test_summary_is_what_was_returned_last(belief: Belief) -> None:
    actions, observations, start = inputs()
    assert belief.reset(observations[0], start) is belief.mixture
    assert belief.update(actions[0], observations[1]) is belief.mixture


@BOTH
def test_density_draws_and_entropy_are_those_of_the_summary(belief: Belief) -> None:
    _, observations, start = inputs()
    mixture = belief.reset(observations[0], start)

    def generator() -> torch.Generator:
        return torch.Generator().manual_seed(3)

    draws = belief.sample(5, generator())
    assert torch.equal(draws, mixture.sample(5, generator()))
    assert_close(belief.log_prob(draws), mixture.log_prob(draws))
    assert belief.log_prob(draws[0]).shape == ()
    assert belief.log_prob(draws.reshape(5, 1, 26)).shape == (5, 1)
    assert torch.equal(belief.entropy(generator()), mixture.entropy(64, generator()))


@BOTH
def test_prediction_leaves_the_belief_as_it_was(belief: Belief) -> None:
    actions, observations, start = inputs()
    now = belief.reset(observations[0], start)
    predicted = belief.predict(actions[0])
    assert predicted.means.shape == now.means.shape and predicted.means.dtype == torch.float64
    assert belief.mixture is now
    after = belief.update(actions[0], observations[1])
    belief.reset(observations[0], start)
    assert torch.equal(belief.update(actions[0], observations[1]).means, after.means)


def test_learned_prediction_is_the_step_to_the_same_observation() -> None:
    belief = learned()
    actions, observations, start = inputs()
    belief.reset(observations[0], start)
    predicted = belief.predict(actions[0])
    assert torch.equal(predicted.means, belief.update(actions[0], observations[0]).means)


@pytest.mark.parametrize("belief", [learned(), PriorBelief(4)], ids=["learned", "prior"])
def test_everything_needs_a_reset(belief: Belief) -> None:
    theta = torch.zeros(26, dtype=torch.float64)
    calls = (
        lambda: belief.predict(torch.zeros(6)),
        lambda: belief.sample(3),
        lambda: belief.log_prob(theta),
        lambda: belief.entropy(),
        lambda: belief.mixture,
    )
    for call in calls:
        with pytest.raises(ConfigError, match="reset"):
            call()


def test_bad_questions_are_refused() -> None:
    belief = PriorBelief(4)
    _, observations, start = inputs()
    belief.reset(observations[0], start)
    with pytest.raises(ShapeError, match="theta"):
        belief.log_prob(torch.zeros(25))
    with pytest.raises(NonFiniteError, match="theta"):
        belief.log_prob(torch.full((26,), torch.nan))
    for call in (belief.sample, lambda n: belief.entropy(None, n)):
        with pytest.raises(ConfigError, match="draws"):
            call(0)
    with pytest.raises(ShapeError, match="action"):
        belief.predict(torch.zeros(5))
