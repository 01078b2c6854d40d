"""The risk-aware planner: that risk acts, its ablations, its other measures of risk, warm starts, interruptions."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from vnb_belief.beliefs import PriorBelief
from vnb_belief.layout import OBSERVATION_DIM
from vnb_planner.costs import COSTS
from vnb_planner.models import HandModel, ObjectModel
from vnb_planner.planners import PLANNERS, Decision, VnbConfig, VnbPlanner
from vnb_planner.risk import RISKS, SmoothCVaR, cvar, descent_measure
from vnb_planner.testing import draws, make_mixture, make_plan_input, make_situation, tiny_ball

HELD = make_situation(angle=0.25, force=4.0)
ENOUGH = {"samples": 256, "gradient_samples": 64, "delta": 1.0}
GENTLE = {"disturbance_force": 2.0, "force_onset": 0.3, "force_weight": 2.0}
"""A gentle object: force has its price well below the cap, so it pays only where friction is low."""
SLIPPERY = make_mixture((0.3, 1.2), (0.1, 0.9), spread=0.05)
"""One case in ten is slippery."""


def plan_gently(hand: HandModel, name: str = "vnb", **parameters: Any) -> Decision:
    planner = PLANNERS[name](hand, tiny_ball(force_cap=12.0), {**ENOUGH, "cost_parameters": GENTLE, **parameters})
    return planner.plan(make_plan_input(HELD, SLIPPERY))


def fresh_costs(hand: HandModel, action: Tensor) -> Tensor:
    """Costs of an action on draws that no planner saw."""
    cost = COSTS["wrench_margin"](hand, tiny_ball(force_cap=12.0), GENTLE)
    with torch.no_grad():
        return cost.prepare(HELD, draws(SLIPPERY, 20_000, seed=777))(action.expand(1, 3, 6))[0]


def test_the_risk_averse_action_has_the_better_worst_tenth_on_fresh_samples(hand: HandModel) -> None:
    averse, neutral = plan_gently(hand, lambda_c=1.0, beta=0.9), plan_gently(hand, lambda_c=0.0)
    assert (averse.action - neutral.action).abs().max() > 0.05
    costs = [fresh_costs(hand, decision.action) for decision in (averse, neutral)]
    worst = [c.sort(descending=True).values[:2000].mean() for c in costs]
    assert worst[0] < worst[1] - 0.01
    assert costs[1].mean() < costs[0].mean() - 0.005  # which is the price


def test_the_blend_goes_from_mean_to_risk(hand: HandModel) -> None:
    decisions = [plan_gently(hand, lambda_c=blend) for blend in (0.0, 0.5, 1.0)]
    for blend, decision in zip((0.0, 0.5, 1.0), decisions, strict=True):
        assert decision.objective == pytest.approx(blend * decision.cvar + (1.0 - blend) * decision.expected_cost)
    risks, means = ([getattr(d, name) for d in decisions] for name in ("cvar", "expected_cost"))
    assert risks[0] > risks[2] and means[0] < means[2]
    assert all(a >= b - 0.003 for a, b in itertools.pairwise(risks))
    assert all(a <= b + 0.003 for a, b in itertools.pairwise(means))


def test_with_the_printed_cost_the_blend_changes_nothing(hand: HandModel) -> None:
    actions = [plan_gently(hand, cost="paper", cost_parameters={}, lambda_c=blend).action for blend in (0.0, 0.5, 1.0)]
    assert_close(actions[0], actions[1], rtol=0, atol=1e-5)
    assert_close(actions[0], actions[2], rtol=0, atol=1e-5)


def test_without_its_weight_entropy_changes_nothing(hand: HandModel) -> None:
    none, some = plan_gently(hand, gamma=0.0), plan_gently(hand, gamma=0.5)
    assert none.objective == none.cvar
    assert torch.equal(none.action, some.action)
    assert some.objective == pytest.approx(none.objective + 0.5 * none.entropy)


def test_one_component_loses_the_slippery_case(hand: HandModel) -> None:
    """K = 1 with the same blend: the belief between the modes asks for another action, worse in the worst tenth."""
    whole, one = plan_gently(hand), plan_gently(hand, "gauss", lambda_c=1.0)
    assert not torch.equal(whole.action, one.action)
    assert cvar(fresh_costs(hand, whole.action), 0.9) < cvar(fresh_costs(hand, one.action), 0.9)


def test_without_belief_updates_only_measurements_change_the_decision(hand: HandModel, ball: ObjectModel) -> None:
    belief = PriorBelief()
    calm, slipping = torch.zeros(2, OBSERVATION_DIM, dtype=torch.float64)
    slipping[7:12] = 3.0
    first = belief.reset(calm, torch.eye(4, dtype=torch.float64))
    second = belief.update(torch.zeros(6, dtype=torch.float64), slipping)
    planner = PLANNERS["vnb"](hand, ball, {"samples": 64, "gradient_samples": 16})
    same = [planner.plan(make_plan_input(HELD, mixture)) for mixture in (first, second)]
    assert torch.equal(same[0].action, same[1].action) and same[0].cvar == same[1].cvar
    other = planner.plan(make_plan_input(make_situation(angle=0.25, force=8.0), second))
    assert other.cvar != same[0].cvar


@pytest.mark.parametrize("name", ["entropic", "spectral"])
def test_other_measures_of_risk_plan_too(hand: HandModel, name: str) -> None:
    averse, neutral = plan_gently(hand, risk=name, beta=0.9), plan_gently(hand, lambda_c=0.0)
    assert averse.objective == averse.cvar >= averse.expected_cost
    measure = RISKS[name](0.9)
    assert measure(fresh_costs(hand, averse.action)) < measure(fresh_costs(hand, neutral.action)) - 0.005
    assert averse.cvar == pytest.approx(float(measure(fresh_costs(hand, averse.action))), abs=0.02)


def test_descent_follows_the_measure_itself_where_it_is_smooth() -> None:
    for name in ("entropic", "spectral"):
        assert descent_measure(name, 0.8, 0.1) == RISKS[name](0.8)
    for name in ("mean", "cvar", "worst_case"):
        assert descent_measure(name, 0.8, 0.2) == SmoothCVaR(0.8, 0.2)


def test_a_warm_start_can_only_add_to_what_a_component_tries(hand: HandModel, ball: ObjectModel) -> None:
    """Without gradient steps the candidates are the starts themselves, and the previous action."""
    parameters = {"gradient_steps": 0, "starts": [0.0, 0.0, 0.0], "samples": 64, "delta": 1.0}
    best = PLANNERS["vnb"](hand, ball, {**parameters, "starts": [1.0]}).plan(make_plan_input(HELD, step=1))
    warm = VnbPlanner.make(hand, ball, {**parameters, "warm_start": True})
    warm._carried = (0, best.action)
    cold = VnbPlanner.make(hand, ball, parameters)
    cold._carried = (0, best.action)
    assert_close(warm.plan(make_plan_input(HELD, step=1)).action, best.action, rtol=0, atol=1e-6)
    assert not cold.plan(make_plan_input(HELD, step=1)).action.any()


def test_an_interrupted_descent_is_a_shorter_one(hand: HandModel, ball: ObjectModel) -> None:
    given = make_plan_input(HELD, deadline=1.5)
    ticks = itertools.count()
    cut = VnbPlanner(hand, ball, VnbConfig(step_size=0.1), clock=lambda: float(next(ticks))).plan(given)
    short = VnbPlanner(hand, ball, VnbConfig(step_size=0.1, gradient_steps=1), clock=lambda: 0.0).plan(given)
    assert not cut.deadline_met and short.deadline_met
    assert torch.equal(cut.action, short.action) and cut.cvar == short.cvar
