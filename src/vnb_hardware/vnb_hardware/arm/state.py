"""One state of the arm as its controller reports it, in SI units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vnb_grasp.errors import LinkError, VnbError
from vnb_hardware.arm import units
from vnb_hardware.arm.cnde import Values
from vnb_hardware.arm.units import Array

PLAUSIBLE_ANGLE = 4 * np.pi
"""No joint of this arm turns further than once; a larger value is not a measurement [rad]."""

AUTO_MODE = 0


@dataclass(frozen=True, eq=False)
class ArmState:
    """What one frame of either state stream says.

    Attributes:
        received: When it was read, on the monotonic clock [s].
        count: The frame's running number, 0 to 255.
        clock: The controller's own time, as it wrote it.
        position, velocity, torque: Of the joints, (6,) each [rad, rad/s, N m].
        temperature: Of the joint drives (6,) [degrees Celsius].
        flange: ``T_base_flange`` (4, 4) [m].
        mode: 0 automatic, 1 manual.
        enabled: The drives hold the arm.
        motion_done: No motion is running.
        queue_length: Motions that wait.
        main_code, sub_code: The controller's error codes; 0 is none.
        emergency_stop, collision: The flags of that name.
        safety_stops: Of the two safety inputs.
        tool, workpiece: Numbers of the active frames.
    """

    received: float
    count: int
    clock: tuple[float, ...]
    position: Array
    velocity: Array
    torque: Array
    temperature: Array
    flange: Array
    mode: int
    enabled: bool
    motion_done: bool
    queue_length: int
    main_code: int
    sub_code: int
    emergency_stop: bool
    collision: bool
    safety_stops: tuple[bool, bool]
    tool: int
    workpiece: int

    @property
    def faults(self) -> tuple[str, ...]:
        """What forbids motion, in words; empty if nothing does."""
        found = []
        if self.emergency_stop:
            found.append("emergency stop is pressed")
        found += [f"safety stop input {i} is active" for i, stop in enumerate(self.safety_stops) if stop]
        if self.collision:
            found.append("collision detected")
        if self.main_code or self.sub_code:
            found.append(f"controller error {self.main_code}/{self.sub_code}")
        return tuple(found)

    @property
    def speed(self) -> float:
        """The fastest joint's speed [rad/s]."""
        return float(np.abs(self.velocity).max())


def state_from_values(values: Values, count: int, received: float) -> ArmState:
    """Return the state of a frame's fields.

    Raises:
        LinkError: If a field is missing or a number cannot be a measurement.
    """

    def one(name: str) -> int:
        return int(values[name][0])

    try:
        state = ArmState(
            received=received,
            count=count,
            clock=tuple(values["robot_time"]),
            position=units.joints_from_wire(values["actual_joint_pos"]),
            velocity=units.joints_from_wire(values["actual_joint_vel"]),
            torque=units.six(values["actual_joint_torque"], "joint torque"),
            temperature=units.six(values["actual_joint_temp"], "joint temperature"),
            flange=units.pose_from_wire(values["actual_flange_pos"]),
            mode=one("robot_mode"),
            enabled=one("rbt_enable_state") == 1,
            motion_done=one("motion_done") == 1,
            queue_length=one("motion_queue_len"),
            main_code=one("main_code"),
            sub_code=one("sub_code"),
            emergency_stop=one("emergency_stop") != 0,
            collision=one("collision_state") != 0,
            safety_stops=(one("safety_stop0_state") != 0, one("safety_stop1_state") != 0),
            tool=one("tool_id"),
            workpiece=one("wobj_id"),
        )
    except KeyError as error:
        raise LinkError(f"state of the arm: field {error} is missing; subscribe to it") from error
    except VnbError as error:
        raise LinkError(f"state of the arm: {error}; the frame is not a measurement") from error
    if np.abs(state.position).max() > PLAUSIBLE_ANGLE:
        raise LinkError(
            f"state of the arm: got joint angles {state.position.tolist()} rad; the frame is no measurement"
        )
    return state
