"""Costs: printed formula, wrench margin against closed forms and brute force, gradients, what risk can change."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus
from torch.testing import assert_close

from vnb_belief.layout import LATENT_DIM, LOG_DAMPING, LOG_KAPPA, LOG_MU, OBSERVATION_DIM, SLIP_RAW, to_physical
from vnb_grasp.description import load_hand, load_object
from vnb_grasp.errors import ConfigError, UnknownNameError
from vnb_grasp.kinematics.hand_kinematics import HandKinematics
from vnb_grasp.shapes.sdf import SignedDistance
from vnb_planner.costs import COSTS, visual_cost
from vnb_planner.costs.wrench_margin import WrenchMarginCost, _ContactModel, _Directions, _soft_minimum
from vnb_planner.models import HandModel, ObjectModel, Situation
from vnb_planner.risk import cvar, expectation, smooth_cvar
from vnb_planner.testing import REACH, draws, make_mixture, make_situation


def still(*batch: int) -> Tensor:
    return torch.zeros(*batch, 1, 1, 6, dtype=torch.float64)


def sample(mu: float = 0.5) -> Tensor:
    """One latent: the pose as estimated, stiffness 1000 N/m, hardly any slip."""
    theta = torch.zeros(1, LATENT_DIM, dtype=torch.float64)
    theta[:, LOG_MU] = math.log(mu)
    theta[:, LOG_KAPPA] = math.log(1000.0)
    theta[:, LOG_DAMPING] = math.log(5.0)
    theta[:, SLIP_RAW] = -9.0
    return theta


def test_paper_cost_by_hand(hand: HandModel, ball: ObjectModel) -> None:
    situation, theta = make_situation(force=1.0), sample(0.5)
    action = torch.full((1, 1, 6), 0.2, dtype=torch.float64)
    value = COSTS["paper"](hand, ball, None).prepare(situation, theta)(action)
    pads = hand.pad_frames(situation.q_cmd + 0.04 * 0.2)[:, :3, 3]
    expected = -0.2 + 0.5 * pads.norm(dim=-1).sum() + math.exp(-0.5) + softplus(to_physical(theta).slip[0, 0])
    assert_close(value, expected.reshape(1, 1))


def test_paper_cost_counts_only_contacts(hand: HandModel, ball: ObjectModel) -> None:
    theta = sample(0.5)
    theta[:, LOG_MU.start] = math.log(0.1)
    cost = COSTS["paper"](hand, ball, {"alpha_s": 0.0, "alpha_g": 0.0})
    for flags in ([True, False, False, False, False], [False, True, True, False, False], [False] * 5):
        situation = Situation(**{**vars(make_situation()), "contact": torch.tensor(flags)})
        got = cost.prepare(situation, theta)(still())
        mu = to_physical(theta).mu[0][torch.tensor(flags)]
        expected = (torch.exp(-mu) + softplus(to_physical(theta).slip[0, 0])).mean() if any(flags) else torch.zeros(())
        assert_close(got, expected.double().reshape(1, 1))


def test_with_the_printed_cost_risk_cannot_change_the_action(hand: HandModel, ball: ObjectModel) -> None:
    theta = draws(make_mixture((0.15, 1.2), spread=0.4), 200)
    rates = torch.linspace(-0.2, 0.2, 41, dtype=torch.float64)[:, None, None].expand(-1, 1, 6)
    costs = COSTS["paper"](hand, ball, None).prepare(make_situation(force=1.0), theta)(rates)
    risk, mean = cvar(costs, 0.9), expectation(costs)
    assert int(risk.argmin()) == int(mean.argmin())
    # They differ by a constant: no action is worth more to one than to the other.
    gap = risk - mean
    assert_close(gap, gap[:1].expand_as(gap))
    assert gap[0] > 0.01


def test_printed_cost_couples_friction_and_action_only_at_absurd_friction(hand: HandModel, ball: ObjectModel) -> None:
    weights = {"alpha_s": 0.0, "alpha_g": 0.0}
    action = torch.full((1, 1, 6), 0.2, dtype=torch.float64)
    for mu, coupled in ((1.2, False), (49.0, False), (100.0, True)):
        evaluate = COSTS["paper"](hand, ball, weights).prepare(make_situation(force=1.0), sample(mu))
        assert bool((evaluate(action) - evaluate(still())).abs() > 1e-6) is coupled


def test_visual_cost_by_hand() -> None:
    observation = torch.zeros(OBSERVATION_DIM, dtype=torch.float64)
    observation[6], observation[39], observation[40] = 0.25, 0.5, 0.75
    assert_close(visual_cost(observation), torch.tensor(0.25 + math.log1p(math.exp(0.5)) + 0.25).double())


def test_levers_of_the_tiny_hand(hand: HandModel) -> None:
    expected = torch.full((5,), math.hypot(REACH, 0.007), dtype=torch.float64)
    assert_close(hand.levers(make_situation().q[:6]), expected, rtol=1e-6, atol=0)


def test_support_is_the_best_force_in_the_cones() -> None:
    """Closed form against a fine search over the cone's edge, the axis and no force."""
    generator = torch.Generator().manual_seed(3)
    arm = 0.04 * torch.randn(2, 4, 5, 6, 3, generator=generator, dtype=torch.float64)
    push = torch.nn.functional.normalize(torch.randn(2, 4, 5, 6, 3, generator=generator, dtype=torch.float64), dim=-1)
    force = torch.rand(2, 4, 5, 6, generator=generator, dtype=torch.float64)
    mu = torch.rand(2, 1, 5, 6, generator=generator, dtype=torch.float64)
    directions = _Directions(arm, 0.03)
    got = directions.support(arm, push, force, mu)
    side = torch.linalg.cross(push, torch.randn(3, generator=generator, dtype=torch.float64).expand_as(push))
    side = torch.nn.functional.normalize(side, dim=-1)
    other = torch.linalg.cross(push, side)
    angle = torch.linspace(0, 2 * math.pi, 721, dtype=torch.float64)[:, None, None, None, None, None]
    edge = push + mu.unsqueeze(-1) * (angle.cos() * side + angle.sin() * other)
    forces = torch.cat((edge, torch.zeros_like(push)[None]))
    wrench = torch.cat(
        (forces @ directions.unit, torch.linalg.cross(arm.expand_as(forces), forces) @ directions.unit / 0.03), -1
    )
    best = (wrench.amax(0) * force.unsqueeze(-1)).sum(-3)
    assert_close(got, best, rtol=2e-3, atol=1e-4)
    assert bool((got >= best - 1e-9).all())


