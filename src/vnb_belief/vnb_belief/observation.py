"""Make the observation vector of a step from the step's readings."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vnb_belief.checks import require_finite
from vnb_belief.layout import pack_observation
from vnb_belief.prior import PriorConfig
from vnb_grasp.errors import ShapeError
from vnb_grasp.frames.pose import Pose
from vnb_grasp.frames.se3 import invert, log_so3

FREE_TURN = 0.25 * math.pi**2 / 3
"""Variance of an angle [rad^2], a quarter of a uniform one's, beyond which it is free: of a symmetric object. Fusion
scales covariances, that of a free turn too."""


@dataclass(frozen=True, eq=False)
class ObservationStep:
    """An observation with the pose estimate that the belief's tangent perturbs.

    Attributes:
        vector: Observation (41,).
        pose: Estimated object pose in the hand's base frame.
    """

    vector: Tensor
    pose: Pose

    @property
    def T_hand_object(self) -> Tensor:
        """Estimated object pose in the hand's base frame (4, 4)."""
        return self.pose.matrix()


def make_observation(
    *,
    T_world_hand: Tensor,
    T_world_object: Tensor,
    pose_covariance: Tensor,
    force: Tensor,
    contact: Tensor,
    joint_position: Tensor,
    joint_velocity: Tensor,
    occlusion: float,
    segmentation: float,
) -> ObservationStep:
    """Return the observation of one step, in double precision.

    Args:
        T_world_hand: Pose of the hand's base from the arm (4, 4).
        T_world_object: Estimated object pose (4, 4).
        pose_covariance: Its covariance (6, 6) [m^2, rad^2].
        force: Finger forces (5,) [N].
        contact: Contact flags (5,).
        joint_position: (11,) [rad].
        joint_velocity: (11,) [rad/s].
        occlusion: In [0, 1].
        segmentation: In [0, 1].

    Raises:
        ShapeError: If a shape is another one.
        NonFiniteError: If a value is NaN or infinite.
    """
    for name, value, shape in (
        ("T_world_hand", T_world_hand, (4, 4)),
        ("T_world_object", T_world_object, (4, 4)),
        ("pose covariance", pose_covariance, (6, 6)),
    ):
        if tuple(value.shape) != shape:
            raise ShapeError(f"{name}: got shape {tuple(value.shape)}, expected {shape}")
        require_finite(value, name)
    T_hand_object = invert(T_world_hand.double()) @ T_world_object.double()
    return pack_step(
        Pose.from_matrix(T_hand_object),
        trace=pose_trace(pose_covariance),
        force=force,
        contact=contact,
        joint_position=joint_position,
        joint_velocity=joint_velocity,
        occlusion=occlusion,
        segmentation=segmentation,
    )


def pose_trace(covariance: Tensor, config: PriorConfig | None = None) -> Tensor:
    """Return the trace that tells a belief how far off a pose may be.

    For a pose sensor, whose position and rotation errors stand in the proportion of the prior, it is the trace of what
    the sensor states. Of other sources it is the trace of the least covariance in that proportion that covers what they
    state, so that a belief, which knows the trace only, never takes either error for less than it is. A turn about an
    axis of symmetry, of which nothing can be known and nothing need be, counts for nothing. Nor is another source taken
    for better than the prior: its error may stay the same from reading to reading, as a camera's does, and readings
    that agree are then no evidence.

    Args:
        covariance: Of the pose (6, 6) [m^2, rad^2].
        config: Whose proportion.

    Raises:
        NonFiniteError: If an entry is NaN or infinite.
    """
    config = config or PriorConfig()
    covariance = covariance.double()
    require_finite(covariance, "pose covariance")
    position = covariance[:3, :3].trace()
    turns = torch.linalg.eigvalsh(covariance[3:, 3:])
    known = turns[turns < FREE_TURN]
    stated = covariance.trace() if len(known) == 3 else position + known.sum()
    rotation = known.mean() * 3 if len(known) else torch.zeros_like(position)
    proportion = (config.rotation_std / config.position_std) ** 2
    usual = torch.full_like(position, 3.0 * (config.position_std**2 + config.rotation_std**2))
    covering = torch.maximum(position * (1 + proportion), rotation * (1 + 1 / proportion))
    # Within rounding they are the same for a pose sensor, whose trace is left as it is to the last bit.
    return stated if len(known) == 3 and covering <= stated * (1 + 1e-9) else torch.maximum(covering, usual)


def pack_step(
    pose: Pose,
    *,
    trace: Tensor,
    force: Tensor,
    contact: Tensor,
    joint_position: Tensor,
    joint_velocity: Tensor,
    occlusion: float,
    segmentation: float,
) -> ObservationStep:
    """Return the observation of an object pose in the hand's base frame; the rest as for :func:`make_observation`.

    Args:
        pose: Estimated object pose in the hand's base frame.
        trace: Of its covariance, as :func:`pose_trace` takes it.

    Raises:
        ShapeError: If a shape is another one.
        NonFiniteError: If a value is NaN or infinite.
    """
    require_finite(pose.position, "object position")
    require_finite(pose.quaternion, "object orientation")
    vector = pack_observation(
        pose=torch.cat((pose.position, log_so3(pose.matrix()[:3, :3]))),
        trace=trace,
        force=force,
        contact=contact,
        joint_position=joint_position,
        joint_velocity=joint_velocity,
        occlusion=torch.tensor(occlusion, dtype=torch.float64),
        segmentation=torch.tensor(segmentation, dtype=torch.float64),
    )
    return ObservationStep(vector, pose)
