"""The flow and the implicit belief: one density each, seen through the common interface."""

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from vnb_belief import layout
from vnb_belief.beliefs import BELIEFS, BeliefContext, LearnedBelief
from vnb_belief.beliefs.density import DensityBelief, summarise_draws
from vnb_belief.beliefs.flow import FLOW_CHECKPOINT, FlowBelief
from vnb_belief.beliefs.implicit import IMPLICIT_CHECKPOINT, ImplicitBelief
from vnb_belief.checkpoint import Provenance, save_checkpoint
from vnb_belief.densities.checkpoint import save_density
from vnb_belief.densities.flow import ConditionalFlow
from vnb_belief.densities.siren import ImplicitDensity
from vnb_belief.dynamics import BeliefDynamics, DynamicsConfig
from vnb_belief.features import pose_from_vector
from vnb_belief.shared import SharedFrame, to_shared
from vnb_grasp.description import load_hand
from vnb_grasp.errors import CheckpointError, ConfigError

PROVENANCE = Provenance("c", 0, 1, "h", "d", 1, 1)


def dynamics() -> BeliefDynamics:
    model = BeliefDynamics(DynamicsConfig(num_components=4))
    g = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=g)
    return model.requires_grad_(False)


def make(kind: str, amount: float = 0.0, seed: int = 0) -> DensityBelief:
    density = ConditionalFlow() if kind == "flow" else ImplicitDensity()
    g = torch.Generator().manual_seed(1)
    for parameter in density.parameters():
        parameter.data += amount * torch.randn(parameter.shape, generator=g)
    density.requires_grad_(False)
    if isinstance(density, ConditionalFlow):
        return FlowBelief(dynamics(), density, seed)
    return ImplicitBelief(dynamics(), density, seed)


def follow(belief: LearnedBelief, steps: int = 2) -> None:
    g = torch.Generator().manual_seed(2)
    observations = 0.1 * torch.randn(steps + 1, 41, generator=g, dtype=torch.float64)
    actions = torch.randn(steps, 6, generator=g, dtype=torch.float64)
    belief.reset(observations[0], pose_from_vector(observations[0, :6]))
    for action, observation in zip(actions, observations[1:], strict=True):
        belief.update(action, observation)


BOTH = pytest.mark.parametrize("kind", ["flow", "implicit"])


@BOTH
def test_untrained_belief_has_the_moments_of_the_learned_mixture(kind: str) -> None:
    belief, learned = make(kind), LearnedBelief(dynamics())
    follow(belief)
    follow(learned)
    frame = SharedFrame.of(learned.mixture)
    draws = to_shared(belief.sample(4000, torch.Generator().manual_seed(3)))
    assert_close(draws.mean(dim=0), frame.mean, rtol=0.0, atol=0.3 * float(frame.std.max()))
    z = frame.normalise(draws)
    assert_close(z.mean(dim=0), torch.zeros(14).double(), rtol=0.0, atol=0.25)
    assert_close(z.std(dim=0), torch.ones(14).double(), rtol=0.0, atol=0.2)
    summary = frame.normalise(to_shared(belief.mixture.mean()))
    assert_close(summary, torch.zeros(14).double(), rtol=0.0, atol=0.3)


@BOTH
def test_interface_and_determinism(kind: str) -> None:
    a, b = make(kind, 0.02), make(kind, 0.02)
    for belief in (a, b):
        follow(belief, 3)
    mixture = a.mixture
    assert mixture.means.shape == (8, 26) and mixture.means.dtype == torch.float64
    assert torch.equal(mixture.means, b.mixture.means)
    follow(a, 3)
    assert torch.equal(a.mixture.means, mixture.means)

    def g() -> torch.Generator:
        return torch.Generator().manual_seed(4)

    draws = a.sample(6, g())
    assert draws.shape == (6, 26) and draws.dtype == torch.float64
    assert torch.equal(draws, b.sample(6, g()))
    assert a.log_prob(draws).shape == (6,)
    assert_close(a.log_prob(draws[2]), a.log_prob(draws)[2], rtol=1e-4, atol=1e-4)
    assert torch.equal(a.entropy(g()), b.entropy(g()))
    before = a.mixture
    a.predict(torch.zeros(6))
    assert a.mixture is before
    with pytest.raises(ConfigError, match="reset"):
        make(kind).predict(torch.zeros(6))


@BOTH
def test_contacts_share_their_friction(kind: str) -> None:
    belief = make(kind, 0.02)
    follow(belief)
    mu = belief.sample(200, torch.Generator().manual_seed(0))[:, layout.LOG_MU]
    assert float(mu.std(dim=1).mean()) < 0.05 < float(mu.mean(dim=1).std())


def test_flow_density_is_normalised_over_theta() -> None:
    belief = make("flow", 0.02)
    follow(belief)
    untrained = make("flow")
    follow(untrained)
    draws = untrained.sample(20_000, torch.Generator().manual_seed(5))
    weights = (belief.log_prob(draws) - untrained.log_prob(draws)).exp()
    assert float(weights.mean()) == pytest.approx(1.0, abs=0.1)


def test_implicit_normaliser_makes_the_density_integrate_to_one() -> None:
    belief = make("implicit", 0.02)
    follow(belief)
    untrained = make("flow")  # a Gaussian, exactly
    follow(untrained)
    draws = untrained.sample(20_000, torch.Generator().manual_seed(5))
    weights = (belief.log_prob(draws) - untrained.log_prob(draws)).exp()
    assert float(weights.mean()) == pytest.approx(1.0, abs=0.1)
    assert float(weights.std()) > 0.01


def test_summary_of_draws_keeps_mean_and_variance() -> None:
    shared = torch.randn(500, 14, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shared[:, 0] += 4.0 * (shared[:, 1] > 0)
    mixture = summarise_draws(shared)
    assert mixture.num_components == 8
    assert_close(to_shared(mixture.mean()), shared.mean(dim=0))
    variance = to_shared(mixture.covariance().diagonal())
    assert_close(variance, shared.var(dim=0), rtol=0.01, atol=0.0)


@BOTH
def test_checkpoints_load_beside_their_dynamics_only(kind: str, tmp_path: Path) -> None:
    context = BeliefContext(load_hand("l6_v31"), checkpoint=tmp_path / f"{kind}.pt")
    model = BeliefDynamics(DynamicsConfig(num_components=2))
    with pytest.raises(CheckpointError, match="no such file"):
        BELIEFS[kind](context)
    save_checkpoint(tmp_path / "learned.pt", model, PROVENANCE)
    with pytest.raises(CheckpointError, match="no such file"):
        BELIEFS[kind](context)
    density = ConditionalFlow() if kind == "flow" else ImplicitDensity()
    save_density(tmp_path / f"{kind}.pt", density, model, PROVENANCE)
    assert BELIEFS[kind](context).name == kind
    save_checkpoint(tmp_path / "learned.pt", dynamics(), PROVENANCE)
    with pytest.raises(CheckpointError, match="dynamics_hash"):
        BELIEFS[kind](context)


@pytest.mark.parametrize("path", [FLOW_CHECKPOINT, IMPLICIT_CHECKPOINT], ids=["flow", "implicit"])
def test_shipped_checkpoints_fit_the_shipped_dynamics(path: Path) -> None:
    belief = BELIEFS[path.stem](BeliefContext(load_hand("l6_v31")))
    follow(belief)
    assert belief.mixture.num_components == 8
    assert path.stat().st_size < 500_000
