"""The border between the controller's degrees and millimetres and this project's radians and metres.

Nothing else in the project knows the controller's units. A wire pose is ``(x, y, z, rx, ry, rz)`` in mm and degrees,
with ``R = Rz(rz) Ry(ry) Rx(rx)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vnb_grasp.errors import NonFiniteError, ShapeError

Array = NDArray[np.float64]

JOINTS = 6
MILLIMETRES = 1000.0

_GIMBAL_LOCK = 1e-9


def six(values: Sequence[float] | Array, what: str) -> Array:
    """Return six finite numbers as an array.

    Raises:
        ShapeError: If there are not six.
        NonFiniteError: If one is NaN or infinite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (JOINTS,):
        raise ShapeError(f"{what}: got shape {array.shape}, expected ({JOINTS},)")
    if not np.isfinite(array).all():
        raise NonFiniteError(f"{what}: got {array.tolist()}, expected finite numbers")
    return array


def joints_from_wire(degrees: Sequence[float]) -> Array:
    """Return joint angles (6,) [rad] of the controller's degrees; raises ShapeError or NonFiniteError."""
    return np.radians(six(degrees, "joint angles from the controller [deg]"))


def joints_to_wire(radians: Sequence[float] | Array) -> list[float]:
    """Return joint angles in degrees of ``radians`` (6,); raises ShapeError or NonFiniteError."""
    return np.degrees(six(radians, "joint angles for the controller [rad]")).tolist()


def pose_from_wire(pose: Sequence[float]) -> Array:
    """Return the transform (4, 4) [m] of a wire pose; raises ShapeError or NonFiniteError."""
    x, y, z, *angles = six(pose, "pose from the controller [mm, deg]").tolist()
    (sr, cr), (sp, cp), (sy, cy) = ((math.sin(a), math.cos(a)) for a in map(math.radians, angles))
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr, x / MILLIMETRES],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr, y / MILLIMETRES],
            [-sp, cp * sr, cp * cr, z / MILLIMETRES],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )


def pose_to_wire(transform: Array) -> list[float]:
    """Return the wire pose of ``transform`` (4, 4) [m]; rz is 0 where only the sum of rx and rz is determined."""
    r = transform
    cosine = math.hypot(r[0, 0], r[1, 0])
    ry = math.atan2(-r[2, 0], cosine)
    if cosine < _GIMBAL_LOCK:
        rx, rz = math.atan2(-r[1, 2], r[1, 1]), 0.0
    else:
        rx, rz = math.atan2(r[2, 1], r[2, 2]), math.atan2(r[1, 0], r[0, 0])
    position = (transform[:3, 3] * MILLIMETRES).tolist()
    return six([*position, *map(math.degrees, (rx, ry, rz))], "pose for the controller").tolist()
