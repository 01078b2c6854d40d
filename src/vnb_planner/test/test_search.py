"""What all searching planners share: the choice, the figures, deadlines, warm starts, determinism."""

import math
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from torch import Generator, Tensor
from torch.testing import assert_close

from vnb_belief.mixture import Mixture
from vnb_grasp.errors import ConfigError, UnknownNameError
from vnb_planner.costs import Evaluate
from vnb_planner.models import HandModel, ObjectModel, Situation
from vnb_planner.planners import CONFIGS, PLANNERS, SearchConfig, SearchPlanner
from vnb_planner.planners.search import Draws, Problem, Proposals
from vnb_planner.testing import make_mixture, make_plan_input, make_situation, without_belief

SEARCHING = tuple(name for name in CONFIGS.names() if issubclass(CONFIGS[name], SearchConfig))
HELD = make_situation(angle=0.25, force=4.0)


def row(value: float) -> Tensor:
    return torch.full((6,), value).double()


class Listed(SearchPlanner):
    """Proposes what it is told."""

    name: ClassVar[str] = "listed"
    config_type: ClassVar[type[SearchConfig]] = SearchConfig
    proposed: Proposals
    weights: Tensor | None = None
    problem: Problem | None = None

    def draw(self, belief: Mixture, generator: Generator) -> Draws:
        theta = belief.sample(2, generator)
        return Draws(theta, theta, self.weights)

    def propose(self, problem: Problem) -> Proposals:
        self.problem = problem
        return self.proposed


class Table:
    """Two samples' costs by the speed of the first joint."""

    failure_threshold = 0.7

    def __init__(self, costs: dict[float, tuple[float, float]]) -> None:
        self.costs = costs

    def prepare(self, situation: Situation, theta: Tensor) -> Evaluate:
        def evaluate(actions: Tensor) -> Tensor:
            return torch.tensor([self.costs[round(float(v), 6)] for v in actions[:, 0, 0]], dtype=theta.dtype)

        return evaluate


def listed(hand: HandModel, ball: ObjectModel, costs: dict[float, tuple[float, float]], **parameters: Any) -> Listed:
    planner = Listed.make(hand, ball, {"lambda_c": 0.0, "failure_threshold": 0.7, **parameters})
    planner.cost = Table(costs)
    speeds = [speed for speed in costs if speed != 0.0]
    planner.proposed = Proposals(torch.stack([row(speed) for speed in speeds]), torch.arange(len(speeds)))
    return planner


def test_all_that_search_are_tested_here() -> None:
    assert SEARCHING == ("vnb", "gauss", "gauss_cvar", "cem", "pf", "robust")


def test_the_least_objective_within_the_bound_wins(hand: HandModel, ball: ObjectModel) -> None:
    costs = {0.1: (0.6, 0.6), 0.2: (0.0, 0.8), 0.3: (0.5, 0.5), 0.0: (0.65, 0.65)}
    strict = listed(hand, ball, costs, delta=0.2).plan(make_plan_input())
    assert (strict.action[0], strict.component, strict.p_fail) == (pytest.approx(0.3), 2, 0.0)
    loose = listed(hand, ball, costs, delta=0.5).plan(make_plan_input())
    assert (loose.action[0], loose.component, loose.p_fail) == (pytest.approx(0.2), 1, 0.0)
    assert_close((loose.objective, loose.expected_cost, loose.cvar), (0.4, 0.4, 0.8), rtol=1e-6, atol=0)


def test_if_none_is_within_it_the_least_objective_of_all_wins(hand: HandModel, ball: ObjectModel) -> None:
    costs = {0.1: (0.8, 0.8), 0.2: (0.0, 5.0), 0.3: (0.0, 2.0), 0.0: (0.85, 0.85)}
    decision = listed(hand, ball, costs, delta=0.2).plan(make_plan_input())
    assert decision.action[0] == pytest.approx(0.1)
    assert decision.p_fail == 1.0  # of holding: what is held now is what would be lifted


