"""Planners: Algorithm 1, controls, determinism, deadlines, bad input."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from vnb_belief.layout import OBSERVATION_DIM
from vnb_belief.mixture import Mixture
from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError, UnknownNameError
from vnb_planner.costs import COSTS
from vnb_planner.models import HandModel, ObjectModel, Situation
from vnb_planner.planners import PLANNERS, Decision, PlanInput, Planner, VnbConfig, VnbPlanner
from vnb_planner.planners.streams import step_generator
from vnb_planner.risk import cvar
from vnb_planner.testing import draws, make_mixture, make_situation, tiny_ball

SMALL = {"samples": 64, "gradient_samples": 16}


def make_input(situation: Situation | None = None, belief: Mixture | None = None, **changes: Any) -> PlanInput:
    situation = situation or make_situation()
    values: dict[str, Any] = {
        "belief": belief or make_mixture((0.3, 0.8)),
        "observation": torch.zeros(OBSERVATION_DIM, dtype=torch.float64),
        **vars(situation),
        "epsilon_hat": 0.0,
        "step": 0,
        "seed": 0,
    }
    return PlanInput(**{**values, **changes})


def test_free_fingers_close_and_touching_fingers_go_gently(hand: HandModel, ball: ObjectModel) -> None:
    planner = PLANNERS["vnb"](hand, ball, SMALL)
    free = planner.plan(make_input(make_situation(angle=0.05)))
    assert bool((free.action[1:] >= 0.3).all()) and bool((free.action[1:] <= 1.0).all())
    assert free.action[0] == 0.0
    half = make_situation(angle=0.2, force=0.5)
    half = Situation(**{**vars(half), "contact": torch.tensor([True, True, True, False, False])})
    mixed = planner.plan(make_input(half))
    assert bool((mixed.action[1:4] <= 0.3 + 1e-6).all()) and bool((mixed.action[4:] >= 0.3).all())


def test_fingers_that_hold_hard_enough_do_not_squeeze_on(hand: HandModel) -> None:
    fragile = tiny_ball(force_cap=6.0)
    decision = PLANNERS["vnb"](hand, fragile, SMALL).plan(
        make_input(make_situation(angle=0.25, force=5.9), make_mixture((1.0,)))
    )
    assert decision.action[2:].max() <= 0.0


def test_reported_figures_are_exact_over_the_mixture(hand: HandModel, ball: ObjectModel) -> None:
    planner = PLANNERS["vnb"](hand, ball, {**SMALL, "gradient_steps": 0, "starts": [0.5], "single_precision": False})
    situation, belief = make_situation(angle=0.25, force=4.0), make_mixture((0.2, 0.9), (0.3, 0.7))
    decision = planner.plan(make_input(situation, belief, seed=7, step=3))
    generator = step_generator(7, "planner", 3)
    belief.sample_components(16, generator)
    theta = belief.sample(64, generator, stratified=True)
    action = decision.action.expand(1, 3, 6)
    costs = COSTS["wrench_margin"](hand, ball, None).prepare(situation, theta)(action)[0]
    ordered = costs.sort(descending=True).values
    # The worst tenth of 64 equal atoms: six whole ones and 0.4 of the seventh.
    expected = (ordered[:6].sum() + 0.4 * ordered[6]) / 6.4
    assert_close(torch.tensor(decision.cvar).double(), expected)
    assert_close(torch.tensor(decision.expected_cost).double(), costs.mean())
    held = COSTS["wrench_margin"](hand, ball, None).prepare(situation, theta)(torch.zeros_like(action))[0]
    assert_close(torch.tensor(decision.p_fail).double(), (held > 0.93).double().mean())  # of what is held now


BIMODAL = {
    "cost_parameters": {"disturbance_force": 2.0, "force_onset": 0.3, "force_weight": 2.0},
    "delta": 1.0,
}
"""A gentle object: force has its price well below the cap, so it pays only where friction is low."""


def bimodal_input() -> PlanInput:
    """One case in ten is slippery."""
    return make_input(make_situation(angle=0.25, force=4.0), make_mixture((0.3, 1.2), (0.1, 0.9), spread=0.05))


def test_risk_level_changes_the_action_on_a_bimodal_belief(hand: HandModel) -> None:
    gentle, free = tiny_ball(force_cap=12.0), {"samples": 256, "gradient_samples": 64, **BIMODAL}
    averse = PLANNERS["vnb"](hand, gentle, {**free, "lambda_c": 1.0, "beta": 0.9}).plan(bimodal_input())
    neutral = PLANNERS["vnb"](hand, gentle, {**free, "lambda_c": 0.0}).plan(bimodal_input())
    assert averse.action[2:].mean() > neutral.action[2:].mean() + 0.05
    assert averse.cvar < neutral.cvar - 0.01
    assert neutral.expected_cost < averse.expected_cost - 0.005


def test_beta_zero_is_the_risk_neutral_planner(hand: HandModel, ball: ObjectModel) -> None:
    given = make_input(make_situation(angle=0.25, force=4.0))
    none = PLANNERS["vnb"](hand, ball, {**SMALL, "beta": 0.0, "gradient_steps": 0}).plan(given)
    neutral = PLANNERS["vnb"](hand, ball, {**SMALL, "lambda_c": 0.0, "gradient_steps": 0}).plan(given)
    assert_close(none.action, neutral.action)
    assert_close(none.objective, neutral.objective)


def test_more_risk_aversion_never_raises_the_chosen_risk(hand: HandModel) -> None:
    """Without gradient steps the candidates are the same for all, so the choice can be compared."""
    parameters = {"samples": 64, "gradient_samples": 64, "gradient_steps": 0, "starts": [0.5], **BIMODAL}
    planners = [PLANNERS["vnb"](hand, tiny_ball(12.0), {**parameters, "lambda_c": c}) for c in (0.0, 0.5, 1.0)]
    risks = [planner.plan(bimodal_input()).cvar for planner in planners]
    assert risks[0] > risks[2]
    assert risks[0] >= risks[1] - 1e-12
    assert risks[1] >= risks[2] - 1e-12


def test_descent_lowers_the_risk(hand: HandModel, ball: ObjectModel) -> None:
    given = make_input(make_situation(angle=0.25, force=4.0), make_mixture((0.3, 0.5, 0.9)))
    parameters = {"samples": 256, "starts": [0.5], "delta": 1.0}
    before = PLANNERS["vnb"](hand, ball, {**parameters, "gradient_steps": 0}).plan(given)
    after = PLANNERS["vnb"](hand, ball, {**parameters, "gradient_steps": 4}).plan(given)
    assert after.cvar < before.cvar


def test_a_bound_that_nothing_keeps_leaves_the_choice_to_the_objective(hand: HandModel, ball: ObjectModel) -> None:
    given = make_input(make_situation(angle=0.25, force=3.0), make_mixture((0.25, 0.4), spread=0.3))
    none = PLANNERS["vnb"](hand, ball, {**SMALL, "failure_threshold": -1.0, "delta": 0.0}).plan(given)
    all_of_them = PLANNERS["vnb"](hand, ball, {**SMALL, "failure_threshold": -1.0, "delta": 1.0}).plan(given)
    assert none.p_fail == 1.0
    assert_close(none.action, all_of_them.action)
    assert none.objective == all_of_them.objective


def test_a_bound_that_something_keeps_sets_the_others_aside(hand: HandModel, ball: ObjectModel) -> None:
    """Standing still is the cheapest by far here, but too likely to fail."""
    given = make_input(make_situation(angle=0.25, force=3.0), make_mixture((0.25, 0.4), spread=0.3))
    free = PLANNERS["vnb"](hand, ball, {**SMALL, "delta": 1.0})
    draws = free.draw(given.belief, torch.Generator().manual_seed(0))
    costs = free.cost.prepare(given.situation(), draws.judged)(torch.zeros(1, 3, 6, dtype=torch.float64))
    threshold = float(costs.min())  # every draw of standing still is beyond it, not every one of squeezing
    bound = PLANNERS["vnb"](hand, ball, {**SMALL, "failure_threshold": threshold, "delta": 0.9}).plan(given)
    assert float(bound.action.abs().max()) > 0.0


def test_stops_at_quality_only_with_acceptable_risk(hand: HandModel, ball: ObjectModel) -> None:
    planner = PLANNERS["vnb"](hand, ball, {**SMALL, "quality_steps": 0})
    firm, weak = make_situation(angle=0.25, force=9.0), make_situation(angle=0.25, force=0.3)
    sure, slippery = make_mixture((1.0,)), make_mixture((0.1,))
    done = planner.plan(make_input(firm, sure, epsilon_hat=0.2))
    assert done.stop and done.stop_reason == "quality"
    assert_close(done.action, torch.zeros_like(done.action))
    assert not planner.plan(make_input(firm, sure, epsilon_hat=0.0)).stop
    assert not planner.plan(make_input(weak, slippery, epsilon_hat=0.2)).stop
    last = planner.plan(make_input(weak, slippery, step=80))
    assert last.stop and last.stop_reason == "step_limit"


def test_same_seed_and_step_give_the_same_decision(hand: HandModel, ball: ObjectModel) -> None:
    situation = make_situation(angle=0.2, force=2.0)
    first = PLANNERS["vnb"](hand, ball, SMALL).plan(make_input(situation, seed=1, step=5))
    torch.manual_seed(99)
    second = PLANNERS["vnb"](hand, ball, SMALL).plan(make_input(situation, seed=1, step=5))
    other = PLANNERS["vnb"](hand, ball, SMALL).plan(make_input(situation, seed=1, step=6))
    assert torch.equal(first.action, second.action)
    assert (first.cvar, first.p_fail, first.entropy) == (second.cvar, second.p_fail, second.entropy)
    assert first.cvar != other.cvar


def test_global_random_state_is_left_alone(hand: HandModel, ball: ObjectModel) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    PLANNERS["vnb"](hand, ball, SMALL).plan(make_input())
    PLANNERS["random"](hand, ball, None).plan(make_input())
    assert torch.equal(before, torch.get_rng_state())


def test_a_missed_deadline_returns_the_best_so_far_and_says_so(hand: HandModel, ball: ObjectModel) -> None:
    ticks = itertools.count()
    planner = VnbPlanner(hand, ball, VnbConfig(**SMALL), clock=lambda: float(next(ticks)))
    given = make_input(make_situation(angle=0.05), deadline=1.5)
    late = planner.plan(given)
    assert not late.deadline_met
    assert late.planning_time == 3.0
    box = VnbConfig().box.close_speed
    assert bool(torch.isin(late.action[1:].round(decimals=6), torch.tensor([0.0, 0.3, 0.6, 1.0]).double() * box).all())
    assert math.isfinite(late.cvar)
    frozen = VnbPlanner(hand, ball, VnbConfig(**SMALL), clock=lambda: 0.0)
    assert frozen.plan(given).deadline_met


def test_objective_adds_entropy_and_visual_cost(hand: HandModel, ball: ObjectModel) -> None:
    given = make_input(make_situation(angle=0.25, force=3.0))
    plain = PLANNERS["vnb"](hand, ball, SMALL).plan(given)
    full = PLANNERS["vnb"](hand, ball, {**SMALL, "gamma": 0.5, "lambda_v": 0.3}).plan(given)
    assert_close(full.action, plain.action)
    # No trace, no occlusion, no segmentation: softplus(0) + 1.
    assert_close(full.objective, plain.objective + 0.5 * plain.entropy + 0.3 * (math.log(2.0) + 1.0))
    assert math.isfinite(plain.entropy)


def test_float32_belief_gives_a_float32_action(hand: HandModel, ball: ObjectModel) -> None:
    belief = make_mixture((0.3, 0.8))
    belief = Mixture(belief.logits.float(), belief.means.float(), belief.log_stds.float())
    decision = PLANNERS["vnb"](hand, ball, SMALL).plan(make_input(belief=belief))
    assert decision.action.dtype == torch.float32
    assert decision.effort_limit.dtype == torch.float32


def test_single_precision_changes_the_figures_by_rounding_only(hand: HandModel, ball: ObjectModel) -> None:
    given = make_input(make_situation(angle=0.25, force=3.0))
    single, double = (
        PLANNERS["vnb"](hand, ball, {**SMALL, "single_precision": flag}).plan(given) for flag in (True, False)
    )
    assert single.action.dtype == double.action.dtype == torch.float64
    assert_close(single.action, double.action, rtol=0, atol=1e-3)
    assert_close(single.cvar, double.cvar, rtol=1e-3, atol=0)


def test_actions_stay_in_the_box_and_within_speed_limits(hand: HandModel, ball: ObjectModel) -> None:
    slow = HandModel(**{**vars(hand), "speed_limit": torch.full((6,), 0.25, dtype=torch.float64)})
    for name in ("vnb", "random", "scripted"):
        for seed in range(3):
            given = make_input(make_situation(angle=0.1), seed=seed)
            action = PLANNERS[name](slow, ball, SMALL if name == "vnb" else None).plan(given).action
            assert action.abs().max() <= 0.25


def test_effort_fraction_scales_the_limits(hand: HandModel, ball: ObjectModel) -> None:
    decision = PLANNERS["vnb"](hand, ball, {**SMALL, "effort_fraction": 0.5}).plan(make_input())
    assert_close(decision.effort_limit, 0.5 * hand.torque_limit)


def test_noop_does_nothing_and_stops(hand: HandModel, ball: ObjectModel) -> None:
    decision = PLANNERS["noop"](hand, ball, None).plan(make_input(belief=None))
    assert decision.stop and decision.stop_reason == "noop"
    assert not decision.action.any()
    late = PLANNERS["noop"](hand, ball, {"max_steps": 3})
    assert [late.plan(make_input(step=i)).stop for i in range(5)] == [False, False, False, True, True]


def test_random_depends_on_seed_and_step_only(hand: HandModel, ball: ObjectModel) -> None:
    planner = PLANNERS["random"](hand, ball, {"speed": 0.5, "max_steps": 9})
    a, b = planner.plan(make_input(seed=1)), planner.plan(make_input(make_situation(angle=0.4), seed=1))
    assert torch.equal(a.action, b.action)
    assert a.action.abs().max() <= 0.5
    assert not torch.equal(a.action, planner.plan(make_input(seed=2)).action)
    assert not torch.equal(a.action, planner.plan(make_input(seed=1, step=1)).action)
    assert planner.plan(make_input(step=9)).stop


def run_scripted(
    planner: Planner, hand: HandModel, wall: float = 0.3, steps: int = 79
) -> tuple[list[Decision], torch.Tensor]:
    """Fingers that meet a rigid wall at an angle; force and overdrive follow the servo and its effort limit."""
    q_cmd, decisions = torch.zeros(6, dtype=torch.float64), []
    walls = torch.tensor([9.0, wall, wall, wall + 0.1, wall, 9.0], dtype=torch.float64)
    for step in range(steps):
        q = torch.minimum(q_cmd, walls)
        torque = hand.kp * (q_cmd - q)
        force = torque[1:] / 0.06
        situation = make_situation()
        given = make_input(
            Situation(situation.T_hand_object, q_cmd, torch.cat((q, 0 * q[1:])), force, force > 0.05), step=step
        )
        decisions.append(planner.plan(given))
        if decisions[-1].stop:
            break
        target = q_cmd + 0.04 * decisions[-1].action
        overdrive = decisions[-1].effort_limit / hand.kp + 0.02
        q_cmd = torch.minimum(torch.minimum(target, hand.upper), q + overdrive)
    torque = hand.kp * (q_cmd - torch.minimum(q_cmd, walls))
    return decisions, torch.minimum(torque, decisions[-1].effort_limit)


def test_scripted_closes_squeezes_what_touches_and_stops(hand: HandModel, ball: ObjectModel) -> None:
    parameters = {"squeeze": 0.5, "thumb_squeeze": 0.5, "close_speed": 0.6, "squeeze_speed": 0.3}
    planner = PLANNERS["scripted"](hand, ball, parameters)
    decisions, torque = run_scripted(planner, hand)
    assert decisions[-1].stop and decisions[-1].stop_reason == "squeezed"
    assert_close(decisions[0].action, torch.tensor([0.0, 0.6, 0.6, 0.6, 0.6, 0.6]).double())
    # The pinky never meets anything: it ends at its limit and carries nothing; the others carry half their torque.
    assert torque[5] == 0.0
    assert_close(torque[1:5], 0.5 * hand.torque_limit[1:5], rtol=0.1, atol=0.0)
    speeds = [{round(v, 6) for v in d.action[1:].tolist()} for d in decisions]
    assert any({0.3, 0.6} <= s for s in speeds)  # some squeeze while others are still on their way
    assert_close(decisions[0].effort_limit, 0.5 * hand.torque_limit)


def test_scripted_squeeze_level_sets_the_torque(hand: HandModel, ball: ObjectModel) -> None:
    levels = [run_scripted(PLANNERS["scripted"](hand, ball, {"squeeze": s}), hand)[1][2] for s in (0.3, 0.6, 0.9)]
    assert levels[0] < levels[1] < levels[2]


def test_scripted_finger_ratio_spares_the_fingers(hand: HandModel, ball: ObjectModel) -> None:
    _, torque = run_scripted(PLANNERS["scripted"](hand, ball, {"squeeze": 0.8, "finger_ratio": 0.5}), hand)
    assert_close(torque[1:5] / hand.torque_limit[1:5], torch.tensor([1.0, 0.4, 0.4, 0.4]).double(), rtol=0.1, atol=0)


def test_scripted_respects_the_force_share(hand: HandModel, ball: ObjectModel) -> None:
    gentle = ObjectModel(ball.distance, ball.mass, force_cap=4.0)
    decisions, torque = run_scripted(PLANNERS["scripted"](hand, gentle, {"squeeze": 0.9, "force_share": 0.5}), hand)
    assert decisions[-1].stop_reason == "squeezed"
    # One step of squeezing is 0.3 rad/s x 0.04 s x 20 N m/rad / 0.06 m = 4 N.
    assert torque[1:5].max() / 0.06 <= 2.0 + 4.0 + 1e-6


def test_scripted_without_contact_says_so_and_settles(hand: HandModel, ball: ObjectModel) -> None:
    decisions, _ = run_scripted(PLANNERS["scripted"](hand, ball, None), hand, wall=9.0)
    assert decisions[-1].stop_reason == "no_contact"
    planner = PLANNERS["scripted"](hand, ball, {"settle_steps": 3})
    stuck = make_situation(angle=0.25, force=1.0)
    reasons = [planner.plan(make_input(stuck, step=i)).stop_reason for i in range(10)]
    assert reasons[3] == "settled" and not any(reasons[:3])
    assert planner.plan(make_input(stuck, step=0)).stop_reason == ""


def test_bad_input_raises(hand: HandModel, ball: ObjectModel) -> None:
    bad = torch.zeros(OBSERVATION_DIM, dtype=torch.float64)
    bad[3] = math.nan
    with pytest.raises(NonFiniteError, match="observation"):
        make_input(observation=bad)
    with pytest.raises(ShapeError, match="observation"):
        make_input(observation=bad[:40])
    with pytest.raises(NonFiniteError, match="joint positions"):
        make_input(q=torch.full((11,), math.inf, dtype=torch.float64))
    with pytest.raises(NonFiniteError, match="epsilon_hat"):
        make_input(epsilon_hat=math.nan)
    with pytest.raises(ConfigError):
        make_input(step=-1)
    with pytest.raises(ConfigError):
        make_input(deadline=math.nan)
    belief = make_mixture((0.3,))
    belief.means[0, 0] = math.nan
    with pytest.raises(NonFiniteError, match="belief means"):
        make_input(belief=belief)
    good = make_mixture((0.3,))
    with pytest.raises(ShapeError, match="belief"):
        make_input(belief=good.expand(2))
    nothing = PlanInput(**{**vars(make_input()), "belief": None})
    with pytest.raises(ConfigError, match="belief"):
        PLANNERS["vnb"](hand, ball, None).plan(nothing)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("vnb", {"horizonn": 3}, "horizon"),
        ("vnb", {"beta": 1.0}, "beta"),
        ("vnb", {"samples": 0}, "samples"),
        ("vnb", {"starts": []}, "starts"),
        ("vnb", {"delta": math.nan}, "delta"),
        ("vnb", {"box": {"speed": 1.0}}, "close_speed"),
        ("vnb", {"cost_parameters": {"mass": 1.0}}, "disturbance_force"),
        ("scripted", {"squeeze": 1.5}, "squeeze"),
        ("scripted", {"grip": 1.5}, "squeeze"),
        ("noop", {"max_steps": -1}, "max_steps"),
        ("random", {"speed": "fast"}, "speed"),
    ],
)
def test_bad_parameters_raise(
    hand: HandModel, ball: ObjectModel, name: str, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        PLANNERS[name](hand, ball, parameters)


def test_unknown_names_list_the_known_ones(hand: HandModel, ball: ObjectModel) -> None:
    with pytest.raises(UnknownNameError, match="scripted"):
        PLANNERS["greedy"]
    with pytest.raises(UnknownNameError, match="wrench_margin"):
        PLANNERS["vnb"](hand, ball, {"cost": "magic"})
    with pytest.raises(UnknownNameError, match="cvar"):
        PLANNERS["vnb"](hand, ball, {"risk": "magic"})


def test_box_parameters_come_from_a_mapping(hand: HandModel, ball: ObjectModel) -> None:
    planner = PLANNERS["vnb"](hand, ball, {**SMALL, "box": {"close_speed": 0.35}})
    assert planner.plan(make_input(make_situation(angle=0.05))).action.max() <= 0.35


def test_cost_threshold_is_the_default_and_can_be_overridden(hand: HandModel, ball: ObjectModel) -> None:
    given = make_input(make_situation(angle=0.25, force=4.0))
    assert PLANNERS["vnb"](hand, ball, {**SMALL, "failure_threshold": -1.0}).plan(given).p_fail == 1.0
    assert PLANNERS["vnb"](hand, ball, {**SMALL, "failure_threshold": 99.0}).plan(given).p_fail == 0.0
    assert VnbPlanner.make(hand, ball, None).failure_threshold == 0.93


def test_paper_cost_plans_too(hand: HandModel, ball: ObjectModel) -> None:
    decision = PLANNERS["vnb"](hand, ball, {**SMALL, "cost": "paper"}).plan(make_input())
    assert decision.action[1:].min() > 0.3
    assert decision.p_fail == 0.0
    assert float(cvar(draws(make_mixture((0.3,)), 4)[:, 0], 0.5)) < 1.0
