"""The scripted planner: close at constant speed until contact, then a fixed squeeze."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vnb_belief.layout import OBS_JOINT_VELOCITY
from vnb_planner.config import from_mapping, require_count, require_in, require_positive
from vnb_planner.models import CLOSING_JOINT, NUM_ACTUATED, HandModel, ObjectModel
from vnb_planner.planners.interface import Decision, PlanInput

_CLOSING = list(CLOSING_JOINT)
THUMB_JOINTS = [0, 1]
_NEAR_LIMIT = 0.01
_MIN_EFFORT = 0.2
"""Least fraction of the torque limit that servos get, so that they overcome their own friction while closing."""


@dataclass(frozen=True)
class ScriptedConfig:
    """Parameters of the script.

    Attributes:
        close_speed: Speed of a finger on its way to contact [rad/s].
        squeeze_speed: Speed of the targets while squeezing [rad/s].
        squeeze: Servo torque at which a finger at rest is done, as a fraction of its torque limit.
        thumb_squeeze: The thumb's, if that is more: the fingers push it back until it bears what they press.
        finger_ratio: The other fingers' squeeze as a fraction of ``squeeze``.
        force_share: Tactile force at which a finger is done, as a fraction of the object's force cap.
        rest_speed: Joint speed below which a finger is at rest [rad/s]; a moving servo lags, which is no torque.
        settle_steps: Squeezing stops when nothing has changed for this many steps.
        settle_force: Change of a fingertip force that counts [N].
        settle_angle: Change of a joint that counts [rad].
        max_steps: Step at which it stops in any case.
    """

    close_speed: float = 0.6
    squeeze_speed: float = 0.3
    squeeze: float = 0.65
    thumb_squeeze: float = 1.0
    finger_ratio: float = 1.0
    force_share: float = 0.7
    rest_speed: float = 0.1
    settle_steps: int = 10
    settle_force: float = 0.05
    settle_angle: float = 0.001
    max_steps: int = 80

    def __post_init__(self) -> None:
        for name in ("close_speed", "squeeze_speed", "rest_speed", "settle_force", "settle_angle"):
            require_positive(name, getattr(self, name))
        require_in("squeeze", self.squeeze, 0.0, 1.0)
        require_in("thumb_squeeze", self.thumb_squeeze, 0.0, 1.0)
        require_in("finger_ratio", self.finger_ratio, 0.0, 1.0)
        require_in("force_share", self.force_share, 0.0, 1.0)
        require_count("settle_steps", self.settle_steps, 1)
        require_count("max_steps", self.max_steps, 1)


class ScriptedPlanner:
    """Every finger closes until it touches and then squeezes, without waiting for the others, until its servo is done.

    The thumb's yaw belongs to the pre-grasp and is held. Remembers the phase and the last readings; a step that is not
    after the last one begins a new trial.
    """

    def __init__(self, hand: HandModel, target: ObjectModel, config: ScriptedConfig) -> None:
        self.hand = hand
        self.target = target
        self.config = config
        self._squeeze = torch.full((NUM_ACTUATED,), config.squeeze * config.finger_ratio, dtype=torch.float64)
        self._squeeze[THUMB_JOINTS] = max(config.squeeze, config.thumb_squeeze)
        self.reset()

    @classmethod
    def make(cls, hand: HandModel, target: ObjectModel, parameters: Mapping[str, Any] | None) -> ScriptedPlanner:
        """Make the planner from a mapping of :class:`ScriptedConfig`'s fields."""
        return cls(hand, target, from_mapping(ScriptedConfig, parameters))

    def reset(self) -> None:
        """See :class:`vnb_planner.planners.interface.Planner`."""
        self._step = -1
        self._squeezing = False
        self._touched: Tensor | None = None
        self._last: tuple[Tensor, Tensor] | None = None
        self._still = 0

    def plan(self, given: PlanInput) -> Decision:
        """See :class:`vnb_planner.planners.interface.Planner`."""
        if given.step <= self._step:
            self.reset()
        self._step = given.step
        target, measured = given.q_cmd[_CLOSING], given.q[_CLOSING]
        # A finger that touched once counts as touching: contact flickers while the object seats.
        contact = given.contact.bool()
        self._touched = contact if self._touched is None else contact | self._touched
        limit = self.hand.torque_limit.to(target)[_CLOSING]
        effort = self.hand.kp * (target - measured) / limit
        at_rest = given.observation[OBS_JOINT_VELOCITY][_CLOSING].abs() < self.config.rest_speed
        full = given.force >= self.config.force_share * self.target.force_cap
        done = ((effort >= self._squeeze.to(target)[_CLOSING]) & at_rest) | full
        ended = target >= self.hand.upper.to(target)[_CLOSING] - _NEAR_LIMIT
        # Felt or not: a finger may press beside its pad, where nothing is sensed, and then its servo's torque tells.
        moving = ~done & ~ended
        self._squeezing = self._squeezing or bool((self._touched | done | ended).all())
        speeds = target.new_tensor([self.config.close_speed, self.config.squeeze_speed])
        speed = speeds[self._touched.long()]
        reason = self._reason(given, moving)
        action = torch.zeros(NUM_ACTUATED).to(target)
        if not reason:
            action[_CLOSING] = moving * torch.minimum(self.hand.speed_limit.to(target)[_CLOSING], speed)
        return Decision(
            action=action,
            effort_limit=(self._squeeze.clamp(min=_MIN_EFFORT) * self.hand.torque_limit).to(target),
            stop=bool(reason),
            stop_reason=reason,
        )

    def _reason(self, given: PlanInput, moving: Tensor) -> str:
        """Return why to stop, or an empty string."""
        if given.step >= self.config.max_steps:
            return "step_limit"
        if not self._squeezing:
            return ""
        if self._touched is not None and not bool(self._touched.any()):
            return "no_contact"
        if not bool(moving.any()):
            return "squeezed"
        if self._last is not None:
            force, q = self._last
            same_force = (given.force - force).abs().max() < self.config.settle_force
            same_angle = (given.q - q).abs().max() < self.config.settle_angle
            self._still = self._still + 1 if bool(same_force and same_angle) else 0
        self._last = (given.force, given.q)
        return "settled" if self._still >= self.config.settle_steps else ""
