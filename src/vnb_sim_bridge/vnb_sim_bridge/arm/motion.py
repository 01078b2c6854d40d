"""Joint-space trajectories of the arm: straight joint or Cartesian lines with a minimum-jerk time law."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vnb_grasp.errors import MotionError
from vnb_sim_bridge.arm.kinematics import ArmKinematics

Array = NDArray[np.float64]

_PEAK_SPEED = 1.875  # of the minimum-jerk law, in units of its mean speed


@dataclass(frozen=True)
class JointTrajectory:
    """Joint angles along a path, run with a minimum-jerk time law.

    Attributes:
        path: Way-points (W, 6) [rad], evenly spaced in the path parameter.
        duration: [s].
    """

    path: Array
    duration: float

    def sample(self, time: float) -> Array:
        """Return the joint angles (6,) at ``time`` [s] from the start; holds the end afterwards."""
        s = min(max(time / self.duration, 0.0), 1.0) if self.duration > 0 else 1.0
        s = s**3 * (10 - 15 * s + 6 * s * s)
        position = s * (len(self.path) - 1)
        i = min(int(position), len(self.path) - 2)
        fraction = position - i
        return self.path[i] * (1 - fraction) + self.path[i + 1] * fraction


def joint_line(
    start: Array, goal: Array, speed_limits: Array, speed_scale: float, duration: float = 0.0
) -> JointTrajectory:
    """Return the straight joint-space motion; ``duration`` 0 means as fast as the scaled limits allow.

    Raises:
        MotionError: If the asked duration breaks the speed limits.
    """
    return _timed(np.stack([start, goal]), speed_limits, speed_scale, duration)


def cartesian_line(
    kinematics: ArmKinematics,
    start_q: Array,
    start_pose: Array,
    goal_pose: Array,
    speed_limits: Array,
    speed_scale: float,
    duration: float = 0.0,
    way_points: int = 11,
) -> JointTrajectory:
    """Return a motion of the hand's base along a straight line with the goal's orientation reached by slerp.

    Raises:
        MotionError: If a way-point is not reachable, the arm would jump between branches, or a limit is broken.
    """
    path = [np.asarray(start_q, dtype=float)]
    for s in np.linspace(0.0, 1.0, way_points)[1:]:
        q = kinematics.solve(interpolate_pose(start_pose, goal_pose, float(s)), path[-1])
        if q is None:
            raise MotionError(
                f"straight line to {np.round(goal_pose[:3, 3], 4).tolist()} m leaves the reach at {s:.0%}"
            )
        if np.abs(q - path[-1]).max() > 0.5:
            raise MotionError(
                f"straight line to {np.round(goal_pose[:3, 3], 4).tolist()} m jumps between arm branches at {s:.0%}"
            )
        path.append(q)
    return _timed(np.stack(path), speed_limits, speed_scale, duration)


def interpolate_pose(start: Array, goal: Array, s: float) -> Array:
    """Return the pose a fraction ``s`` along the straight line (position) and the shortest rotation."""
    import mink

    a, b = mink.SO3.from_matrix(start[:3, :3]), mink.SO3.from_matrix(goal[:3, :3])
    pose = np.eye(4)
    pose[:3, :3] = (a @ mink.SO3.exp(s * (a.inverse() @ b).log())).as_matrix()
    pose[:3, 3] = (1 - s) * start[:3, 3] + s * goal[:3, 3]
    return pose


def _timed(path: Array, speed_limits: Array, speed_scale: float, duration: float) -> JointTrajectory:
    if not 0 < speed_scale <= 1:
        raise MotionError(f"speed_scale must be in (0, 1], got {speed_scale}")
    segments = len(path) - 1
    steepest = np.abs(np.diff(path, axis=0)).max(axis=0) * segments
    shortest = float((_PEAK_SPEED * steepest / (speed_scale * speed_limits)).max())
    if duration and duration < shortest:
        raise MotionError(
            f"the motion needs at least {shortest:.2f} s at speed_scale {speed_scale}, got {duration:.2f} s"
        )
    return JointTrajectory(path, duration or max(shortest, 0.05))
