"""The planner that expects the worst friction: risk-aware in all but friction, which it takes to be the lowest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from vnb_belief.layout import LOG_MU
from vnb_belief.mixture import Mixture
from vnb_planner.config import require_positive
from vnb_planner.planners.search import SearchConfig
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

    name: ClassVar[str] = "robust"
    config_type: ClassVar[type[SearchConfig]] = RobustConfig
    config: RobustConfig

    def believe(self, belief: Mixture) -> Mixture:
        """See :class:`vnb_planner.planners.search.SearchPlanner`."""
        return fix_friction(belief, self.config.friction)


def fix_friction(belief: Mixture, friction: float) -> Mixture:
    """Return ``belief`` with the friction of every contact replaced by a point at ``friction``."""
    means, log_stds = belief.means.clone(), belief.log_stds.clone()
    means[..., LOG_MU] = torch.as_tensor(math.log(friction)).to(means)
    log_stds[..., LOG_MU] = _LOG_POINT_STD
    return Mixture(belief.logits, means, log_stds)
