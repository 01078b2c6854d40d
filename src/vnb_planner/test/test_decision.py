"""A decision that no hand can follow is found in one place."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError
from vnb_planner.planners import Decision, check_decision

GOOD = Decision(torch.zeros(6), torch.ones(6))


def test_a_valid_decision_comes_back() -> None:
    assert check_decision(GOOD, "mine", 3) is GOOD


@pytest.mark.parametrize("name", ["action", "effort_limit"])
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (torch.full((6,), float("nan")), NonFiniteError),
        (torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, float("inf")]), NonFiniteError),
        (torch.zeros(5), ShapeError),
        (torch.zeros(1, 6), ShapeError),
        ([0.0] * 6, ShapeError),
        (None, ShapeError),
    ],
)
def test_what_no_hand_can_follow_names_planner_step_and_part(name: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=rf"'mine' at step 3: got {name}"):
        check_decision(replace(GOOD, **{name: value}), "mine", 3)


@pytest.mark.parametrize("p_fail", [-1e-9, 1.0 + 1e-9, float("inf")])
def test_a_failure_probability_is_one_or_nan(p_fail: float) -> None:
    with pytest.raises(ConfigError, match=r"'mine' at step 3: got failure probability"):
        check_decision(replace(GOOD, p_fail=p_fail), "mine", 3)
    check_decision(replace(GOOD, p_fail=float("nan")), "mine", 3)


def test_something_else_than_a_decision_raises() -> None:
    nothing: Any = None
    with pytest.raises(ConfigError, match="got NoneType, expected a Decision"):
        check_decision(nothing, "mine", 0)
