"""What a planner knows about the hand and the object, and the situation that it plans from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from vnb_grasp.description import HandDescription
from vnb_grasp.errors import NonFiniteError, ShapeError

NUM_ACTUATED = 6
NUM_FINGERS = 5
CLOSING_JOINT = (1, 2, 3, 4, 5)
"""Actuated joint that closes each finger (thumb pitch, then the four metacarpal joints)."""
FINGER_OF_JOINT = (0, 0, 1, 2, 3, 4)
"""Finger that each actuated joint moves."""


class Kinematics(Protocol):
    """Forward kinematics of a hand, batched and differentiable."""

    def expand(self, q6: Tensor) -> Tensor:
        """Return all joints ``(..., 11)`` [rad] for the actuated ones ``(..., 6)``."""
        ...

    def pad_frames(self, q: Tensor) -> Tensor:
        """Return ``T_hand_pad`` ``(..., 5, 4, 4)`` for ``q`` ``(..., 11)``; pad z points out of the pad."""
        ...


class SignedDistance(Protocol):
    """Signed distance to an object in its own frame, batched and differentiable."""

    def distance_and_normal(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return distance ``(...)`` [m], negative inside, and outward unit normal ``(..., 3)`` at ``(..., 3)``."""
        ...


@dataclass(frozen=True, eq=False)
class HandModel:
    """The hand as the planner sees it. Actuated quantities in the project's joint order.

    Attributes:
        kinematics: Forward kinematics, in float64.
        kp: Servo stiffness [N m/rad]: torque per radian between target and joint.
        torque_limit: Torque limits ``(6,)`` [N m].
        speed_limit: Speed limits ``(6,)`` [rad/s].
        lower: Lower joint limits ``(6,)`` [rad].
        upper: Upper joint limits ``(6,)`` [rad].
        pad_radius: Radius of the fingertip behind each pad ``(5,)`` [m].
        name: Hand variant; only planners with settings per hand read it.
    """

    kinematics: Kinematics
    kp: float
    torque_limit: Tensor
    speed_limit: Tensor
    lower: Tensor
    upper: Tensor
    pad_radius: Tensor
    name: str = ""

    @classmethod
    def from_description(cls, description: HandDescription, kinematics: Kinematics) -> HandModel:
        """Take limits and servo from a hand description (float64; converted where it is used)."""

        def column(name: str) -> Tensor:
            return torch.tensor([getattr(joint, name) for joint in description.actuated], dtype=torch.float64)

        return cls(
            kinematics=kinematics,
            kp=description.servo.kp,
            torque_limit=column("torque_limit"),
            speed_limit=column("speed_limit"),
            lower=column("lower"),
            upper=column("upper"),
            pad_radius=torch.tensor([pad.radius for pad in description.pads], dtype=torch.float64),
            name=description.name,
        )

    def fingertip_centres(self, q6: Tensor) -> Tensor:
        """Return the centres ``(..., 5, 3)`` [m] of the fingertip spheres behind the pads, hand_base frame."""
        frames = self.pad_frames(q6)
        return frames[..., :3, 3] - self.pad_radius.to(q6)[:, None] * frames[..., :3, 2]

    def pad_frames(self, q6: Tensor) -> Tensor:
        """Return ``T_hand_pad`` ``(..., 5, 4, 4)`` for the actuated joints ``(..., 6)``, in their dtype."""
        return self.kinematics.pad_frames(self.kinematics.expand(q6.double())).to(q6)

    def levers(self, q6: Tensor) -> Tensor:
        """Return how far each fingertip moves per radian of its closing joint ``(5,)`` [m], passive joint included.

        By virtual work a fingertip force along that motion needs this times the force as joint torque. Every fingertip
        depends on its own finger only, so one central difference moves all closing joints at once.
        """
        step = torch.zeros(NUM_ACTUATED, dtype=q6.dtype, device=q6.device)
        step[list(CLOSING_JOINT)] = 1e-3
        ends = self.fingertip_centres(torch.stack((q6 - step, q6 + step)))
        return torch.linalg.vector_norm(ends[1] - ends[0], dim=-1) / 2e-3


@dataclass(frozen=True, eq=False)
class ObjectModel:
    """The object as the planner sees it.

    Attributes:
        distance: Signed distance in the object frame, whose origin is the object's centre.
        mass: Mass [kg].
        force_cap: Largest fingertip force that the object may see [N].
        name: Of its description; only planners with settings per object read it.
    """

    distance: SignedDistance
    mass: float
    force_cap: float = 20.0
    name: str = ""


@dataclass(frozen=True, eq=False)
class Situation:
    """What is measured and commanded at a decision step.

    Attributes:
        T_hand_object: Latest estimate of the object pose ``(4, 4)``, about which the latent pose is a tangent.
        q_cmd: Present servo targets of the actuated joints ``(6,)`` [rad].
        q: Measured joints ``(11,)`` [rad].
        force: Fingertip normal forces from the tactile proxy ``(5,)`` [N].
        contact: Contact flags ``(5,)``, bool.
    """

    T_hand_object: Tensor
    q_cmd: Tensor
    q: Tensor
    force: Tensor
    contact: Tensor

    def to(self, like: Tensor) -> Situation:
        """Return a copy in the dtype and on the device of ``like`` (flags stay flags)."""
        return Situation(
            self.T_hand_object.to(like),
            self.q_cmd.to(like),
            self.q.to(like),
            self.force.to(like),
            self.contact.to(like.device),
        )


def require(value: Tensor, shape: tuple[int, ...], name: str) -> None:
    """Raise :class:`ShapeError` or :class:`NonFiniteError` unless ``value`` has ``shape`` and is finite."""
    if tuple(value.shape) != shape:
        raise ShapeError(f"{name}: got shape {tuple(value.shape)}, expected {shape}")
    if not torch.isfinite(value).all():
        raise NonFiniteError(f"{name} contains NaN or infinity: {value.tolist()}; look at what measured it")
