"""A method of one's own: all fingers close at one speed, drawn once per trial, for a fixed time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from vnb_benchmark.methods.planner_method import PlannerMethod
from vnb_planner.models import HandModel, ObjectModel
from vnb_planner.planners import Decision, PlanInput

STEPS = 40


class RandomSpeedPlanner:
    """Closes all fingers at one random speed; the thumb's yaw, the first joint, stays where the pre-grasp put it."""

    def __init__(self, hand: HandModel, target: ObjectModel, parameters: Mapping[str, Any] | None) -> None:
        self.effort_limit = 0.7 * hand.torque_limit

    def reset(self) -> None:
        """Nothing is remembered between trials."""

    def plan(self, given: PlanInput) -> Decision:
        """Return the speeds of the six actuated joints [rad/s]; ``given`` is all that the robot senses and believes."""
        # Drawn from the trial's seed, so that the same case gives the same trial.
        speed = 0.4 + 0.4 * torch.rand(1, generator=torch.Generator().manual_seed(given.seed)).item()
        stop = given.step >= STEPS
        action = torch.zeros(6) if stop else speed * torch.tensor([0.0, 1.0, 1.0, 1.0, 1.0, 1.0])
        return Decision(action, self.effort_limit, stop=stop, stop_reason="done" if stop else "")


def make() -> PlannerMethod:
    """Make the method; the benchmark finds this function through the entry point in pyproject.toml."""
    return PlannerMethod(RandomSpeedPlanner, belief="prior")
