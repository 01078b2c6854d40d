"""The planner that expects the worst friction: risk-aware in all but friction, which it takes to be the lowest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from vnb_belief.layout import LOG_MU
from vnb_belief.mixture import Mixture
from vnb_grasp.errors import ConfigError
from vnb_planner.config import from_mapping, require_positive
from vnb_planner.models import HandModel, ObjectModel
from vnb_planner.planners.interface import Decision, PlanInput
from vnb_planner.planners.vnb import VnbConfig, VnbPlanner

LOWEST_FRICTION = math.sqrt(0.35 * 0.15)
"""Effective friction of the fingers' material on the most slippery surface of the widest uniform regime."""
_LOG_POINT_STD = math.log(1e-3)
"""Spread of the point mass in log friction: a mixture has no zero spread, and 0.1 % is nothing to a cost."""


@dataclass(frozen=True)
class RobustConfig(VnbConfig):
    """Parameters of the risk-aware planner, and the friction that is planned for.

    Attributes:
        friction: Effective friction of every contact.
    """

    friction: float = LOWEST_FRICTION

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("friction", self.friction)


class RobustPlanner(VnbPlanner):
    """The risk-aware planner on a belief whose friction is a point; everything else stays as believed."""

    config: RobustConfig

    @classmethod
    def make(cls, hand: HandModel, target: ObjectModel, parameters: Mapping[str, Any] | None) -> RobustPlanner:
        """Make the planner from a mapping of :class:`RobustConfig`'s fields."""
        return cls(hand, target, from_mapping(RobustConfig, parameters))

    def plan(self, given: PlanInput) -> Decision:
        """See :class:`vnb_planner.planners.vnb.VnbPlanner`."""
        if given.belief is None:
            raise ConfigError("robust planner: got no belief, expected a mixture; start the belief before the planner")
        return super().plan(replace(given, belief=fix_friction(given.belief, self.config.friction)))


def fix_friction(belief: Mixture, friction: float) -> Mixture:
    """Return ``belief`` with the friction of every contact replaced by a point at ``friction``."""
    means, log_stds = belief.means.clone(), belief.log_stds.clone()
    means[..., LOG_MU] = torch.as_tensor(math.log(friction)).to(means)
    log_stds[..., LOG_MU] = _LOG_POINT_STD
    return Mixture(belief.logits, means, log_stds)
