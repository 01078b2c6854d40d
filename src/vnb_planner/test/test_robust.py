"""The planner for the worst friction: it does not listen to what is believed about friction, and to all else."""

from typing import Any

import pytest
import torch
from torch.testing import assert_close

from vnb_belief.layout import LOG_MU, to_physical
from vnb_belief.mixture import Mixture
from vnb_grasp.errors import ConfigError
from vnb_planner.models import HandModel, ObjectModel
from vnb_planner.planners import PLANNERS, PlanInput
from vnb_planner.planners.robust import LOWEST_FRICTION, fix_friction
from vnb_planner.testing import draws, make_mixture, make_situation

SMALL = {"samples": 64, "gradient_samples": 16}


def given(belief: Mixture | None) -> PlanInput:
    return PlanInput(
        belief=belief,
        observation=torch.zeros(41, dtype=torch.float64),
        **vars(make_situation(angle=0.25, force=4.0)),
        epsilon_hat=0.0,
        step=0,
        seed=0,
    )


def test_friction_becomes_a_point_and_nothing_else_changes() -> None:
    belief = make_mixture((0.3, 0.9), (0.2, 0.8))
    before = belief.means.clone()
    fixed = fix_friction(belief, 0.25)
    mu = to_physical(draws(fixed, 32)).mu
    assert_close(mu, torch.full_like(mu, 0.25), rtol=0.01, atol=0.0)
    others = [i for i in range(26) if i not in range(*LOG_MU.indices(26))]
    assert_close(fixed.means[:, others], belief.means[:, others])
    assert_close(fixed.log_stds[:, others], belief.log_stds[:, others])
    assert_close(fixed.weights, belief.weights)
    assert_close(belief.means, before)  # the belief that was given is left alone


def test_what_is_believed_about_friction_does_not_matter(hand: HandModel, ball: ObjectModel) -> None:
    planner = PLANNERS["robust"](hand, ball, SMALL)
    slippery, sticky = (planner.plan(given(make_mixture((mu,)))) for mu in (0.2, 1.0))
    assert_close(slippery.action, sticky.action)
    assert slippery.cvar == sticky.cvar


def test_it_is_vnb_where_the_belief_is_that_point(hand: HandModel, ball: ObjectModel) -> None:
    belief = make_mixture((0.5,))
    robust = PLANNERS["robust"](hand, ball, {**SMALL, "friction": 0.4}).plan(given(belief))
    vnb = PLANNERS["vnb"](hand, ball, SMALL).plan(given(fix_friction(belief, 0.4)))
    assert_close(robust.action, vnb.action)
    assert robust.cvar == vnb.cvar


def test_it_expects_more_risk_than_a_planner_that_believes_in_grip(hand: HandModel, ball: ObjectModel) -> None:
    belief = make_mixture((0.9,))
    assert pytest.approx(0.2291, abs=1e-4) == LOWEST_FRICTION
    robust, vnb = (PLANNERS[name](hand, ball, SMALL).plan(given(belief)) for name in ("robust", "vnb"))
    assert robust.expected_cost > vnb.expected_cost + 0.01


def test_bad_parameters_and_a_missing_belief_raise(hand: HandModel, ball: ObjectModel) -> None:
    bad: list[tuple[dict[str, Any], str]] = [({"friction": 0.0}, "friction"), ({"beta": 1.0}, "beta"), ({"x": 1}, "x")]
    for parameters, message in bad:
        with pytest.raises(ConfigError, match=message):
            PLANNERS["robust"](hand, ball, parameters)
    with pytest.raises(ConfigError, match="robust planner"):
        PLANNERS["robust"](hand, ball, None).plan(given(None))
