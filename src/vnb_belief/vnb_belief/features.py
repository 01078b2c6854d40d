"""What the learned model is shown of an observation."""

from __future__ import annotations

import torch
from torch import Tensor

from vnb_belief import layout
from vnb_belief.checks import require_last_dim
from vnb_grasp.frames.se3 import exp_so3, local, make_transform


def pose_from_vector(pose: Tensor) -> Tensor:
    """Return ``T_hand_object (..., 4, 4)`` of a position [m] and rotation vector [rad], ``pose (..., 6)``."""
    require_last_dim(pose, 6, "pose")
    return make_transform(exp_so3(pose[..., 3:]), pose[..., :3])


def relative_observation(observation: Tensor, T_hand_object: Tensor) -> Tensor:
    """Return ``observation (..., 41)`` with its pose replaced by the motion since the reset.

    The tangent from the pose at the reset to the present one shows how the object turns and slides in the hand (the
    visible trace of friction), is near zero for every object, and does not jump where a rotation vector wraps at pi.

    Args:
        observation: Observation, shape ``(..., 41)``.
        T_hand_object: Pose estimate at the reset, broadcastable to shape ``(..., 4, 4)``.
    """
    require_last_dim(observation, layout.OBSERVATION_DIM, "observation")
    motion = local(T_hand_object, pose_from_vector(observation[..., layout.OBS_POSE]))
    return torch.cat((motion, observation[..., layout.OBS_POSE.stop :]), dim=-1)
