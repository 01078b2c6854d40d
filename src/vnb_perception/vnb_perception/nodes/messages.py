"""Estimates from and to messages, and images as they come."""

from __future__ import annotations

import array

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseWithCovariance
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_msgs.msg import Header
from vnb_msgs.msg import ObjectPose

from vnb_grasp.errors import PerceptionError
from vnb_grasp.nodes.conversions import header, pose_from_message, pose_to_message
from vnb_grasp.optics.pinhole import Intrinsics
from vnb_perception.estimate import PoseEstimate, Status
from vnb_perception.tracking import RawImage

FRAME = "world"


def estimate_to_message(estimate: PoseEstimate, stamp: Time, step: int, object_name: str) -> ObjectPose:
    """Return the message of an estimate, its numbers unchanged."""
    return ObjectPose(
        header=header(stamp, FRAME),
        step=step,
        object_name=object_name,
        source=estimate.source,
        pose=PoseWithCovariance(pose=pose_to_message(estimate.pose), covariance=estimate.covariance.flatten().tolist()),
        fitness=estimate.fitness,
        rmse=estimate.rmse,
        occlusion=estimate.occlusion,
        segmentation_confidence=estimate.segmentation,
        status=int(estimate.status),
        reason=estimate.reason,
    )


def estimate_from_message(message: ObjectPose) -> PoseEstimate:
    """Return the estimate of a message.

    Raises:
        PerceptionError: If the status is not known, the frame is another one, or an estimate that claims to be one has
            numbers that are not finite or a covariance that is not positive.
    """
    source = message.source or "a camera without a name"
    if message.status not in {int(status) for status in Status}:
        raise PerceptionError(f"estimate of {source}: got status {message.status}, expected 0 to {max(Status)}")
    if message.header.frame_id != FRAME:
        raise PerceptionError(f"estimate of {source}: got frame {message.header.frame_id!r}, expected {FRAME!r}")
    covariance = np.array(message.pose.covariance).reshape(6, 6)
    estimate = PoseEstimate(
        Status(message.status),
        message.reason,
        pose_from_message(message.pose.pose),
        covariance,
        message.fitness,
        message.rmse,
        message.occlusion,
        message.segmentation_confidence,
        source,
    )
    if estimate.has_pose:
        numbers = np.concatenate((estimate.T_world_object.ravel(), covariance.ravel()))
        if not np.isfinite(numbers).all() or np.linalg.eigvalsh(0.5 * (covariance + covariance.T)).min() <= 0:
            raise PerceptionError(
                f"estimate of {source}: got a pose or covariance that is not finite or not positive, with status "
                f"{estimate.status.name}; look at its node"
            )
    return estimate


def raw_image(message: Image) -> RawImage:
    """Return the depth image of a message."""
    data = np.frombuffer(message.data, dtype=np.uint8)
    big_endian = bool(message.is_bigendian)
    return RawImage(data, message.encoding, message.height, message.width, message.step, big_endian)


def intrinsics_from_message(message: CameraInfo) -> Intrinsics:
    """Return the intrinsics of a rectified image.

    Raises:
        ConfigError: If the camera has not said them.
        PerceptionError: If the image is not rectified.
    """
    k = np.array(message.k)
    if any(message.d):
        raise PerceptionError(
            f"camera info of {message.header.frame_id}: got distortion {list(message.d)}, expected a rectified image"
        )
    return Intrinsics(message.width, message.height, float(k[0]), float(k[4]), float(k[2]), float(k[5]))


def cloud_message(points: NDArray[np.float32], head: Header) -> PointCloud2:
    """Return the message of an organised cloud (height, width, 3) [m], NaN where nothing was measured."""
    height, width = points.shape[:2]
    fields = [PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1) for i, name in enumerate("xyz")]
    return PointCloud2(
        header=head,
        height=height,
        width=width,
        fields=fields,
        is_bigendian=False,
        point_step=12,
        row_step=12 * width,
        data=array.array("B", points.astype("<f4").tobytes()),
        is_dense=False,
    )
