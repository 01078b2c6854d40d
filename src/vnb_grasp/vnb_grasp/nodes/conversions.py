"""Standard messages from and to the types of the mathematics."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Quaternion, Vector3
from geometry_msgs.msg import Pose as PoseMessage
from numpy.typing import NDArray
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from vnb_grasp.errors import ConfigError, ShapeError
from vnb_grasp.frames.pose import Pose

Array = NDArray[np.float64]


def stamp_from_seconds(time: float) -> Time:
    """Return the stamp of a simulated time [s], to the nanosecond."""
    seconds, nanoseconds = divmod(round(time * 1e9), 1_000_000_000)
    return Time(sec=seconds, nanosec=nanoseconds)


def nanoseconds(stamp: Time) -> int:
    """Return a stamp as an integer [ns]."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def seconds(stamp: Time) -> float:
    """Return a stamp as a number [s]."""
    return nanoseconds(stamp) / 1e9


def header(stamp: Time, frame: str = "") -> Header:
    """Return a header."""
    return Header(stamp=stamp, frame_id=frame)


def pose_to_message(pose: Pose) -> PoseMessage:
    """Return the message of a pose: the same seven numbers."""
    w, x, y, z = pose.quaternion.tolist()
    px, py, pz = pose.position.tolist()
    return PoseMessage(position=Point(x=px, y=py, z=pz), orientation=Quaternion(x=x, y=y, z=z, w=w))


def pose_from_message(message: PoseMessage) -> Pose:
    """Return the pose of a message: the same seven numbers; NaN stays NaN."""
    p, q = message.position, message.orientation
    return Pose(
        torch.tensor([p.x, p.y, p.z], dtype=torch.float64), torch.tensor([q.w, q.x, q.y, q.z], dtype=torch.float64)
    )


def require_pose(message: PoseMessage, what: str) -> Pose:
    """Return the pose of a request.

    Raises:
        ConfigError: If a number is not finite or the quaternion is not of unit length.
    """
    pose = pose_from_message(message)
    length = float(pose.quaternion.norm())
    if not (torch.isfinite(pose.position).all() and math.isclose(length, 1.0, abs_tol=1e-3)):
        raise ConfigError(
            f"{what}: got position {pose.position.tolist()} m and a quaternion of length {length}, expected finite "
            "numbers and a unit quaternion"
        )
    return pose


def vector_to_array(*vectors: Vector3 | Point) -> Array:
    """Return the numbers of vectors, one after the other."""
    return np.array([value for v in vectors for value in (v.x, v.y, v.z)])


def joint_state(stamp: Time, names: Sequence[str], position: Array, velocity: Array | None = None) -> JointState:
    """Return the message of joint angles [rad] and, if given, velocities [rad/s]."""
    message = JointState(header=header(stamp), name=list(names), position=position.tolist())
    if velocity is not None:
        message.velocity = velocity.tolist()
    return message


def in_order(names: Sequence[str], given: Sequence[str], values: Sequence[float], what: str) -> Array:
    """Return ``values``, which belong to the joints ``given`` (empty: already in order), in the order of ``names``.

    Raises:
        ShapeError: If the lengths differ.
        ConfigError: If a joint is missing; lists those that came.
    """
    if len(values) != len(given or names):
        raise ShapeError(f"{what}: got {len(values)} values for {len(given or names)} joints")
    if not given or tuple(given) == tuple(names):
        result = np.array(values, dtype=np.float64)
    else:
        table = dict(zip(given, values, strict=True))
        missing = [name for name in names if name not in table]
        if missing:
            raise ConfigError(f"{what}: got joints {', '.join(given)}, {', '.join(missing)} missing")
        result = np.array([table[name] for name in names], dtype=np.float64)
    if result.shape != (len(names),):
        raise ShapeError(f"{what}: got {result.size} values, expected {len(names)}")
    return result


def require_finite_array(values: Array, what: str) -> Array:
    """Return ``values``; raises :class:`ConfigError` if one is NaN or infinite (a request is refused, not repaired)."""
    if not np.isfinite(values).all():
        raise ConfigError(f"{what}: got {values.tolist()}, expected finite numbers")
    return values
