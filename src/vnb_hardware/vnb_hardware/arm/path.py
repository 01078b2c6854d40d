"""Paths of the arm: the straight joint line, and the straight line of the flange as joint way-points."""

from __future__ import annotations

import math

import numpy as np
import torch

from vnb_grasp.errors import MotionError
from vnb_grasp.frames.se3 import exp_so3, log_so3
from vnb_hardware.arm.kinematics import DhKinematics
from vnb_hardware.arm.limits import JointLimits
from vnb_hardware.arm.units import Array

_SPACING = 0.005
"""Between two way-points of a line [m]."""

_TURN_SPACING = 0.02
"""Between two way-points of a rotation [rad]."""

_JUMP = 0.35
"""Joint motion between two neighbouring way-points that means another branch or a singularity [rad]."""


def interpolate(start: Array, goal: Array, s: float) -> Array:
    """Return the pose (4, 4) a fraction ``s`` along the straight line and the shortest rotation."""
    pose = np.eye(4)
    pose[:3, 3] = (1 - s) * start[:3, 3] + s * goal[:3, 3]
    turn = log_so3(torch.from_numpy(start[:3, :3].T @ goal[:3, :3]))
    pose[:3, :3] = start[:3, :3] @ exp_so3(s * turn).numpy()
    return pose


def rotation_angle(start: Array, goal: Array) -> float:
    """Return the angle [rad] between two poses (4, 4)."""
    return float(log_so3(torch.from_numpy(start[:3, :3].T @ goal[:3, :3])).norm())


def flange_line(kinematics: DhKinematics, limits: JointLimits, start: Array, goal: Array) -> Array:
    """Return joint way-points (W, 6) [rad] of the flange's straight line from joints ``start`` (6,) to pose ``goal``.

    Raises:
        MotionError: If the line leaves reach or limits, or the arm would jump between its branches.
    """
    pose = kinematics.flange(start)
    distance = float(np.linalg.norm(goal[:3, 3] - pose[:3, 3]))
    count = max(math.ceil(distance / _SPACING), math.ceil(rotation_angle(pose, goal) / _TURN_SPACING), 1)
    path = [start]
    for s in np.linspace(0.0, 1.0, count + 1)[1:].tolist():
        q = kinematics.nearest(interpolate(pose, goal, s), path[-1], limits.lower, limits.upper)
        if np.abs(q - path[-1]).max() > _JUMP:
            raise MotionError(
                f"straight line to {np.round(goal[:3, 3], 4).tolist()} m: the arm would jump between branches at "
                f"{s:.0%}; go there by a joint motion"
            )
        path.append(q)
    return np.stack(path)
