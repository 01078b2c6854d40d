"""The particle planner: particles from a belief's components or draws, one weighted evaluation of all candidates."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from vnb_belief.layout import LATENT_DIM, LOG_MU
from vnb_belief.mixture import Mixture
from vnb_grasp.errors import ConfigError
from vnb_planner.costs import COSTS, Evaluate
from vnb_planner.models import HandModel, ObjectModel, Situation
from vnb_planner.planners import PLANNERS, PfConfig, PfPlanner
from vnb_planner.testing import make_mixture, make_plan_input, make_situation, tiny_ball, without_belief

HELD = make_situation(angle=0.25, force=4.0)


def particle_belief(n: int, width: float = -4.0) -> Mixture:
    """One component per particle, unequal weights, friction from slippery to grippy."""
    base = make_mixture((0.5,))
    means = base.means.expand(n, -1).clone()
    means[:, LOG_MU] = torch.linspace(0.2, 1.0, n, dtype=torch.float64).log()[:, None]
    logits = torch.randn(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return Mixture(logits, means, torch.full((n, LATENT_DIM), width, dtype=torch.float64))


def test_the_figures_are_exact_over_the_weighted_particles(hand: HandModel, ball: ObjectModel) -> None:
    belief = particle_belief(100)
    decision = PLANNERS["pf"](hand, ball, {"single_precision": False}).plan(make_plan_input(HELD, belief))
    costs = COSTS["wrench_margin"](hand, ball, None).prepare(HELD, belief.means)(decision.action.expand(1, 3, 6))[0]
    order = costs.argsort(descending=True)
    weights, mass, tail = belief.weights[order], 0.0, 0.0
    for cost, weight in zip(costs[order].tolist(), weights.tolist(), strict=True):
        taken = min(weight, 0.1 - mass)
        mass, tail = mass + taken, tail + taken * cost
        if mass >= 0.1:
            break
    assert decision.cvar == pytest.approx(tail / 0.1)
    assert decision.expected_cost == pytest.approx(float(belief.weights @ costs))
    still = COSTS["wrench_margin"](hand, ball, None).prepare(HELD, belief.means)(0.0 * decision.action.expand(1, 3, 6))
    assert decision.p_fail == pytest.approx(float(belief.weights @ (still[0] > 0.93).double()))
    assert decision.component == -1


def test_particles_are_points_and_only_many_components_are_particles(hand: HandModel, ball: ObjectModel) -> None:
    planner = PLANNERS["pf"](hand, ball, None)
    narrow, wide = (planner.plan(make_plan_input(HELD, particle_belief(100, width))) for width in (-6.0, -1.0))
    assert torch.equal(narrow.action, wide.action) and narrow.cvar == wide.cvar
    narrow, wide = (planner.plan(make_plan_input(HELD, particle_belief(99, width))) for width in (-6.0, -1.0))
    assert narrow.cvar != wide.cvar
    few = PLANNERS["pf"](hand, ball, {"samples": 5}).plan(make_plan_input(HELD, particle_belief(5, -1.0)))
    assert few.cvar == PLANNERS["pf"](hand, ball, {"samples": 5}).plan(
        make_plan_input(HELD, particle_belief(5, -6.0))
    ).cvar  # fmt: skip


def test_weights_count_as_copies_do(hand: HandModel, ball: ObjectModel) -> None:
    base = particle_belief(3)
    weighted = Mixture(torch.tensor([1.0, 2.0, 3.0]).double().log(), base.means, base.log_stds)
    index = [0, 1, 1, 2, 2, 2]
    copies = Mixture(torch.zeros(6).double(), base.means[index], base.log_stds[index])
    a, b = (PLANNERS["pf"](hand, ball, {"samples": 3}).plan(make_plan_input(HELD, m)) for m in (weighted, copies))
    assert_close(a.action, b.action)
    assert (a.cvar, a.expected_cost, a.p_fail) == pytest.approx((b.cvar, b.expected_cost, b.p_fail), rel=1e-5)


class _Counting:
    """A cost that notes what it is asked."""

    failure_threshold = 0.7

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.asked: list[tuple[int, ...]] = []

    def prepare(self, situation: Situation, theta: Tensor) -> Evaluate:
        evaluate = self.inner.prepare(situation, theta)

        def counted(actions: Tensor) -> Tensor:
            costs: Tensor = evaluate(actions)
            self.asked.append(tuple(costs.shape))
            return costs

        return counted


def test_all_candidates_meet_all_particles_in_one_evaluation(hand: HandModel, ball: ObjectModel) -> None:
    planner = PfPlanner.make(hand, ball, None)
    cost = _Counting(planner.cost)
    planner.cost = cost
    planner.plan(make_plan_input(HELD))
    assert cost.asked == [(3 + 64 + 1, 100)]  # starting magnitudes, drawn ones, standing still


def test_the_best_of_more_candidates_is_better_and_in_the_box(hand: HandModel) -> None:
    # Force has its price well below the object's cap, so that the best is no corner of the box.
    gentle = {"disturbance_force": 2.0, "force_onset": 0.3, "force_weight": 2.0}
    belief, parameters = particle_belief(120), {"cost_parameters": gentle, "starts": [0.0], "delta": 1.0}
    planners = [PLANNERS["pf"](hand, tiny_ball(12.0), {**parameters, "candidates": n}) for n in (1, 200)]
    few, many = (planner.plan(make_plan_input(HELD, belief)) for planner in planners)
    assert many.objective < few.objective
    assert bool((many.action >= -0.1).all()) and bool((many.action <= 0.2).all())


def test_a_passed_deadline_leaves_the_starting_magnitudes(hand: HandModel, ball: ObjectModel) -> None:
    ticks = itertools.count()
    planner = PfPlanner(hand, ball, PfConfig(), clock=lambda: float(next(ticks)))
    cost = _Counting(planner.cost)
    planner.cost = cost
    cut = planner.plan(make_plan_input(HELD, deadline=0.5))
    assert not cut.deadline_met
    assert cost.asked == [(3 + 1, 100)]
    late = planner.plan(make_plan_input(HELD, deadline=1.5))  # in time to begin, too late to end
    whole = PfPlanner(hand, ball, PfConfig(), clock=lambda: 0.0).plan(make_plan_input(HELD))
    assert not late.deadline_met and whole.deadline_met
    assert torch.equal(late.action, whole.action)


def test_bad_parameters_and_a_missing_belief_raise(hand: HandModel, ball: ObjectModel) -> None:
    bad: list[tuple[dict[str, Any], str]] = [({"samples": 0}, "samples"), ({"candidates": 0}, "candidates")]
    for parameters, message in bad:
        with pytest.raises(ConfigError, match=message):
            PLANNERS["pf"](hand, ball, parameters)
    with pytest.raises(ConfigError, match="pf planner: got no belief"):
        PLANNERS["pf"](hand, ball, None).plan(without_belief())
