"""The planner that does nothing: every benchmark's floor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from vnb_planner.config import from_mapping, require_count
from vnb_planner.models import NUM_ACTUATED, HandModel, ObjectModel
from vnb_planner.planners.interface import Decision, PlanInput


@dataclass(frozen=True)
class NoopConfig:
    """Attributes: max_steps: Step at which it stops; 0 stops at once."""

    max_steps: int = 0

    def __post_init__(self) -> None:
        require_count("max_steps", self.max_steps, 0)


class NoopPlanner:
    """Holds the fingers where they are."""

    def __init__(self, hand: HandModel, config: NoopConfig) -> None:
        self.hand = hand
        self.config = config

    @classmethod
    def make(cls, hand: HandModel, target: ObjectModel, parameters: Mapping[str, Any] | None) -> NoopPlanner:
        """Make the planner from a mapping of :class:`NoopConfig`'s fields; the object is not used."""
        return cls(hand, from_mapping(NoopConfig, parameters))

    def reset(self) -> None:
        """See :class:`vnb_planner.planners.interface.Planner`."""

    def plan(self, given: PlanInput) -> Decision:
        """See :class:`vnb_planner.planners.interface.Planner`."""
        stop = given.step >= self.config.max_steps
        return Decision(
            action=torch.zeros(NUM_ACTUATED).to(given.q_cmd),
            effort_limit=self.hand.torque_limit.to(given.q_cmd),
            stop=stop,
            stop_reason="noop" if stop else "",
        )
