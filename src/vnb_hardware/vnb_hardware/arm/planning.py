"""Plans of arm motions: where, which way, how fast, checked before anything is sent."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vnb_grasp.description import ArmDescription
from vnb_grasp.errors import MotionError
from vnb_grasp.kinematics.tree import fixed_transform
from vnb_hardware.arm.clearance import ClearanceCheck
from vnb_hardware.arm.config import ArmConfig
from vnb_hardware.arm.kinematics import DhKinematics
from vnb_hardware.arm.limits import JointLimits
from vnb_hardware.arm.path import flange_line
from vnb_hardware.arm.units import Array

_LEAST_LINE = 1e-4
_HAND_DEVIATION = 0.002
"""How far the hand may be off its straight line because it is the flange that follows one [m]."""


@dataclass(frozen=True, eq=False)
class MotionPlan:
    """A motion that has passed all checks.

    Attributes:
        path: Joint way-points (W, 6) [rad] that the arm will follow.
        flange: ``T_base_flange`` (4, 4) at the end.
        linear: The flange follows a straight line; else the joints do.
        speed: Of the line [m/s], or the fraction of the full joint speed.
    """

    path: Array
    flange: Array
    linear: bool
    speed: float

    @property
    def goal(self) -> Array:
        """Joint angles (6,) [rad] at the end."""
        return self.path[-1]


class MotionPlanner:
    """Plans joint and Cartesian motions within limits, workspace and speed cap.

    Args:
        arm: Description of the arm with base pose and mount.
        check: Of table and workspace.
        config: Speeds.
        kinematics: With the controller's compensation.
        limits: The tighter of description and controller.
    """

    def __init__(
        self,
        arm: ArmDescription,
        check: ClearanceCheck,
        config: ArmConfig,
        kinematics: DhKinematics,
        limits: JointLimits,
    ) -> None:
        self.kinematics, self.limits, self.config, self.check = kinematics, limits, config, check
        base = fixed_transform(arm.base_position, arm.base_rpy).numpy()
        mount = fixed_transform(arm.hand_mount_position, arm.hand_mount_rpy).numpy()
        self._base_world: Array = np.linalg.inv(base)
        self.world_base: Array = base
        self.flange_hand: Array = np.linalg.inv(fixed_transform(arm.flange_offset).numpy()) @ mount
        self._hand_flange: Array = np.linalg.inv(self.flange_hand)

    def hand_pose(self, q: Array) -> Array:
        """Return ``T_world_hand`` (4, 4) of joint angles ``q`` (6,) [rad]."""
        return self.world_base @ self.kinematics.flange(q) @ self.flange_hand

    def joint_motion(self, start: Array, goal: Array, hand: Array, scale: float, duration: float = 0.0) -> MotionPlan:
        """Plan the straight joint motion.

        Args:
            start: Joint angles (6,) [rad].
            goal: Joint angles (6,) [rad].
            hand: Actuated joint angles of the hand (6,) [rad].
            scale: Fraction of the speed limits, in (0, 1].
            duration: Shortest length of the motion [s]; 0 = as short as scale and cap allow.

        Raises:
            MotionError: If limits, workspace or table forbid it, or the duration is too short.
        """
        fraction = self._fraction(scale)
        self.limits.require(goal, "arm goal")
        path = np.stack([start, goal])
        self.check.require_free(path, hand, "arm goal")
        needed = float((np.abs(goal - start) / self.limits.speed).max())
        if duration:
            _require_time(duration, needed / fraction, scale)
            fraction = max(needed / duration, 1e-3)
        return MotionPlan(path, self.kinematics.flange(goal), False, fraction)

    def pose_motion(self, start: Array, pose: Array, hand: Array, scale: float, duration: float = 0.0) -> MotionPlan:
        """Plan a joint motion that brings the hand to ``T_world_hand``; of all branches the nearest that is free.

        Raises:
            MotionError: If none is; says why for the nearest.
        """
        flange = self.flange_of(pose)
        reason: MotionError | None = None
        for goal in self.kinematics.within(flange, start, self.limits.lower, self.limits.upper):
            try:
                return self.joint_motion(start, goal, hand, scale, duration)
            except MotionError as error:
                reason = reason or error
        raise reason or MotionError("no branch")

    def line_motion(self, start: Array, pose: Array, hand: Array, scale: float, duration: float = 0.0) -> MotionPlan:
        """Plan a straight line to ``T_world_hand``. The flange follows it; so does a hand that turns little.

        Raises:
            MotionError: If the line leaves reach, limits or workspace, turns too much, or the duration is too short.
        """
        fraction, flange = self._fraction(scale), self.flange_of(pose)
        path = flange_line(self.kinematics, self.limits, start, flange)
        begin = self.kinematics.flange(start)
        length = float(np.linalg.norm(flange[:3, 3] - begin[:3, 3]))
        if length < _LEAST_LINE:
            raise MotionError(f"straight line of {length * 1000:.2f} mm: too short for one; use a joint motion")
        self._require_hand_straight(path, pose)
        self.check.require_free(path, hand, "straight line")
        turned = float((np.abs(np.diff(path, axis=0)).sum(axis=0) / self.limits.speed).max())
        steepest = float((np.abs(np.diff(path, axis=0)) / self.limits.speed).max()) * (len(path) - 1)
        shortest = max(length / (self.config.linear_speed * scale), max(turned, steepest) / fraction)
        if duration:
            _require_time(duration, shortest, scale)
        return MotionPlan(path, flange, True, length / (duration or shortest))

    def servo_step(self, q: Array, flange: Array, hand: Array, period: float) -> Array:
        """Return the joint angles (6,) [rad] for the next streamed flange pose.

        Raises:
            MotionError: If limits, workspace or the capped joint speed forbid it.
        """
        target = self.kinematics.nearest(flange, q, self.limits.lower, self.limits.upper)
        if (np.abs(target - q) > self.config.speed_cap * self.limits.speed * period + 1e-9).any():
            raise MotionError("correction: a joint would be too fast here; move away from the singularity first")
        self.check.require_free(np.stack([q, target]), hand, "correction")
        return target

    def flange_of(self, pose: Array) -> Array:
        """Return ``T_base_flange`` (4, 4) that puts the hand at ``T_world_hand``."""
        return self._base_world @ pose @ self._hand_flange

    def _fraction(self, scale: float) -> float:
        if not (math.isfinite(scale) and 0 < scale <= 1):
            raise MotionError(f"speed_scale must be in (0, 1], got {scale}")
        return min(scale, self.config.speed_cap)

    def _require_hand_straight(self, path: Array, pose: Array) -> None:
        points = np.stack([self.hand_pose(q)[:3, 3] for q in path])
        way = pose[:3, 3] - points[0]
        along = way / max(float(np.linalg.norm(way)), 1e-9)
        offset = points - points[0]
        off = float(np.linalg.norm(offset - (offset @ along)[:, None] * along, axis=1).max())
        if off > _HAND_DEVIATION:
            raise MotionError(
                f"straight line: the hand would be {off * 1000:.1f} mm off it, because it turns too much on the way; "
                "turn by a joint motion first"
            )


def _require_time(duration: float, shortest: float, scale: float) -> None:
    if duration < shortest:
        raise MotionError(
            f"the motion needs at least {shortest:.2f} s at speed_scale {scale} and the driver's speed_cap, got "
            f"{duration:.2f} s"
        )
