"""The joint limits that hold: the tighter of the description's and the controller's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vnb_grasp.description import ArmDescription
from vnb_grasp.errors import ConfigError, MotionError, ShapeError
from vnb_hardware.arm import units
from vnb_hardware.arm.units import Array

MARGIN = np.radians(0.1)
"""Kept from the controller's soft limits, which it answers with an error that has to be reset [rad]."""


@dataclass(frozen=True, eq=False)
class JointLimits:
    """Joint ranges and speeds.

    Attributes:
        names: Joint names.
        lower, upper: (6,) [rad].
        speed: (6,) [rad/s].
    """

    names: tuple[str, ...]
    lower: Array
    upper: Array
    speed: Array

    @classmethod
    def of(cls, description: ArmDescription) -> JointLimits:
        """Return the limits of a description."""
        joints = description.joints
        return cls(
            description.joint_names,
            np.array([joint.lower for joint in joints]),
            np.array([joint.upper for joint in joints]),
            np.array([joint.speed_limit for joint in joints], dtype=np.float64),
        )

    def tightened(self, soft_degrees: Sequence[float]) -> JointLimits:
        """Return the tighter of these and the controller's ``GetJointSoftLimitDeg``: minimum and maximum per joint.

        Raises:
            ShapeError: If there are not twelve values.
            ConfigError: If no room is left for a joint.
        """
        if len(soft_degrees) != 2 * units.JOINTS:
            raise ShapeError(f"soft limits: got {len(soft_degrees)} values, expected minimum and maximum of six joints")
        lower = np.maximum(self.lower, units.joints_from_wire(soft_degrees[0::2]) + MARGIN)
        upper = np.minimum(self.upper, units.joints_from_wire(soft_degrees[1::2]) - MARGIN)
        for name, low, high in zip(self.names, lower.tolist(), upper.tolist(), strict=True):
            if not low < high:
                raise ConfigError(
                    f"soft limits: joint {name} would have {low} to {high} rad; correct the limits at the pendant"
                )
        return JointLimits(self.names, lower, upper, self.speed)

    def require(self, q: Array, what: str) -> None:
        """Raise :class:`MotionError` if a joint of ``q`` (6,) [rad] is outside."""
        for name, value, low, high in zip(
            self.names, q.tolist(), self.lower.tolist(), self.upper.tolist(), strict=True
        ):
            if not low <= value <= high:
                raise MotionError(f"{what}: joint {name} at {value:.4f} rad, expected {low:.4f} to {high:.4f} rad")
