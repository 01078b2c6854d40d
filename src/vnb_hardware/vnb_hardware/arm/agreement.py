"""Does what the controller says of itself agree? Asked once, before anything may move."""

from __future__ import annotations

import numpy as np

from vnb_grasp.errors import HardwareError
from vnb_hardware.arm.kinematics import DhKinematics
from vnb_hardware.arm.state import ArmState
from vnb_hardware.arm.units import Array

JOINTS_TOLERANCE = 0.02
"""How far the joints of an arm that stands may seem to move [rad]."""

_POSE_TOLERANCE = 0.003
_ROTATION_TOLERANCE = 0.01


def require_agreement(kinematics: DhKinematics, state: ArmState, called: Array) -> None:
    """Compare a state with the driver's kinematics and with what a call said.

    Args:
        kinematics: With the controller's compensation.
        state: Of the state stream.
        called: Joint angles (6,) [rad] that a call returned.

    Raises:
        HardwareError: If they disagree.
    """
    difference = kinematics.flange(state.position) - state.flange
    off = float(np.linalg.norm(difference[:3, 3]))
    turned = float(np.abs(difference[:3, :3]).max())
    if off > _POSE_TOLERANCE or turned > _ROTATION_TOLERANCE:
        raise HardwareError(
            f"arm: the controller's flange pose is {off * 1000:.2f} mm and {turned:.4f} off what its joint angles "
            "and DH compensation give; check robot model and compensation before anything moves"
        )
    apart = float(np.abs(called - state.position).max())
    if apart > JOINTS_TOLERANCE:
        raise HardwareError(
            f"arm: state stream and calls disagree by {apart:.3f} rad; are they of one controller that is still?"
        )