def test_standing_still_is_always_a_proposal(hand: HandModel, ball: ObjectModel) -> None:
    decision = listed(hand, ball, {0.1: (0.6, 0.6), 0.0: (0.5, 0.5)}).plan(make_plan_input())
    assert not decision.action.any()
    assert decision.component == -1


def test_weights_reach_objective_risk_and_failure_probability(hand: HandModel, ball: ObjectModel) -> None:
    planner = listed(hand, ball, {0.1: (1.0, 0.0), 0.2: (0.3, 0.4), 0.0: (2.0, 0.0)}, beta=0.5)
    planner.weights = torch.tensor([0.1, 0.9]).double()
    decision = planner.plan(make_plan_input())
    # Worst half of the first: 0.1 of cost 1 and 0.4 of cost 0.
    assert decision.action[0] == pytest.approx(0.1)
    expected = (0.1, 0.2, 0.1)
    assert_close((decision.expected_cost, decision.cvar, decision.p_fail), expected, rtol=1e-6, atol=0)


def test_the_objective_blends_mean_and_risk(hand: HandModel, ball: ObjectModel) -> None:
    costs = {0.1: (0.2, 0.6), 0.0: (0.5, 0.5)}
    for blend, speed, value in ((0.0, 0.1, 0.4), (0.25, 0.1, 0.45), (1.0, 0.0, 0.5)):
        decision = listed(hand, ball, costs, lambda_c=blend).plan(make_plan_input())
        assert decision.action[0] == pytest.approx(speed)
        assert decision.objective == pytest.approx(value)


def test_a_warm_start_is_the_last_choice_within_the_present_box(hand: HandModel, ball: ObjectModel) -> None:
    planner = listed(hand, ball, {0.5: (0.1, 0.1), 0.0: (0.2, 0.2)}, warm_start=True)

    def warm_of(step: int, touching: bool) -> Tensor | None:
        planner.plan(make_plan_input(make_situation(force=4.0 * touching), step=step))
        assert planner.problem is not None
        assert len(planner.problem.starts) == 3 + (planner.problem.warm is not None)
        return planner.problem.warm

    assert warm_of(3, False) is None
    free, touched = warm_of(4, False), warm_of(6, True)
    assert free is not None and touched is not None and planner.problem is not None
    assert_close(free, torch.tensor([0.0, 0.5, 0.5, 0.5, 0.5, 0.5]))
    assert_close(touched, torch.tensor([0.0, 0.3, 0.3, 0.3, 0.3, 0.3]))
    assert_close(planner.problem.starts[-1], touched)
    assert warm_of(6, True) is None  # planned again: not its own successor
    assert warm_of(0, True) is None  # another trial
    assert warm_of(1, True) is not None
    planner.reset()
    assert warm_of(2, True) is None


def test_what_a_search_carries_over_goes_before_what_is_chosen(hand: HandModel, ball: ObjectModel) -> None:
    planner = listed(hand, ball, {0.5: (0.1, 0.1), 0.0: (0.2, 0.2)}, warm_start=True)
    planner.proposed = Proposals(planner.proposed.action, carry=row(0.25))
    for step in range(2):
        planner.plan(make_plan_input(step=step))
    assert planner.problem is not None and planner.problem.warm is not None
    assert_close(planner.problem.warm, torch.tensor([0.0, 0.25, 0.25, 0.25, 0.25, 0.25]))


def test_draws_follow_the_precision_asked_for(hand: HandModel, ball: ObjectModel) -> None:
    for single, dtype in ((True, torch.float32), (False, torch.float64)):
        planner = listed(hand, ball, {0.5: (0.1, 0.1), 0.0: (0.2, 0.2)}, single_precision=single)
        planner.weights = torch.tensor([0.5, 0.5]).double()
        assert planner.plan(make_plan_input()).action.dtype == torch.float64  # as the belief
        assert planner.problem is not None
        draws = planner.problem.draws
        assert draws.judged.dtype == draws.searched.dtype == planner.problem.upper.dtype == dtype
        assert draws.weights is not None and draws.weights.dtype == dtype


