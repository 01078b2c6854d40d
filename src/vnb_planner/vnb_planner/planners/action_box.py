"""Which velocities the planner may choose from: free fingers close, touching fingers wait, squeeze or ease off."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vnb_planner.config import require_in, require_positive
from vnb_planner.models import FINGER_OF_JOINT, NUM_ACTUATED, HandModel

THUMB_YAW = 0


@dataclass(frozen=True)
class ActionBox:
    """Velocity bounds by contact state [rad/s].

    Attributes:
        close_speed: Fastest closing of a finger that does not touch.
        squeeze_speed: Fastest closing of a finger that touches.
        release_speed: Fastest opening of a finger that touches; a finger that does not touch never opens.
        yaw_speed: Fastest turn of the thumb about its yaw axis, either way; its posture belongs to the pre-grasp.
    """

    close_speed: float = 0.8
    squeeze_speed: float = 0.3
    release_speed: float = 0.1
    yaw_speed: float = 0.0

    def __post_init__(self) -> None:
        require_positive("close_speed", self.close_speed)
        require_positive("squeeze_speed", self.squeeze_speed)
        require_in("release_speed", self.release_speed, 0.0, 10.0)
        require_in("yaw_speed", self.yaw_speed, 0.0, 10.0)

    def bounds(self, contact: Tensor, hand: HandModel, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return lower and upper velocities ``(6,)`` for contact flags ``(5,)``, within the hand's speed limits."""
        touching = contact.bool()[list(FINGER_OF_JOINT)]
        lower = torch.where(touching, -self.release_speed, torch.zeros(NUM_ACTUATED).to(like))
        upper = torch.where(touching, self.squeeze_speed, torch.full((NUM_ACTUATED,), self.close_speed).to(like))
        lower[THUMB_YAW], upper[THUMB_YAW] = -self.yaw_speed, self.yaw_speed
        speed = hand.speed_limit.to(like)
        return torch.maximum(lower, -speed), torch.minimum(upper, speed)
