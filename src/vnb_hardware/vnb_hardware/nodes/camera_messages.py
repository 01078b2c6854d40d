"""Images and camera infos as messages, shaped like those of the vendors' ROS nodes."""

from __future__ import annotations

import array

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image

from vnb_grasp.nodes.conversions import header
from vnb_hardware.cameras.interface import CameraFrame, Intrinsics

DEPTH = "depth/image_rect_raw"
COLOR = "color/image_raw"
ALIGNED = "aligned_depth_to_color/image_raw"
TOPICS = (DEPTH, COLOR, ALIGNED)
"""Topics of images below a camera's name; each has a ``camera_info`` beside it."""


def info_topic(topic: str) -> str:
    """Return the topic of the camera info that belongs to an image topic."""
    return f"{topic.rpartition('/')[0]}/camera_info"


def camera_messages(frame: CameraFrame, camera: str, stamp: Time) -> dict[str, tuple[Image, CameraInfo]]:
    """Return image and camera info by topic, of what the frame has."""
    result = {DEPTH: _pair(frame.depth, "16UC1", frame.depth_intrinsics, f"{camera}_depth_optical_frame", stamp)}
    if frame.color is not None and frame.color_intrinsics is not None:
        optical = f"{camera}_color_optical_frame"
        result[COLOR] = _pair(frame.color, "rgb8", frame.color_intrinsics, optical, stamp)
        if frame.aligned_depth is not None:
            result[ALIGNED] = _pair(frame.aligned_depth, "16UC1", frame.color_intrinsics, optical, stamp)
    return result


def _pair(
    pixels: NDArray[np.uint8] | NDArray[np.uint16], encoding: str, lens: Intrinsics, optical: str, stamp: Time
) -> tuple[Image, CameraInfo]:
    image = Image(
        header=header(stamp, optical),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=pixels.strides[0] if pixels.flags.c_contiguous else pixels[0].nbytes,
        data=array.array("B", np.ascontiguousarray(pixels).tobytes()),
    )
    info = CameraInfo(
        header=header(stamp, optical),
        height=lens.height,
        width=lens.width,
        distortion_model="plumb_bob",
        d=list(lens.distortion),
        k=[lens.fx, 0.0, lens.cx, 0.0, lens.fy, lens.cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[lens.fx, 0.0, lens.cx, 0.0, 0.0, lens.fy, lens.cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )
    return image, info
