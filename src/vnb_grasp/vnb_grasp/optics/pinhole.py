"""A pinhole camera of stated intrinsics, in the optical frame of ROS: x right, y down, z forward (REP 103)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vnb_grasp.description import CameraDescription
from vnb_grasp.errors import ConfigError, ShapeError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Intrinsics:
    """Pinhole intrinsics of a rectified image.

    Attributes:
        width, height: [pixels].
        fx, fy, cx, cy: [pixels]; pixel centres are at whole numbers.

    Raises:
        ConfigError: If a size or a focal length is not positive, or a number is not finite: a camera that has not
            said its intrinsics sends zeros.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        numbers = (self.width, self.height, self.fx, self.fy)
        if not (np.isfinite([*numbers, self.cx, self.cy]).all() and min(numbers) > 0):
            raise ConfigError(
                f"camera intrinsics: got {self}, expected positive sizes and focal lengths; look at the camera driver"
            )

    def rays(self, v: Array, u: Array) -> Array:
        """Return the directions (..., 3) of pixels in row ``v`` and column ``u``, with z = 1."""
        x, y = (np.asarray(u) - self.cx) / self.fx, (np.asarray(v) - self.cy) / self.fy
        return np.stack(np.broadcast_arrays(x, y, np.ones_like(x)), -1)

    def project(self, points: Array) -> tuple[Array, Array]:
        """Return row and column (...) of ``points`` (..., 3) in the optical frame; those at z <= 0 give NaN."""
        if points.shape[-1:] != (3,):
            raise ShapeError(f"points: got shape {points.shape}, expected (..., 3)")
        z = np.where(points[..., 2] > 0, points[..., 2], np.nan)
        return points[..., 1] / z * self.fy + self.cy, points[..., 0] / z * self.fx + self.cx


def intrinsics_of(camera: CameraDescription) -> Intrinsics:
    """Return a described camera's intrinsics."""
    return Intrinsics(camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy)


def place_of(camera: CameraDescription) -> Array:
    """Return ``T_world_optical`` (4, 4) as the robot has calibrated it."""
    forward = np.asarray(camera.forward) / np.linalg.norm(camera.forward)
    up = np.asarray(camera.up) - forward * (forward @ np.asarray(camera.up))
    down = -up / np.linalg.norm(up)
    place = np.eye(4)
    place[:3, :3] = np.stack((np.cross(down, forward), down, forward), -1)
    place[:3, 3] = camera.position
    return place


def depth_noise(camera: CameraDescription, depth: Array) -> Array:
    """Return the standard deviation [m] of one depth reading at ``depth`` [m], quantisation included.

    Structured light: Nguyen, Izadi, Lovell, "Modeling Kinect sensor noise" (2012). Active stereo: the disparity's
    noise, carried over to depth.
    """
    per_pixel = depth**2 / (camera.fx * camera.baseline)
    if camera.principle == "active_stereo":
        axial = per_pixel * camera.disparity_noise
    else:
        a, b, c = camera.axial
        axial = a + b * (depth - c) ** 2
    return np.sqrt(axial**2 + (per_pixel * camera.disparity_step) ** 2 / 12)
