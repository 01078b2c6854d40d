"""Grasp quality from touch: finger forces, contacts and the Ferrari-Canny estimate of the paper's Appendix D."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vnb_grasp.description import HandDescription
from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError
from vnb_grasp.kinematics.hand_kinematics import HandKinematics
from vnb_grasp.quality.ferrari_canny import grasp_epsilon
from vnb_perception.contact_threshold import ContactThreshold


@dataclass(frozen=True)
class TactileQualityConfig:
    """Parameters of the estimate.

    Attributes:
        contact_force: Finger force from which a finger counts as touching [N].
        friction: Friction assumed in epsilon-hat (the true one is not known).
        torque_length: Length by which torques are divided [m].
        adaptive: Contacts by a threshold that learns each pad's noise (:mod:`vnb_perception.contact_threshold`) instead
            of ``contact_force``.
    """

    contact_force: float = 0.05
    friction: float = 0.5
    torque_length: float = 0.05
    adaptive: bool = False

    def __post_init__(self) -> None:
        for name in ("contact_force", "friction", "torque_length"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"tactile quality {name} must be positive, got {getattr(self, name)}")


@dataclass(frozen=True, eq=False)
class GraspQualityEstimate:
    """What touch says about the grasp; hand_base frame.

    Attributes:
        force: Normal force of each finger (5,) [N].
        contact: Which fingers touch (5,), bool.
        points: Pad centres (5, 3) [m].
        normals: From each pad towards the mean of the pads (5, 3), unit.
        epsilon_hat: Ferrari-Canny epsilon of the touching fingers with unit normal forces; 0 below two contacts.
    """

    force: Tensor
    contact: Tensor
    points: Tensor
    normals: Tensor
    epsilon_hat: float


class TactileQuality:
    """Estimates grasp quality from tactile arrays and joint positions.

    Args:
        hand: Its pads give the counts per newton.
        config: Parameters.
    """

    def __init__(self, hand: HandDescription, config: TactileQualityConfig | None = None) -> None:
        self.config = config or TactileQualityConfig()
        self._kinematics = HandKinematics(hand, torch.float64)
        self._counts_per_newton = torch.tensor([pad.counts_per_newton for pad in hand.pads], dtype=torch.float64)
        self._threshold = ContactThreshold(self._counts_per_newton) if self.config.adaptive else None

    def reset(self) -> None:
        """Begin a new grasp."""
        if self._threshold is not None:
            self._threshold.reset()

    def forces(self, taxels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the force (5,) [N] and contact flag (5,) of each finger for taxels (5, rows, columns)."""
        force = taxels.double().sum((-2, -1)) / self._counts_per_newton
        if self._threshold is not None:
            return force, self._threshold.update(force)
        return force, force > self.config.contact_force

    def estimate(self, taxels: Tensor, q: Tensor) -> GraspQualityEstimate:
        """Return forces, contacts and epsilon-hat.

        Args:
            taxels: Bytes of the five pads (5, rows, columns).
            q: Joint positions (11,) [rad].

        Raises:
            ShapeError: If a shape is another one.
            NonFiniteError: If a joint position is not finite.
        """
        if taxels.ndim != 3 or taxels.shape[0] != 5 or tuple(q.shape) != (11,):
            raise ShapeError(
                f"got taxels {tuple(taxels.shape)} and joints {tuple(q.shape)}, expected (5, r, c) and (11,)"
            )
        if not torch.isfinite(q).all():
            raise NonFiniteError(f"joint positions contain NaN or infinity: {q.tolist()}; look at the hand driver")
        force, contact = self.forces(taxels)
        points = self._kinematics.pad_frames(q.double())[..., :3, 3]
        normals = torch.nn.functional.normalize(points.mean(0) - points, dim=-1)
        epsilon = 0.0
        if int(contact.sum()) >= 2:
            epsilon = grasp_epsilon(
                points[contact], normals[contact], self.config.friction, points.mean(0), self.config.torque_length
            )
        return GraspQualityEstimate(force, contact, points, normals, epsilon)
