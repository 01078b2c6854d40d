"""One Gaussian: exact moments, what is lost with the modes, the planners that believe in it."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from vnb_belief.layout import LOG_MU
from vnb_belief.mixture import Mixture
from vnb_grasp.errors import ConfigError
from vnb_planner.models import HandModel, ObjectModel
from vnb_planner.planners import PLANNERS, GaussConfig, GaussCvarConfig, collapse
from vnb_planner.testing import make_mixture, make_plan_input, make_situation, without_belief

SMALL = {"samples": 64, "gradient_samples": 16}


def random_mixture(k: int, dim: int, seed: int, *batch: int) -> Mixture:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return Mixture(normal(*batch, k), 3.0 * normal(*batch, k, dim), 0.5 * normal(*batch, k, dim))


def test_two_modes_by_hand() -> None:
    mixture = Mixture(
        torch.tensor([0.25, 0.75]).log(), torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0], [2.0]]).log()
    )
    one = collapse(mixture)
    assert one.num_components == 1
    assert_close(one.means, torch.tensor([[3.0]]))
    # Within: 0.25 x 1 + 0.75 x 4; between: 0.25 x 9 + 0.75 x 1.
    assert_close(one.stds.square(), torch.tensor([[3.25 + 3.0]]))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 9), st.integers(1, 5), st.integers(0, 1000))
def test_mean_and_variances_are_those_of_the_mixture(k: int, dim: int, seed: int) -> None:
    mixture = random_mixture(k, dim, seed, 2)
    one = collapse(mixture)
    assert one.means.shape == (2, 1, dim)
    assert_close(one.mean(), mixture.mean())
    assert_close(one.stds.square().squeeze(-2), mixture.covariance().diagonal(dim1=-2, dim2=-1))
    order = torch.randperm(k, generator=torch.Generator().manual_seed(seed))
    other = collapse(Mixture(mixture.logits[..., order], mixture.means[..., order, :], mixture.log_stds[..., order, :]))
    assert_close(other.log_stds, one.log_stds)


def test_one_gaussian_stays_itself_and_collapsing_twice_changes_nothing() -> None:
    single, several = random_mixture(1, 4, 3), random_mixture(6, 4, 4)
    assert_close(collapse(single).means, single.means)
    assert_close(collapse(single).log_stds, single.log_stds)
    assert_close(collapse(collapse(several)).log_stds, collapse(several).log_stds)


def test_no_other_diagonal_gaussian_is_nearer_to_the_mixture() -> None:
    """Less ``E_p[ln q]`` is more ``KL(p || q)``; for a Gaussian q it needs only the moments of p."""
    mixture = random_mixture(3, 2, 5)
    one, mean, variance = collapse(mixture), mixture.mean(), mixture.covariance().diagonal()

    def expected_log(q_mean: Tensor, q_log_std: Tensor) -> Tensor:
        return (-q_log_std - 0.5 * (variance + (mean - q_mean).square()) * torch.exp(-2.0 * q_log_std)).sum()

    best = expected_log(one.means[0], one.log_stds[0])
    generator = torch.Generator().manual_seed(6)
    for _ in range(50):
        step = 0.1 * torch.randn(2, 2, generator=generator, dtype=torch.float64)
        assert expected_log(one.means[0] + step[0], one.log_stds[0] + step[1]) < best


def test_gradients() -> None:
    mixture = random_mixture(3, 2, 7)
    inputs = tuple(value.requires_grad_() for value in (mixture.logits, mixture.means, mixture.log_stds))

    def moments(logits: Tensor, means: Tensor, log_stds: Tensor) -> tuple[Tensor, Tensor]:
        one = collapse(Mixture(logits, means, log_stds))
        return one.means, one.log_stds

    assert torch.autograd.gradcheck(moments, inputs)


def test_belief_keeps_its_dtype() -> None:
    belief = random_mixture(3, 2, 8)
    assert collapse(Mixture(belief.logits.float(), belief.means.float(), belief.log_stds.float())).means.dtype == (
        torch.float32
    )


@pytest.mark.parametrize(("name", "blend"), [("gauss", 0.0), ("gauss_cvar", 0.5)])
def test_it_is_vnb_on_the_collapsed_belief(hand: HandModel, ball: ObjectModel, name: str, blend: float) -> None:
    belief, situation = make_mixture((0.2, 0.5, 0.9), (0.2, 0.3, 0.5)), make_situation(angle=0.25, force=4.0)
    own = PLANNERS[name](hand, ball, SMALL).plan(make_plan_input(situation, belief))
    vnb = PLANNERS["vnb"](hand, ball, {**SMALL, "lambda_c": blend}).plan(make_plan_input(situation, collapse(belief)))
    assert torch.equal(own.action, vnb.action)
    assert (own.objective, own.cvar, own.p_fail, own.entropy) == (vnb.objective, vnb.cvar, vnb.p_fail, vnb.entropy)
    assert own.component in (-1, 0)


def test_it_cannot_tell_modes_from_spread(hand: HandModel, ball: ObjectModel) -> None:
    modes = make_mixture((0.2, 0.9), spread=0.05)
    spread = make_mixture((math.sqrt(0.2 * 0.9),))
    spread.log_stds[:, LOG_MU] = collapse(modes).log_stds[:, LOG_MU]
    situation = make_situation(angle=0.25, force=4.0)
    decisions = [PLANNERS["gauss_cvar"](hand, ball, SMALL).plan(make_plan_input(situation, b)) for b in (modes, spread)]
    assert_close(decisions[0].action, decisions[1].action, rtol=1e-4, atol=1e-5)
    assert_close(decisions[0].cvar, decisions[1].cvar, rtol=1e-4, atol=0)
    vnb = [PLANNERS["vnb"](hand, ball, SMALL).plan(make_plan_input(situation, b)) for b in (modes, spread)]
    assert abs(vnb[0].cvar - vnb[1].cvar) > 1e-3


def test_the_level_changes_no_action_of_gauss(hand: HandModel, ball: ObjectModel) -> None:
    given_ = make_plan_input(make_situation(angle=0.25, force=4.0))
    low, high = (PLANNERS["gauss"](hand, ball, {**SMALL, "beta": beta}).plan(given_) for beta in (0.5, 0.99))
    assert torch.equal(low.action, high.action)
    assert low.objective == low.expected_cost == high.objective
    assert high.cvar > low.cvar


def test_the_blend_is_a_parameter_and_bad_ones_raise(hand: HandModel, ball: ObjectModel) -> None:
    assert (GaussConfig().lambda_c, GaussCvarConfig().lambda_c) == (0.0, 0.5)
    given_ = make_plan_input(make_situation(angle=0.25, force=4.0))
    decision = PLANNERS["gauss"](hand, ball, {**SMALL, "lambda_c": 1.0}).plan(given_)
    assert decision.objective == decision.cvar
    for name in ("gauss", "gauss_cvar"):
        with pytest.raises(ConfigError, match="lambda_c"):
            PLANNERS[name](hand, ball, {"lambda_c": 2.0})
        with pytest.raises(ConfigError, match=f"{name} planner: got no belief"):
            PLANNERS[name](hand, ball, None).plan(without_belief())
