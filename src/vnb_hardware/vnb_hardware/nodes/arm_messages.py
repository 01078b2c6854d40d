"""Messages of the arm driver from and to its types."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import JointState
from vnb_msgs.msg import ErrorCode

from vnb_grasp.errors import ConfigError, VnbError
from vnb_grasp.nodes.conversions import joint_state, require_finite_array, vector_to_array
from vnb_hardware.arm.driver import ArmDriver, Phase
from vnb_hardware.arm.state import ArmState
from vnb_hardware.arm.units import Array


def arm_joint_state(state: ArmState, names: tuple[str, ...], stamp: Time) -> JointState:
    """Return angles, velocities and torques of the joints."""
    message = joint_state(stamp, names, state.position, state.velocity)
    message.effort = state.torque.tolist()
    return message


def correction(message: TwistStamped) -> tuple[Array, Array]:
    """Return the velocities [m/s, rad/s] of a correction; raises :class:`ConfigError` if frame or numbers are wrong."""
    if message.header.frame_id not in ("", "world"):
        raise ConfigError(f"arm correction: got frame {message.header.frame_id!r}, expected world")
    twist = vector_to_array(message.twist.linear, message.twist.angular)
    require_finite_array(twist, "arm correction")
    return twist[:3], twist[3:]


def arm_status(driver: ArmDriver, name: str) -> DiagnosticStatus:
    """Return the arm's health."""
    counters, phase, fault = driver.counters, driver.phase, driver.fault
    values: dict[str, object] = {
        "error_code": int(ErrorCode.NONE) if fault is None else int(fault.code),
        "phase": phase.value,
        "frames": counters.frames,
        "missed_frames": counters.missed,
        "rejected_frames": counters.rejected,
        "rejected_bytes": counters.rejected_bytes,
        "longest_gap_ms": round(counters.longest_gap * 1000, 1),
    }
    try:
        values |= _readings(driver.state())
    except VnbError as silent:
        fault = fault or silent
    if fault is None:
        level, text = DiagnosticStatus.OK, phase.value
    elif phase is Phase.HOLD and int(fault.code) == ErrorCode.HOLD:
        level, text = DiagnosticStatus.WARN, str(fault)
    else:
        level, text = DiagnosticStatus.ERROR, str(fault)
    status = DiagnosticStatus(level=level, name=name, message=text, hardware_id="fr3")
    status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    return status


def _readings(state: ArmState) -> dict[str, object]:
    return {
        "enabled": state.enabled,
        "mode": "automatic" if state.mode == 0 else "manual",
        "controller_faults": "; ".join(state.faults) or "none",
        "hottest_joint_degC": float(np.max(state.temperature)),
        "largest_torque_Nm": round(float(np.abs(state.torque).max()), 2),
    }
