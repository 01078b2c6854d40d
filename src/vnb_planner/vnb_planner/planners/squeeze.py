"""The planner that closes as hard as the hand allows: what strength alone achieves, whatever the object bears."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from vnb_planner.config import from_mapping, require_count, require_positive
from vnb_planner.models import HandModel, ObjectModel
from vnb_planner.planners.scripted import ScriptedConfig, ScriptedPlanner


@dataclass(frozen=True)
class SqueezeConfig:
    """Parameters of the hardest closing.

    Attributes:
        close_speed: Speed of a finger on its way to contact [rad/s].
        squeeze_speed: Speed of the targets while squeezing [rad/s].
        max_steps: Step at which it stops in any case.
    """

    close_speed: float = 0.6
    squeeze_speed: float = 0.3
    max_steps: int = 80

    def __post_init__(self) -> None:
        require_positive("close_speed", self.close_speed)
        require_positive("squeeze_speed", self.squeeze_speed)
        require_count("max_steps", self.max_steps, 1)


class SqueezePlanner(ScriptedPlanner):
    """The script with every finger at its full torque limit and no bound on the force.

    What the object bears is left out of the script's picture of it, so the tactile force never ends a finger's squeeze.
    """

    @classmethod
    def make(cls, hand: HandModel, target: ObjectModel, parameters: Mapping[str, Any] | None) -> SqueezePlanner:
        """Make the planner from a mapping of :class:`SqueezeConfig`'s fields."""
        config = from_mapping(SqueezeConfig, parameters)
        script = ScriptedConfig(squeeze=1.0, thumb_squeeze=1.0, finger_ratio=1.0, force_share=1.0, **vars(config))
        return cls(hand, replace(target, force_cap=math.inf), script)
