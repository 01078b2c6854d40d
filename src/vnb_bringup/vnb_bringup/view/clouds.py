"""What the depth cameras see, as points in the world: from clouds or raw images, thinned to what a page can draw."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vnb_grasp.description import load_camera
from vnb_grasp.errors import ConfigError, ShapeError
from vnb_grasp.optics.pinhole import Intrinsics, place_of
from vnb_perception.images.depth import depth_in_metres
from vnb_sim_bridge.cameras.rig import CAMERAS

Points = NDArray[np.float32]

MOST_POINTS = 8000
"""Most points of one camera that are kept."""

_FLOAT32 = 7
"""``FLOAT32`` of sensor_msgs/PointField."""

CLOUD_TOPICS = {f"{camera}/depth/points": "sensor_msgs/msg/PointCloud2" for camera in CAMERAS}
"""Topics of clouds, without namespace, and their type."""

IMAGE_TOPICS = {
    f"{camera}/depth/{name}": kind
    for camera in CAMERAS
    for name, kind in (("camera_info", "sensor_msgs/msg/CameraInfo"), ("image_rect_raw", "sensor_msgs/msg/Image"))
}
"""Topics that a cloud is computed from where none was published, and their types."""


@cache
def camera_place(camera: str) -> NDArray[np.float64]:
    """Return ``T_world_optical`` (4, 4) of a camera as the robot has calibrated it."""
    return place_of(load_camera(camera))


def optical_frame(camera: str) -> str:
    """Return the name of the frame in which a camera measures."""
    return f"{camera}_depth_optical_frame"


def cloud_of_message(message: Any, camera: str, most: int = MOST_POINTS) -> Points:
    """Return the points (N, 3) of a cloud [m], world frame; N is at most ``most``.

    Points that are not finite are none: so a cloud that keeps the image's order marks pixels without a depth.

    Args:
        message: A sensor_msgs/PointCloud2 with 32-bit fields x, y and z, in the camera's optical frame or ``world``.
        camera: Name of the camera.
        most: Bound of N.

    Raises:
        ConfigError: If a field is missing or of another type, or the frame is another one.
        ShapeError: If there are fewer bytes than the message states.
    """
    fields = {field.name: field for field in message.fields}
    wrong = [n for n in "xyz" if n not in fields or fields[n].datatype != _FLOAT32]
    if wrong:
        raise ConfigError(
            f"cloud of {camera}: got no 32-bit field {', '.join(wrong)} among {', '.join(fields) or 'none'}"
        )
    height, width, row, step = message.height, message.width, message.row_step, message.point_step
    if row < width * step or len(message.data) < row * height or any(fields[n].offset + 4 > step for n in "xyz"):
        raise ShapeError(
            f"cloud of {camera}: got {len(message.data)} bytes for {height} rows of {row} bytes with {width} points of "
            f"{step} bytes"
        )
    if height * width == 0:
        return np.zeros((0, 3), dtype=np.float32)
    order = ">" if message.is_bigendian else "<"
    kind = np.dtype(
        {
            "names": list("xyz"),
            "formats": [order + "f4"] * 3,
            "offsets": [fields[n].offset for n in "xyz"],
            "itemsize": step,
        }
    )
    grid = np.ndarray((height, width), kind, memoryview(message.data), strides=(row, step))
    grid = grid[_strides(height, width, most)]
    points = np.stack([grid[n] for n in "xyz"], axis=-1).reshape(-1, 3).astype(np.float64)
    return _in_world(points[np.isfinite(points).all(axis=1)], message.header.frame_id, camera)


def cloud_of_image(image: Any, intrinsics: Intrinsics, camera: str, most: int = MOST_POINTS) -> Points:
    """Return the points (N, 3) of a depth image [m], world frame; N is at most ``most``.

    Args:
        image: A sensor_msgs/Image as the depth topics carry it.
        intrinsics: Of the image.
        camera: Name of the camera.
        most: Bound of N.

    Raises:
        ConfigError: If the frame is not the camera's.
        PerceptionError: If it is no depth image, or nothing in it was measured.
        ShapeError: If the intrinsics are of another size.
    """
    if (intrinsics.height, intrinsics.width) != (image.height, image.width):
        raise ShapeError(
            f"depth image of {camera}: got {image.width} x {image.height} pixels, its camera info says "
            f"{intrinsics.width} x {intrinsics.height}"
        )
    depth = depth_in_metres(
        memoryview(image.data),
        image.encoding,
        image.height,
        image.width,
        image.step,
        big_endian=bool(image.is_bigendian),
        camera=camera,
    )
    rows, columns = _strides(image.height, image.width, most)
    v, u = np.arange(image.height)[rows, None], np.arange(image.width)[None, columns]
    z = depth[rows, columns].astype(np.float64)[..., None]
    points = (intrinsics.rays(v, u) * z).reshape(-1, 3)
    return _in_world(points[points[:, 2] > 0], image.header.frame_id, camera)


def _strides(height: int, width: int, most: int) -> tuple[slice, slice]:
    """Return which rows and columns to keep: evenly in both directions, or along a single row."""
    if height == 1:
        return slice(None), slice(None, None, math.ceil(width / most))
    step = max(1, math.ceil(math.sqrt(height * width / most)))
    while math.ceil(height / step) * math.ceil(width / step) > most:
        step += 1
    return slice(None, None, step), slice(None, None, step)


def _in_world(points: NDArray[np.float64], frame: str, camera: str) -> Points:
    if frame == "world":
        return points.astype(np.float32)
    if frame != optical_frame(camera):
        raise ConfigError(f"cloud of {camera}: got frame {frame!r}, expected {optical_frame(camera)} or world")
    place = camera_place(camera)
    return (points @ place[:3, :3].T + place[:3, 3]).astype(np.float32)
