from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from vnb_belief.beliefs import BELIEFS, Belief, LearnedBelief, PriorBelief
from vnb_belief.checkpoint import Provenance, save_checkpoint
from vnb_belief.dynamics import BeliefDynamics, DynamicsConfig
from vnb_belief.features import pose_from_vector
from vnb_belief.prior import prior_mixture
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


def test_learned_belief_does_not_drop_units() -> None:
    model = BeliefDynamics(DynamicsConfig(dropout=0.5)).train()
    LearnedBelief(model)
    assert not model.training


def test_prior_never_moves() -> None:
    belief = PriorBelief(8)
    actions, observations, start = inputs()
    belief.reset(observations[0], start)
    mixture = belief.update(actions[0], observations[1] + 5.0)
    assert torch.equal(mixture.means, prior_mixture(8).means)
    assert torch.equal(mixture.log_stds, prior_mixture(8).log_stds)


def test_registry_builds_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    save_checkpoint(path, BeliefDynamics(DynamicsConfig(num_components=2)), Provenance("c", 0, 1, "h", "d", 1, 1))
    _, observations, start = inputs()
    assert BELIEFS["learned"](path).reset(observations[0], start).num_components == 2
    assert BELIEFS["prior"](None).reset(observations[0], start).num_components == 8
    with pytest.raises(CheckpointError, match="no such file"):
        BELIEFS["learned"](tmp_path / "none.pt")
    with pytest.raises(UnknownNameError, match="learned, prior"):
        BELIEFS["psychic"]
