"""The one place that knows where each quantity sits in the latent, observation and action vectors.

Latent ``theta`` in R^26, unconstrained: object pose tangent ``(v, w)`` at the latest pose estimate (hand_base frame,
translation first), then per contact (thumb to pinky) log friction, log stiffness, log damping, and the
softplus-inverse of slip speed. Friction is the *effective* coefficient of the finger-object contact.

Observation ``o`` in R^41 and action ``a`` in R^6 are physical (SI) and are normalised inside the learned model.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from vnb_belief.checks import require_finite, require_last_dim
from vnb_grasp.errors import ConfigError

LAYOUT_VERSION = 1

FINGERS = ("thumb", "index", "middle", "ring", "pinky")
NUM_CONTACTS = len(FINGERS)

LATENT_DIM = 26
POSE = slice(0, 6)
LOG_MU = slice(6, 11)
LOG_KAPPA = slice(11, 16)
LOG_DAMPING = slice(16, 21)
SLIP_RAW = slice(21, 26)
LATENT_SLICES = {"pose": POSE, "mu": LOG_MU, "kappa": LOG_KAPPA, "damping": LOG_DAMPING, "slip": SLIP_RAW}

OBSERVATION_DIM = 41
OBS_POSE = slice(0, 6)
OBS_TRACE = slice(6, 7)
OBS_FORCE = slice(7, 12)
OBS_CONTACT = slice(12, 17)
OBS_JOINT_POSITION = slice(17, 28)
OBS_JOINT_VELOCITY = slice(28, 39)
OBS_OCCLUSION = slice(39, 40)
OBS_SEGMENTATION = slice(40, 41)
OBSERVATION_SLICES = {
    "pose": OBS_POSE,
    "trace": OBS_TRACE,
    "force": OBS_FORCE,
    "contact": OBS_CONTACT,
    "joint_position": OBS_JOINT_POSITION,
    "joint_velocity": OBS_JOINT_VELOCITY,
    "occlusion": OBS_OCCLUSION,
    "segmentation": OBS_SEGMENTATION,
}

ACTION_DIM = 6
NUM_JOINTS = 11

SLIP_FLOOR = 1e-4
"""Smallest slip speed [m/s] that the latent can hold: its softplus-inverse goes to minus infinity at zero."""


@dataclass(frozen=True)
class PhysicalLatent:
    """A latent in physical units.

    Attributes:
        pose: Tangent ``(v [m], w [rad])`` at the latest pose estimate, hand_base frame, shape ``(..., 6)``.
        mu: Effective friction coefficient of each contact, shape ``(..., 5)``.
        kappa: Contact stiffness [N/m], shape ``(..., 5)``.
        damping: Contact damping [N s/m], shape ``(..., 5)``.
        slip: Tangential slip speed of each contact [m/s], shape ``(..., 5)``.
    """

    pose: Tensor
    mu: Tensor
    kappa: Tensor
    damping: Tensor
    slip: Tensor


def to_physical(theta: Tensor) -> PhysicalLatent:
    """Map unconstrained latents ``theta (..., 26)`` to physical units. Differentiable.

    Raises:
        ShapeError: If the last dimension is not 26.
    """
    require_last_dim(theta, LATENT_DIM, "theta")
    return PhysicalLatent(
        pose=theta[..., POSE],
        mu=theta[..., LOG_MU].exp(),
        kappa=theta[..., LOG_KAPPA].exp(),
        damping=theta[..., LOG_DAMPING].exp(),
        slip=softplus(theta[..., SLIP_RAW]),
    )


def from_physical(physical: PhysicalLatent) -> Tensor:
    """Return the unconstrained latent ``(..., 26)`` of physical values; inverse of :func:`to_physical`.

    Slip speeds below :data:`SLIP_FLOOR` are represented as :data:`SLIP_FLOOR`.

    Raises:
        ConfigError: If friction, stiffness or damping is not positive, or slip is negative.
        ShapeError: If a field has another last dimension.
        NonFiniteError: If a field holds NaN or infinity.
    """
    require_last_dim(physical.pose, 6, "latent pose")
    require_finite(physical.pose, "latent pose")
    for name in ("mu", "kappa", "damping", "slip"):
        value: Tensor = getattr(physical, name)
        require_last_dim(value, NUM_CONTACTS, f"latent {name}")
        require_finite(value, f"latent {name}")
        smallest = float(value.min()) if value.numel() else 1.0
        if smallest < 0.0 or (name != "slip" and smallest == 0.0):
            bound = ">= 0" if name == "slip" else "> 0"
            raise ConfigError(f"latent {name}: got {smallest}, expected values {bound}; check the ground truth")
    slip = physical.slip.clamp(min=SLIP_FLOOR)
    return torch.cat(
        (
            physical.pose,
            physical.mu.log(),
            physical.kappa.log(),
            physical.damping.log(),
            slip + torch.log(-torch.expm1(-slip)),  # log(expm1(s)) without overflow at large s
        ),
        dim=-1,
    )


def pack_observation(
    *,
    pose: Tensor,
    trace: Tensor,
    force: Tensor,
    contact: Tensor,
    joint_position: Tensor,
    joint_velocity: Tensor,
    occlusion: Tensor,
    segmentation: Tensor,
) -> Tensor:
    """Return observation vectors ``(..., 41)`` in the dtype of ``pose``.

    Args:
        pose: ``T_hand_object`` as position [m] and rotation vector [rad], shape ``(..., 6)``.
        trace: Trace of the pose covariance [m^2 + rad^2], shape ``(...)``.
        force: Normal force of each finger from the tactile proxy [N], shape ``(..., 5)``.
        contact: Contact flag of each finger, bool or 0/1, shape ``(..., 5)``.
        joint_position: Joints in the hand description's order [rad], shape ``(..., 11)``.
        joint_velocity: Their velocities [rad/s], shape ``(..., 11)``.
        occlusion: Fraction of the object's points that the hand hides, in [0, 1], shape ``(...)``.
        segmentation: Segmentation confidence in [0, 1], shape ``(...)``.

    Raises:
        ShapeError: If a part has another last dimension.
        NonFiniteError: If a part holds NaN or infinity; the message names it.
    """
    parts = {
        "pose": pose,
        "trace": trace.unsqueeze(-1),
        "force": force,
        "contact": contact,
        "joint_position": joint_position,
        "joint_velocity": joint_velocity,
        "occlusion": occlusion.unsqueeze(-1),
        "segmentation": segmentation.unsqueeze(-1),
    }
    for name, part in parts.items():
        where = OBSERVATION_SLICES[name]
        require_last_dim(part, where.stop - where.start, f"observation {name}")
        require_finite(part, f"observation {name}")
    return torch.cat([part.to(pose.dtype) for part in parts.values()], dim=-1)
