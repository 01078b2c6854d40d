"""The planner that moves at random: a control that shows that the chosen motion matters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from vnb_planner.config import from_mapping, require_count, require_positive
from vnb_planner.models import NUM_ACTUATED, HandModel, ObjectModel
from vnb_planner.planners.interface import Decision, PlanInput
from vnb_planner.planners.streams import step_generator


@dataclass(frozen=True)
class RandomConfig:
    """Attributes: speed: Largest speed of a joint either way [rad/s]. max_steps: Step at which it stops."""

    speed: float = 0.8
    max_steps: int = 80

    def __post_init__(self) -> None:
        require_positive("speed", self.speed)
        require_count("max_steps", self.max_steps, 1)


class RandomPlanner:
    """Draws every joint's velocity uniformly within the speed; the same seed and step give the same draw."""

    def __init__(self, hand: HandModel, config: RandomConfig) -> None:
        self.hand = hand
        self.config = config

    @classmethod
    def make(cls, hand: HandModel, target: ObjectModel, parameters: Mapping[str, Any] | None) -> RandomPlanner:
        """Make the planner from a mapping of :class:`RandomConfig`'s fields; the object is not used."""
        return cls(hand, from_mapping(RandomConfig, parameters))

    def reset(self) -> None:
        """See :class:`vnb_planner.planners.interface.Planner`."""

    def plan(self, given: PlanInput) -> Decision:
        """See :class:`vnb_planner.planners.interface.Planner`."""
        generator = step_generator(given.seed, "random planner", given.step)
        speed = self.hand.speed_limit.to(given.q_cmd).clamp(max=self.config.speed)
        draw = 2.0 * torch.rand(NUM_ACTUATED, generator=generator, dtype=torch.float64) - 1.0
        stop = given.step >= self.config.max_steps
        return Decision(
            action=torch.zeros_like(speed) if stop else draw.to(speed) * speed,
            effort_limit=self.hand.torque_limit.to(given.q_cmd),
            stop=stop,
            stop_reason="step_limit" if stop else "",
        )
