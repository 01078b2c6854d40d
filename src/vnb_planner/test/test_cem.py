"""The cross-entropy search: it finds minima in the box, keeps its bounds, starts warm, stops in time."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from vnb_grasp.errors import ConfigError
from vnb_planner.models import HandModel, ObjectModel
from vnb_planner.planners import PLANNERS, CemConfig, CemPlanner, collapse
from vnb_planner.planners.search import Draws, Problem
from vnb_planner.testing import make_mixture, make_plan_input, make_situation, without_belief

LOWER = torch.tensor([0.0, -0.1, -0.1, 0.0, 0.0, 0.0])
UPPER = torch.tensor([0.0, 0.2, 0.2, 0.8, 0.8, 0.8])
INSIDE = torch.tensor([0.0, 0.05, -0.05, 0.3, 0.7, 0.5])


def planner(hand: HandModel, ball: ObjectModel, **parameters: Any) -> CemPlanner:
    """One with a clock that stands still."""
    return CemPlanner(hand, ball, CemConfig(**{"lambda_c": 0.0, "delta": 1.0, **parameters}), clock=lambda: 0.0)


def problem(target: Tensor, warm: Tensor | None = None, seed: int = 0) -> tuple[Problem, list[Tensor]]:
    """Squared distance to a target; also what was tried."""
    tried: list[Tensor] = []

    def evaluate(velocity: Tensor) -> Tensor:
        tried.append(velocity)
        return (velocity - target).square().sum(-1, keepdim=True)

    starts = torch.tensor([0.3, 1.0])[:, None] * UPPER
    draws = Draws(torch.zeros(1, 26), torch.zeros(1, 26))
    generator = torch.Generator().manual_seed(seed)
    return Problem(evaluate, draws, LOWER, UPPER, starts, warm, generator, math.inf), tried


def test_it_finds_a_minimum_inside_and_at_the_bounds(hand: HandModel, ball: ObjectModel) -> None:
    given, _ = problem(INSIDE)
    assert_close(planner(hand, ball, iterations=15).propose(given).action[0], INSIDE, rtol=0, atol=0.03)
    outside = torch.tensor([0.3, 1.0, -1.0, 2.0, -2.0, 0.4])
    given, _ = problem(outside)
    nearest = torch.minimum(torch.maximum(outside, LOWER), UPPER)
    assert_close(planner(hand, ball, iterations=15).propose(given).action[0], nearest, rtol=0, atol=0.03)


def test_sizes_bounds_and_spread(hand: HandModel, ball: ObjectModel) -> None:
    given, tried = problem(INSIDE)
    found = planner(hand, ball, std_floor=0.05).propose(given)
    assert [population.shape for population in tried] == [(64, 6)] * 3
    assert found.action.shape == (1 + 13, 6)  # the mean, and a fifth of 64
    assert found.in_time and found.carry is not None
    assert_close(found.action[0], found.carry)
    assert_close(found.action[1:].mean(0), found.carry)
    for population in tried:
        assert bool((population >= LOWER).all()) and bool((population <= UPPER).all())
    spreads = [(population.std(0) / (UPPER - LOWER))[1:].mean() for population in tried]
    assert spreads[0] > spreads[1] > spreads[2]


def test_each_iteration_is_drawn_about_the_elites_of_the_last(hand: HandModel, ball: ObjectModel) -> None:
    given, tried = problem(INSIDE)
    planner(hand, ball, std_floor=0.0).propose(given)
    elites = tried[0][(tried[0] - INSIDE).square().sum(-1).argsort()[:13]]
    noise = torch.Generator().manual_seed(0)
    torch.randn(64, 6, generator=noise)
    second = elites.mean(0) + elites.std(0) * torch.randn(64, 6, generator=noise)
    assert_close(tried[1], torch.minimum(torch.maximum(second, LOWER), UPPER))


def test_the_floor_keeps_it_from_freezing(hand: HandModel, ball: ObjectModel) -> None:
    given, tried = problem(INSIDE)
    planner(hand, ball, iterations=30, std_floor=0.05).propose(given)
    moving = (UPPER - LOWER) > 0.0
    assert bool((tried[-1].std(0)[moving] >= 0.5 * 0.05 * (UPPER - LOWER)[moving]).all())


def test_actions_that_fail_too_often_come_after_those_that_do_not(hand: HandModel, ball: ObjectModel) -> None:
    """Two samples each: [mean cost 0.4, one fails], [0.5, none], [0.6, none], [1.0, both], [0.9, both]."""
    costs = torch.tensor([[0.0, 0.8], [0.5, 0.5], [0.6, 0.6], [1.0, 1.0], [0.9, 0.9]])
    assert planner(hand, ball, delta=0.2, failure_threshold=0.7)._order(costs).tolist() == [1, 2, 0, 4, 3]
    assert planner(hand, ball, delta=1.0, failure_threshold=0.7)._order(costs).tolist() == [0, 1, 2, 4, 3]


def test_a_step_starts_at_the_mean_of_the_last(hand: HandModel, ball: ObjectModel) -> None:
    given, tried = problem(INSIDE, warm=INSIDE)
    planner(hand, ball, spread=0.0, std_floor=0.0).propose(given)
    assert_close(tried[0], INSIDE.expand(64, -1))
    given, tried = problem(INSIDE)
    planner(hand, ball, spread=0.0, std_floor=0.0).propose(given)
    assert_close(tried[0], (0.5 * (LOWER + UPPER)).expand(64, -1))


def test_warm_starts_follow_the_trial(hand: HandModel, ball: ObjectModel) -> None:
    situation = make_situation(angle=0.25, force=4.0)
    first, second = (make_plan_input(situation, step=step) for step in (0, 1))
    warm, cold = PLANNERS["cem"](hand, ball, None), PLANNERS["cem"](hand, ball, {"warm_start": False})
    for one in (warm, cold):
        one.plan(first)
    continued, alone = warm.plan(second), cold.plan(second)
    assert not torch.equal(continued.action, alone.action)
    warm.reset()
    assert torch.equal(warm.plan(second).action, alone.action)


def test_an_interrupted_search_is_a_shorter_one(hand: HandModel, ball: ObjectModel) -> None:
    given = make_plan_input(make_situation(angle=0.25, force=4.0), deadline=2.5)
    ticks = itertools.count()
    cut = CemPlanner(hand, ball, CemConfig(), clock=lambda: float(next(ticks))).plan(given)
    short = CemPlanner(hand, ball, CemConfig(iterations=2), clock=lambda: 0.0).plan(given)
    assert not cut.deadline_met and short.deadline_met
    assert torch.equal(cut.action, short.action)
    assert cut.cvar == short.cvar


def test_it_plans_on_one_gaussian(hand: HandModel, ball: ObjectModel) -> None:
    belief = make_mixture((0.2, 0.9), (0.3, 0.7))
    decisions = [
        PLANNERS["cem"](hand, ball, None).plan(make_plan_input(make_situation(angle=0.25, force=4.0), given))
        for given in (belief, collapse(belief))
    ]
    assert torch.equal(decisions[0].action, decisions[1].action)
    assert decisions[0].cvar == pytest.approx(decisions[1].cvar, rel=1e-5)


def test_it_plans_about_as_well_as_vnb(hand: HandModel, ball: ObjectModel) -> None:
    """On one Gaussian both see the same belief."""
    given = make_plan_input(make_situation(angle=0.25, force=4.0), make_mixture((0.5,), spread=0.2))
    vnb, cem = (PLANNERS[name](hand, ball, {"delta": 1.0}).plan(given) for name in ("vnb", "cem"))
    still = PLANNERS["vnb"](hand, ball, {"delta": 1.0, "gradient_steps": 0, "starts": [0.0]}).plan(given)
    assert cem.objective - vnb.objective < 0.2 * (still.objective - vnb.objective)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"population": 1}, "population"),
        ({"elite": 0.01}, "two elites"),
        ({"elite": 1.5}, "elite"),
        ({"iterations": -1}, "iterations"),
        ({"search_samples": 0}, "search_samples"),
        ({"spread": math.nan}, "spread"),
        ({"std_floor": -0.1}, "std_floor"),
        ({"gradient_steps": 3}, "population"),
        ({"warm_start": "yes"}, "warm_start"),
    ],
)
def test_bad_parameters_raise(hand: HandModel, ball: ObjectModel, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PLANNERS["cem"](hand, ball, parameters)


def test_a_missing_belief_raises(hand: HandModel, ball: ObjectModel) -> None:
    with pytest.raises(ConfigError, match="cem planner: got no belief"):
        PLANNERS["cem"](hand, ball, None).plan(without_belief())
