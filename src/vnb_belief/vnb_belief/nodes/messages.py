"""Observation and belief from and to messages, number by number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from builtin_interfaces.msg import Time
from vnb_msgs.msg import Belief, Observation

from vnb_belief import layout
from vnb_belief.mixture import Mixture
from vnb_belief.observation import ObservationStep, pack_step
from vnb_grasp.errors import ConfigError, ShapeError
from vnb_grasp.frames.pose import Pose
from vnb_grasp.nodes.conversions import header, in_order, pose_from_message, pose_to_message

UNKNOWN = ObservationStep(torch.full((layout.OBSERVATION_DIM,), torch.nan, dtype=torch.float64), Pose.unknown())
"""An observation that could not be computed."""


def observation_to_message(
    observation: ObservationStep, covariance: Sequence[float], stamp: Time, step: int, joint_names: Sequence[str]
) -> Observation:
    """Return the message of an observation.

    Args:
        observation: Any observation, :data:`UNKNOWN` included.
        covariance: Pose covariance in the hand's axes, row-major (36,).
        stamp: Of the measurements.
        step: Decision step.
        joint_names: Of the hand's eleven joints.
    """
    vector = observation.vector
    return Observation(
        header=header(stamp, "hand_base"),
        step=step,
        object_pose_hand=pose_to_message(observation.pose),
        pose_covariance=list(covariance),
        pose_covariance_trace=float(vector[layout.OBS_TRACE]),
        finger_force=vector[layout.OBS_FORCE].tolist(),
        contact=[bool(flag == 1.0) for flag in vector[layout.OBS_CONTACT].tolist()],
        joint_names=list(joint_names),
        joint_position=vector[layout.OBS_JOINT_POSITION].tolist(),
        joint_velocity=vector[layout.OBS_JOINT_VELOCITY].tolist(),
        occlusion=float(vector[layout.OBS_OCCLUSION]),
        segmentation_confidence=float(vector[layout.OBS_SEGMENTATION]),
    )


def observation_from_message(message: Observation, joint_names: Sequence[str]) -> ObservationStep:
    """Return the observation of a message.

    Raises:
        NonFiniteError: If a value is NaN or infinite.
        ConfigError: If a joint is missing.
        ShapeError: If a length is wrong.
    """
    return pack_step(
        pose_from_message(message.object_pose_hand),
        trace=torch.tensor(message.pose_covariance_trace, dtype=torch.float64),
        force=torch.tensor(message.finger_force, dtype=torch.float64),
        contact=torch.tensor(message.contact, dtype=torch.bool),
        joint_position=torch.from_numpy(
            in_order(joint_names, message.joint_names, message.joint_position, "observation, joint positions")
        ),
        joint_velocity=torch.from_numpy(
            in_order(joint_names, message.joint_names, message.joint_velocity, "observation, joint velocities")
        ),
        occlusion=message.occlusion,
        segmentation=message.segmentation_confidence,
    )


def fill_belief(message: Belief, mixture: Mixture, entropy: float) -> None:
    """Write a mixture into a message."""
    message.layout_version = layout.LAYOUT_VERSION
    message.components, message.dimension = mixture.num_components, mixture.dim
    message.logits = mixture.logits.tolist()
    message.means = mixture.means.flatten().tolist()
    message.log_stds = mixture.log_stds.flatten().tolist()
    message.entropy = entropy


def belief_from_message(message: Belief) -> Mixture:
    """Return the mixture of a message without an error.

    Raises:
        ConfigError: If the latent layout is another one.
        ShapeError: If the arrays have other lengths than they state.
        NonFiniteError: If a number is not finite.
    """
    if message.layout_version != layout.LAYOUT_VERSION or message.dimension != layout.LATENT_DIM:
        raise ConfigError(
            f"belief: got layout {message.layout_version} with {message.dimension} coordinates, expected layout "
            f"{layout.LAYOUT_VERSION} with {layout.LATENT_DIM}; run belief and planner of the same version"
        )
    k, d = int(message.components), int(message.dimension)
    if (len(message.logits), len(message.means), len(message.log_stds)) != (k, k * d, k * d):
        raise ShapeError(
            f"belief: got {len(message.logits)} logits, {len(message.means)} means and {len(message.log_stds)} "
            f"log_stds, expected {k}, {k * d} and {k * d}"
        )
    logits, means, log_stds = (torch.from_numpy(np.array(v)) for v in (message.logits, message.means, message.log_stds))
    return Mixture(logits, means.reshape(k, d), log_stds.reshape(k, d))