def test_two_fingers_resist_what_friction_alone_must_carry() -> None:
    """Opposed contacts along x: 2 mu f sideways, f along the axis, nothing in torsion about it."""
    arm = torch.tensor([[[[0.03, 0, 0]], [[-0.03, 0, 0]]]], dtype=torch.float64)
    directions = _Directions(arm, 0.03)
    force, mu = torch.full((1, 2, 1), 4.0).double(), torch.full((1, 2, 1), 0.5).double()
    got = directions.support(arm, -arm / 0.03, force, mu)[0, 0]
    assert_close(got[:6], torch.full((6,), 4.0).double(), rtol=0, atol=1e-4)
    assert_close(got[14:20], torch.tensor([0.0, 0.0, 4.0, 4.0, 4.0, 4.0]).double(), rtol=0, atol=1e-4)


def test_soft_minimum_bounds() -> None:
    values = torch.randn(50, 28, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for temperature in (0.01, 0.1, 1.0):
        gap = _soft_minimum(values, temperature) - values.amin(-1)
        assert bool((gap >= 0).all()) and bool((gap <= temperature * math.log(28) + 1e-12).all())


def contacts_of(hand: HandModel, ball: ObjectModel, situation: Situation, theta: Tensor) -> _ContactModel:
    return _ContactModel(hand, ball, WrenchMarginCost.make(hand, ball, None).config, situation, theta)


@pytest.mark.parametrize("force", [0.3, 4.0, 9.0, 15.0])
def test_a_finger_in_contact_carries_its_measured_force(hand: HandModel, ball: ObjectModel, force: float) -> None:
    theta = draws(make_mixture((0.4,), pose=0.004), 16)
    model = contacts_of(hand, ball, make_situation(angle=0.2, force=force), theta)
    predicted = model.predict(still()).force
    assert_close(predicted, torch.full_like(predicted, force), rtol=1e-6, atol=1e-9)


def test_force_grows_by_the_stiffness_of_servo_and_contact_in_series(hand: HandModel, ball: ObjectModel) -> None:
    situation = make_situation(angle=0.2, force=4.0)
    model = contacts_of(hand, ball, situation, sample())
    rate = torch.zeros(1, 1, 6, dtype=torch.float64)
    rate[..., 1] = 0.05
    before, after = model.predict(still()), model.predict(rate)
    servo = hand.kp / hand.levers(situation.q[:6])[0] ** 2
    series = servo * 1000.0 / (servo + 1000.0)
    moved = (after.demand - before.demand)[0, 0, 0] * model.limit[0, 0] / series
    # The thumb's pad moves by lever times angle; what counts is the part along the normal.
    travel = 0.05 * 0.04 * hand.levers(situation.q[:6])[0]
    assert 0.6 * travel < float(moved) <= float(travel)
    assert_close(after.force[..., 1:, :], before.force[..., 1:, :])


def test_a_finger_without_contact_does_not_penetrate_now(hand: HandModel, ball: ObjectModel) -> None:
    """The estimate says that the fingers are deep inside; they feel nothing, so only the soft onset remains."""
    model = contacts_of(hand, ball, make_situation(angle=0.8), sample())
    onset = model.stiffness * 0.003 * math.log(2.0)
    predicted = model.predict(still()).force
    assert bool((predicted <= onset * (1 + 1e-9)).all())


def test_force_saturates_at_the_torque_limit(hand: HandModel, ball: ObjectModel) -> None:
    model = contacts_of(hand, ball, make_situation(angle=0.2, force=5.0), sample())
    hard = model.predict(torch.full((1, 10, 6), 1.0, dtype=torch.float64))
    assert bool((hard.force <= model.limit).all())
    assert bool((hard.demand > 1.0).all())


def test_thumb_posture_and_pose_samples_move_contacts(hand: HandModel, ball: ObjectModel) -> None:
    theta = sample().repeat(2, 1)
    theta[1, 0] = 0.01
    model = contacts_of(hand, ball, make_situation(angle=0.2), theta)
    arm = model.predict(still()).arm
    assert (arm[..., 0, 0] - arm[..., 0, 1]).abs().max() > 5e-3
    # Moving the object along x brings it nearer to the fingers and away from the thumb.
    gap = model.predict(still()).gap[0]
    assert bool((gap[1:, 1] < gap[1:, 0]).all()) and bool(gap[0, 1] > gap[0, 0])


@pytest.mark.parametrize("force", [0.0, 3.0])
def test_gradients_in_action_and_latent(hand: HandModel, ball: ObjectModel, force: float) -> None:
    cost = COSTS["wrench_margin"](hand, ball, {"curvature": True})
    theta = draws(make_mixture((0.3, 0.8), pose=0.003), 3).requires_grad_()
    action = 0.1 * torch.randn(2, 2, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    situation = make_situation(angle=0.22, force=force)
    assert torch.autograd.gradcheck(lambda a, t: cost.prepare(situation, t)(a), (action.requires_grad_(), theta))


def test_gradients_on_the_real_hand_and_object() -> None:
    description, target = load_hand("l6_v31"), load_object("mustard_bottle")
    model = HandModel.from_description(description, HandKinematics(description))
    what = ObjectModel(SignedDistance(target.primitives()), target.mass, target.force_cap)
    situation = make_situation(angle=0.4, force=2.0)
    pads = model.pad_frames(situation.q_cmd)[:, :3, 3]
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, 3] = pads.mean(0)
    situation = Situation(**{**vars(situation), "T_hand_object": pose})
    cost = COSTS["wrench_margin"](model, what, {"curvature": True})
    action = 0.1 * torch.randn(1, 2, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    evaluate = cost.prepare(situation, draws(make_mixture((0.3, 0.8)), 2))
    assert torch.autograd.gradcheck(evaluate, (action.requires_grad_(),))


def test_without_curvature_values_agree_and_gradients_nearly(hand: HandModel, ball: ObjectModel) -> None:
    theta, situation = draws(make_mixture((0.3, 0.8)), 32), make_situation(angle=0.22, force=3.0)
    results = []
    for curvature in (True, False):
        action = torch.full((1, 1, 6), 0.05, dtype=torch.float64, requires_grad=True)
        value = cvar(
            COSTS["wrench_margin"](hand, ball, {"curvature": curvature}).prepare(situation, theta)(action), 0.9
        )
        results.append((value.detach(), torch.autograd.grad(value.sum(), action)[0].flatten()))
    assert_close(results[0][0], results[1][0])
    assert torch.cosine_similarity(results[0][1], results[1][1], dim=0) > 0.95


def test_low_and_high_friction_give_different_risk_gradients(hand: HandModel, ball: ObjectModel) -> None:
    gradients = []
    for mu in (0.25, 1.0):
        theta = draws(make_mixture((mu,)), 128)
        action = still().requires_grad_()
        evaluate = COSTS["wrench_margin"](hand, ball, None).prepare(make_situation(angle=0.25, force=6.0), theta)
        gradients.append(torch.autograd.grad(cvar(evaluate(action), 0.9).sum(), action)[0].flatten()[1:])
    low, high = gradients
    assert torch.linalg.vector_norm(low - high) > 0.2 * torch.linalg.vector_norm(low)
    # The fingers beside the thumb: little friction asks them to squeeze on more than plenty of it does.
    assert low[1:].sum() < high[1:].sum()


def test_more_friction_never_costs_more(hand: HandModel, ball: ObjectModel) -> None:
    situation = make_situation(angle=0.25, force=6.0)
    cost = COSTS["wrench_margin"](hand, ball, None)
    values = torch.cat([cost.prepare(situation, sample(mu))(still()).flatten() for mu in (0.05, 0.1, 0.2, 0.4, 0.8)])
    assert bool((values.diff() < 0).all())


def test_slip_costs_and_force_beyond_the_cap_costs(hand: HandModel, ball: ObjectModel) -> None:
    situation = make_situation(angle=0.25, force=3.0)
    cost = COSTS["wrench_margin"](hand, ball, None)
    slipping = sample()
    slipping[:, SLIP_RAW] = 0.0
    assert cost.prepare(situation, slipping)(still()) > cost.prepare(situation, sample())(still())
    hard = make_situation(angle=0.25, force=9.5)
    gentle = COSTS["wrench_margin"](hand, ObjectModel(ball.distance, ball.mass, 10.0), None)
    assert gentle.prepare(hard, sample())(still()) > cost.prepare(hard, sample())(still()) + 1.0


def test_batches_are_independent_and_dtype_follows(hand: HandModel, ball: ObjectModel) -> None:
    cost, situation = COSTS["wrench_margin"](hand, ball, None), make_situation(angle=0.22, force=2.0)
    theta = make_mixture((0.3, 0.8)).sample_components(7, torch.Generator().manual_seed(0))  # (2, 7, 26)
    action = 0.1 * torch.randn(2, 3, 2, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    together = cost.prepare(situation, theta)(action)
    assert together.shape == (2, 3, 7)
    for k in range(2):
        assert_close(together[k], cost.prepare(situation, theta[k])(action[k]))
    single = cost.prepare(situation.to(theta.float()), theta.float())(action.float())
    assert single.dtype == torch.float32
    assert_close(single.double(), together, rtol=1e-3, atol=1e-4)


def test_targets_stop_at_the_joint_limits_plus_overdrive(hand: HandModel, ball: ObjectModel) -> None:
    cost, theta = COSTS["wrench_margin"](hand, ball, None), sample()
    evaluate = cost.prepare(make_situation(angle=1.19), theta)
    fast, faster = torch.full((1, 10, 6), 1.0).double(), torch.full((1, 10, 6), 5.0).double()
    fast[..., 0] = faster[..., 0] = 0.0
    assert_close(evaluate(fast), evaluate(faster))


def test_bad_parameters_raise(hand: HandModel, ball: ObjectModel) -> None:
    with pytest.raises(ConfigError, match="disturbance_force"):
        COSTS["wrench_margin"](hand, ball, {"disturbance": 3.0})
    with pytest.raises(ConfigError, match="torque_length"):
        COSTS["wrench_margin"](hand, ball, {"torque_length": 0.0})
    with pytest.raises(ConfigError, match="alpha_s"):
        COSTS["paper"](hand, ball, {"alpha_s": math.nan})
    with pytest.raises(UnknownNameError, match="wrench_margin"):
        COSTS["wrench"]


def test_surrogate_descends_the_exact_risk(hand: HandModel, ball: ObjectModel) -> None:
    theta = draws(make_mixture((0.3, 0.8)), 128)
    evaluate = COSTS["wrench_margin"](hand, ball, None).prepare(make_situation(angle=0.25, force=3.0), theta)
    action = still().requires_grad_()
    (gradient,) = torch.autograd.grad(smooth_cvar(evaluate(action), 0.9, 0.1).sum(), action)
    with torch.no_grad():
        step = -0.05 * gradient / gradient.abs().max()
        assert cvar(evaluate(step), 0.9) < cvar(evaluate(action), 0.9)
