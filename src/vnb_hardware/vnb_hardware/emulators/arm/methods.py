"""The methods that the emulated controller answers, with the argument order and the codes of the real one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vnb_grasp.description import load_arm
from vnb_grasp.errors import MotionError, VnbError
from vnb_hardware.arm import codes, units
from vnb_hardware.arm.limits import JointLimits
from vnb_hardware.arm.path import flange_line
from vnb_hardware.arm.units import Array
from vnb_hardware.emulators.arm.model import ArmModel, Motion

_BLOCKING = -1.0
_LINE_ARGUMENTS = 33
_LONGEST_MOTION = 120.0
_FULL_LINE_SPEED = 1.0
"""Of a line whose speed is a percentage [m/s]."""


class Methods:
    """Dispatches calls to the model.

    Args:
        model: The arm.
        address: What ``GetControllerIP`` says.
    """

    def __init__(self, model: ArmModel, address: str) -> None:
        self._model, self._address = model, address
        description = load_arm("fr3")
        self._limits = JointLimits(description.joint_names, model.lower, model.upper, model.speed_limits)
        self._table: dict[str, tuple[int, Callable[..., Any]]] = {
            "GetControllerIP": (0, lambda: [0, self._address]),
            "GetSoftwareVersion": (0, lambda: [0, "FR3-V6.0", "emulator", "V3.9.5"]),
            "Mode": (1, self._mode),
            "RobotEnable": (1, self._enable),
            "SetSpeed": (1, self._speed),
            "ResetAllError": (0, self._reset),
            "StopMotion": (0, self._stop),
            "MotionQueueClear": (0, self._clear),
            "MoveJ": (11, self._move_joints),
            "MoveL": (1, self._move_line),
            "MoveCart": (8, self._move_cartesian),
            "ServoMoveStart": (0, self._servo_start),
            "ServoMoveEnd": (0, self._servo_end),
            "ServoJ": (8, self._servo),
            "GetActualJointPosDegree": (1, lambda _: [0, *np.degrees(model.position).tolist()]),
            "GetActualJointPosRadian": (1, lambda _: [0, *model.position.tolist()]),
            "GetActualTCPPose": (1, lambda _: [0, *units.pose_to_wire(model.kinematics.flange(model.position))]),
            "GetActualToolFlangePose": (1, lambda _: [0, *units.pose_to_wire(model.kinematics.flange(model.position))]),
            "GetForwardKin": (1, self._forward),
            "GetInverseKin": (3, self._inverse),
            "GetJointSoftLimitDeg": (1, lambda _: [0, *model.soft_limits]),
            "GetDHCompensation": (0, lambda: [0, *model.compensation]),
            "GetTCPOffset": (1, lambda _: [0, *[0.0] * 6]),
            "GetWObjOffset": (1, lambda _: [0, *[0.0] * 6]),
        }

    def call(self, method: str, arguments: Sequence[Any]) -> Any:
        """Return what the controller answers; raises :class:`KeyError` for a method that it does not have."""
        count, function = self._table[method]
        if len(arguments) != count:
            return codes.WRONG_COUNT
        try:
            return function(*arguments)
        except MotionError:
            return codes.UNREACHABLE
        except (VnbError, TypeError, ValueError):
            return codes.OUT_OF_RANGE

    # --- states ---------------------------------------------------------------------------------------------------

    def _mode(self, mode: int) -> int:
        if mode not in (0, 1):
            return codes.OUT_OF_RANGE
        self._model.mode = mode
        return codes.OK

    def _enable(self, on: int) -> int:
        with self._model.lock:
            if on and self._model.emergency_stop:
                return codes.REFUSED
            self._model.enabled = bool(on)
        return codes.OK

    def _speed(self, percent: int) -> int:
        if not 0 <= percent <= 100:
            return codes.OUT_OF_RANGE
        self._model.override = percent / 100
        return codes.OK

    def _reset(self) -> int:
        with self._model.lock:
            if not self._model.fault_resets:
                return codes.NOT_RESETTABLE
            self._model.main_code = self._model.sub_code = 0
            self._model.collision = False
        return codes.OK

    def _stop(self) -> int:
        self._model.stop()
        return codes.OK

    def _clear(self) -> int:
        with self._model.lock:
            del self._model.queue[1:]
        return codes.OK

    def _refusal(self) -> int:
        model = self._model
        if any(model.safety_stops) or model.emergency_stop:
            return codes.SAFETY_STOP
        if model.blocked or not model.enabled or model.mode != 0:
            return codes.REFUSED
        return codes.OK

    # --- motions --------------------------------------------------------------------------------------------------

    def _move_joints(self, joints: Any, _pose: Any, _tool: int, _user: int, vel: float, _acc: float, *rest: Any) -> int:
        ovl, _, blend = rest[:3]
        goal = units.joints_from_wire(joints)
        if refusal := self._refusal():
            return refusal
        self._limits.require(goal, "MoveJ")
        start = self._model.end_of_queue()
        fraction = _fraction(vel) * _fraction(ovl)
        return self._run(np.stack([start, goal]), self._joint_rate(goal - start, fraction), blend)

    def _move_line(self, arguments: Sequence[float]) -> int:
        if len(arguments) != _LINE_ARGUMENTS:
            return codes.WRONG_COUNT
        pose = units.pose_from_wire(arguments[6:12])
        vel, ovl, blend = arguments[14], arguments[16], arguments[17]
        if refusal := self._refusal():
            return refusal
        path = self._line(pose)
        length = float(np.linalg.norm(pose[:3, 3] - self._model.kinematics.flange(path[0])[:3, 3]))
        if int(arguments[32]) == 1:
            speed = ovl / units.MILLIMETRES
        else:
            speed = _FULL_LINE_SPEED * _fraction(vel) * _fraction(ovl)
        rate = min(speed / max(length, 1e-6), self._joint_rate(np.abs(np.diff(path, axis=0)).sum(axis=0), 1.0))
        return self._run(path, rate, blend)

    def _move_cartesian(self, pose: Any, _tool: int, _user: int, vel: float, _acc: float, *rest: Any) -> int:
        ovl, blend, _ = rest
        if refusal := self._refusal():
            return refusal
        start = self._model.end_of_queue()
        goal = self._model.kinematics.nearest(units.pose_from_wire(pose), start, self._model.lower, self._model.upper)
        fraction = _fraction(vel) * _fraction(ovl)
        return self._run(np.stack([start, goal]), self._joint_rate(goal - start, fraction), blend)

    def _line(self, pose: Array) -> Array:
        return flange_line(self._model.kinematics, self._limits, self._model.end_of_queue(), pose)

    def _joint_rate(self, way: Array, fraction: float) -> float:
        return fraction / max(float((np.abs(way) / self._model.speed_limits).max()), 1e-6)

    def _run(self, path: Array, rate: float, blend: float) -> int:
        motion: Motion = self._model.add(path, rate)
        if blend == _BLOCKING:
            motion.done.wait(_LONGEST_MOTION)
        return codes.OK

    # --- streamed targets -----------------------------------------------------------------------------------------

    def _servo_start(self) -> int:
        with self._model.lock:
            if refusal := self._refusal():
                return refusal
            self._model.servo_target = self._model.reference.copy()
            self._model.stopping = False
        return codes.OK

    def _servo_end(self) -> int:
        with self._model.lock:
            self._model.servo_target = None
        return codes.OK

    def _servo(self, joints: Any, _axes: Any, _acc: float, _vel: float, period: float, *_rest: Any) -> int:
        model = self._model
        with model.lock:
            if refusal := self._refusal():
                return refusal
            if model.servo_target is None:
                return codes.REFUSED
            target = units.joints_from_wire(joints)
            outside = ((target < model.lower) | (target > model.upper)).any()
            if outside or model.servo_jump(target, period):
                model.main_code, model.sub_code = 1, codes.SERVO_OVERRUN
                return codes.SERVO_OVERRUN
            model.servo_target = target
            model.servo_count += 1
            model.stopping = False
        return codes.OK

    # --- kinematics -----------------------------------------------------------------------------------------------

    def _forward(self, joints: Any) -> list[float]:
        return [0, *units.pose_to_wire(self._model.kinematics.flange(units.joints_from_wire(joints)))]

    def _inverse(self, kind: int, pose: Any, _configuration: int) -> Any:
        if kind != 0:
            return codes.OUT_OF_RANGE
        model = self._model
        try:
            q = model.kinematics.nearest(units.pose_from_wire(pose), model.position, model.lower, model.upper)
        except MotionError:
            return [codes.NO_SOLUTION, *[0.0] * 6]
        return [0, *np.degrees(q).tolist()]


def _fraction(percent: float) -> float:
    if not 0 < percent <= 100:
        raise ValueError(percent)
    return float(percent) / 100