# --- every searching planner ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SEARCHING)
def test_same_input_and_history_give_the_same_decision(hand: HandModel, ball: ObjectModel, name: str) -> None:
    def run() -> list[tuple[object, ...]]:
        planner = PLANNERS[name](hand, ball, {"warm_start": True})
        decisions = [planner.plan(make_plan_input(HELD, seed=1, step=step)) for step in range(3)]
        return [(d.action.tolist(), d.cvar, d.p_fail, d.objective, d.entropy, d.component) for d in decisions]

    torch.manual_seed(1)
    first = run()
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert run() == first
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name", SEARCHING)
def test_a_passed_deadline_leaves_starting_magnitudes_or_standing_still(
    hand: HandModel, ball: ObjectModel, name: str
) -> None:
    planner = PLANNERS[name](hand, ball, None)
    for situation, speed in ((make_situation(angle=0.05), 0.8), (HELD, 0.3)):
        decision = planner.plan(make_plan_input(situation, deadline=0.0))
        assert not decision.deadline_met
        choice = speed * torch.tensor([0.0, 0.3, 0.6, 1.0]).double()
        assert (choice - decision.action[1]).abs().min() < 1e-6
        assert_close(decision.action[1:], decision.action[1:2].expand(5))
        assert math.isfinite(decision.cvar) and math.isfinite(decision.p_fail)


def test_a_search_that_was_cut_short_says_so_however_little_time_it_took(hand: HandModel, ball: ObjectModel) -> None:
    planner = listed(hand, ball, {0.1: (0.1, 0.1), 0.0: (0.2, 0.2)})
    assert planner.plan(make_plan_input()).deadline_met
    planner.proposed = replace(planner.proposed, in_time=False)
    assert not planner.plan(make_plan_input()).deadline_met


@pytest.mark.parametrize("name", SEARCHING)
def test_with_time_the_box_is_kept_and_the_stop_is_the_same(hand: HandModel, ball: ObjectModel, name: str) -> None:
    planner = PLANNERS[name](hand, ball, None)
    free = planner.plan(make_plan_input(make_situation(angle=0.05)))
    assert free.deadline_met and bool((free.action >= 0.0).all()) and bool((free.action <= 0.8 + 1e-6).all())
    held = planner.plan(make_plan_input(HELD))
    assert bool((held.action >= -0.1 - 1e-6).all()) and bool((held.action <= 0.3 + 1e-6).all())
    done = planner.plan(make_plan_input(HELD, step=80))
    assert done.stop and done.stop_reason == "step_limit" and not done.action.any()


@pytest.mark.parametrize("name", SEARCHING)
def test_the_belief_that_is_given_is_left_alone(hand: HandModel, ball: ObjectModel, name: str) -> None:
    belief = make_mixture((0.3, 0.8))
    before = [value.clone() for value in (belief.logits, belief.means, belief.log_stds)]
    PLANNERS[name](hand, ball, None).plan(make_plan_input(HELD, belief))
    assert all(torch.equal(a, b) for a, b in zip(before, (belief.logits, belief.means, belief.log_stds), strict=True))


@pytest.mark.parametrize("name", SEARCHING)
def test_bad_parameters_and_a_missing_belief_raise(hand: HandModel, ball: ObjectModel, name: str) -> None:
    bad: list[tuple[dict[str, Any], str]] = [
        ({"beta": 1.0}, "beta"),
        ({"lambda_c": -0.1}, "lambda_c"),
        ({"horizon": 0}, "horizon"),
        ({"starts": [2.0]}, "starts"),
        ({"single_precision": 1}, "single_precision"),
        ({"cost_parameters": {"mass": 1.0}}, "disturbance_force"),
    ]
    for parameters, message in bad:
        with pytest.raises(ConfigError, match=message):
            PLANNERS[name](hand, ball, parameters)
    for parameters, known in (({"risk": "magic"}, "spectral"), ({"cost": "magic"}, "wrench_margin")):
        with pytest.raises(UnknownNameError, match=known):
            PLANNERS[name](hand, ball, parameters)
    with pytest.raises(ConfigError, match=f"{name} planner: got no belief"):
        PLANNERS[name](hand, ball, None).plan(without_belief())
