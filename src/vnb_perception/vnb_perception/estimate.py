"""What one camera says about the object's pose, and what can be wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from vnb_grasp.frames.pose import Pose

Array = NDArray[np.float64]


class Status(IntEnum):
    """State of an estimate; the numbers are those of ``vnb_msgs/ObjectPose``."""

    OK = 0
    HELD = 1
    NO_OBJECT = 2
    POOR = 3
    AMBIGUOUS = 4
    DISAGREE = 5
    BAD_INPUT = 6
    STALE = 7


@dataclass(frozen=True, eq=False)
class PoseEstimate:
    """An estimate, or the reason why there is none.

    Attributes:
        status: ``OK``: pose and covariance hold. ``HELD``: the last pose that held, with a wider covariance. With all
            others there is no pose; the numbers are NaN.
        reason: Why not, in words; empty if ``OK``.
        pose: In the world, in the form in which it travels.
        covariance: (6, 6), axes of the world [m^2, rad^2], tangent (translation, rotation) at the object's frame.
        fitness: Share of the cluster's points with a match.
        rmse: Of the matches [m].
        occlusion: Share of the object's side towards the camera that the robot hides.
        segmentation: Overlap of the mask that was found and the mask that the pose asks for.
        source: Name of the camera, or ``fusion``.
    """

    status: Status
    reason: str
    pose: Pose
    covariance: Array
    fitness: float
    rmse: float
    occlusion: float
    segmentation: float
    source: str

    @cached_property
    def T_world_object(self) -> Array:
        """The pose as a matrix (4, 4)."""
        return np.asarray(self.pose.matrix().numpy())

    @property
    def ok(self) -> bool:
        """Whether the pose holds."""
        return self.status is Status.OK

    @property
    def has_pose(self) -> bool:
        """Whether there is a pose at all."""
        return self.status in (Status.OK, Status.HELD)


def no_estimate(source: str, status: Status, reason: str, occlusion: float = 1.0) -> PoseEstimate:
    """Return the estimate of a camera that has none: numbers are NaN, nothing is recognised."""
    nan = float("nan")
    return PoseEstimate(status, reason, Pose.unknown(), np.full((6, 6), nan), nan, nan, occlusion, 0.0, source)


def pose_of(T: Array) -> Pose:
    """Return the pose of a matrix (4, 4)."""
    return Pose.from_matrix(torch.from_numpy(np.ascontiguousarray(T)))
