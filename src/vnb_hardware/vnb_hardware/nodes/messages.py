"""Messages of the drivers from and to their types."""

from __future__ import annotations

import array

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from numpy.typing import NDArray
from sensor_msgs.msg import JointState
from vnb_msgs.msg import ErrorCode, HandCommand, TactileArray, TactilePad

from vnb_grasp.description import ACTUATED_JOINTS, FINGERS, HandDescription
from vnb_grasp.errors import HardwareError
from vnb_grasp.nodes.conversions import header, in_order, joint_state, seconds
from vnb_hardware.hand.state import HandState, Mode

Array = NDArray[np.float64]


def hand_joint_state(state: HandState, hand: HandDescription, stamp: Time) -> JointState:
    """Return angles and velocities of all eleven joints; the hand reports six, the others follow by their coupling."""
    q, qd = np.array(hand.expand(state.q.tolist())), np.array(hand.expand(state.qd.tolist()))
    return joint_state(stamp, hand.joint_names, q, qd)


def hand_target(state: HandState, stamp: Time) -> JointState:
    """Return the servo targets of the six actuated joints."""
    return joint_state(stamp, ACTUATED_JOINTS, state.target)


def tactile_array(state: HandState, stamp: Time) -> TactileArray:
    """Return the pads that have answered lately; none if none has."""
    rows, columns = state.tactile.shape[1:]
    pads = [
        TactilePad(finger=finger, rows=rows, columns=columns, taxels=array.array("B", pad.tobytes()))
        for finger, pad, known in zip(FINGERS, state.tactile, state.tactile_known.tolist(), strict=True)
        if known
    ]
    return TactileArray(header=header(stamp), pads=pads)


def require_young(stamp: Time, now: float, limit: float, what: str) -> None:
    """Refuse a command that answers old measurements.

    Args:
        stamp: Of the measurements.
        now: ROS time [s].
        limit: Largest age [s]; 0 = any.
        what: For the message.

    Raises:
        HardwareError: If they are older.
    """
    age = now - seconds(stamp)
    if limit and age > limit:
        raise HardwareError(
            f"{what}: it answers measurements that are {age:.2f} s old, the limit is {limit} s; it is not obeyed"
        )


def velocities(message: HandCommand) -> Array:
    """Return the velocities of a command (6,) [rad/s], in the hand's order.

    Raises:
        ConfigError: If a joint is missing.
        ShapeError: If a length is wrong.
    """
    return in_order(ACTUATED_JOINTS, message.joint_names, message.velocity, "hand command, velocities")


def effort_limits(message: HandCommand) -> Array | None:
    """Return the effort limits of a command (6,) [N m], None if it has none. Raises as :func:`velocities`."""
    if not len(message.effort_limit):
        return None
    return in_order(ACTUATED_JOINTS, message.joint_names, message.effort_limit, "hand command, effort limits")


def hand_status(state: HandState, name: str) -> DiagnosticStatus:
    """Return the hand's health."""
    if state.error is not None:
        level, text, code = DiagnosticStatus.ERROR, state.reason, int(state.error.code)
    elif state.mode is Mode.HOLD:
        level, text, code = DiagnosticStatus.WARN, f"on hold: {state.reason}", int(ErrorCode.HOLD)
    elif state.warnings:
        level, text, code = DiagnosticStatus.WARN, "; ".join(state.warnings), int(ErrorCode.NONE)
    else:
        level, text, code = DiagnosticStatus.OK, state.mode.value, int(ErrorCode.NONE)
    values = {
        "error_code": code,
        "mode": state.mode.value,
        "pose_age_s": round(state.time - state.q_time, 3),
        "tactile_age_s": round(float(state.time - state.tactile_times.min()), 3),
        "dropped_rows": state.dropped_rows,
        "foreign_frames": state.foreign,
        "doubted_positions": state.doubts,
    }
    for joint, degrees, current, faults in zip(
        ACTUATED_JOINTS, state.temperature.tolist(), state.current.tolist(), state.faults.tolist(), strict=True
    ):
        values[f"{joint}.temperature_degC"] = degrees
        values[f"{joint}.current_mA"] = round(current, 1)
        values[f"{joint}.faults"] = faults
    status = DiagnosticStatus(level=level, name=name, message=text, hardware_id="l6")
    status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    return status
