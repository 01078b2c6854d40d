"""The hardest closing: full torque at every finger, whatever the object bears."""

import pytest
import torch
from torch.testing import assert_close

from vnb_grasp.errors import ConfigError
from vnb_planner.models import HandModel
from vnb_planner.planners import PLANNERS, PlanInput
from vnb_planner.testing import make_situation, tiny_ball


def given(force: float, step: int = 0, squeeze: float = 0.0) -> PlanInput:
    situation = make_situation(angle=0.25, force=force, squeeze=squeeze)
    return PlanInput(
        belief=None,
        observation=torch.zeros(41, dtype=torch.float64),
        **vars(situation),
        epsilon_hat=0.0,
        step=step,
        seed=0,
    )


def test_every_servo_gets_its_full_torque(hand: HandModel) -> None:
    decision = PLANNERS["squeeze"](hand, tiny_ball(), None).plan(given(1.0))
    assert_close(decision.effort_limit, hand.torque_limit)


def test_a_fragile_object_is_squeezed_on_where_the_script_stops(hand: HandModel) -> None:
    fragile = tiny_ball(force_cap=5.0)
    assert PLANNERS["scripted"](hand, fragile, None).plan(given(6.0)).stop
    decision = PLANNERS["squeeze"](hand, fragile, {"squeeze_speed": 0.2}).plan(given(6.0))
    assert not decision.stop
    assert_close(decision.action, torch.tensor([0.0, 0.2, 0.2, 0.2, 0.2, 0.2]).double())


def test_it_ends_when_every_servo_is_at_its_limit(hand: HandModel) -> None:
    decision = PLANNERS["squeeze"](hand, tiny_ball(), None).plan(given(20.0, squeeze=0.051))
    assert decision.stop_reason == "squeezed"  # 0.051 rad x 20 N m/rad is more than every finger's limit of 1 N m
    assert not decision.action.any()


def test_it_has_no_squeeze_level_to_set(hand: HandModel) -> None:
    with pytest.raises(ConfigError, match="close_speed"):
        PLANNERS["squeeze"](hand, tiny_ball(), {"squeeze": 0.5})
    with pytest.raises(ConfigError, match="max_steps"):
        PLANNERS["squeeze"](hand, tiny_ball(), {"max_steps": 0})
