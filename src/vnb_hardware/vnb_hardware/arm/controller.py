"""The controller's commands in SI units: the one place that knows their order and units on the wire."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from vnb_grasp.errors import LinkError, VnbError
from vnb_hardware.arm import rpc, text_frame, units
from vnb_hardware.arm.rpc import ControllerRpc
from vnb_hardware.arm.units import Array

TEXT_PORT = 8080

_STOP_TIMEOUT = 0.05
"""How long the first way of stopping may take before the second is taken as well [s]."""

_NO_AXES = [0.0, 0.0, 0.0, 0.0]
_NO_OFFSET = [0.0] * 6
_TOOL = _WORKPIECE = 0
_QUEUED = 0.0
"""Blend time or radius with which a motion is queued, and the call returns at once."""

_FULL = 100.0
_IN_MILLIMETRES = 1
_AUTO = 0


@dataclass(frozen=True)
class Identity:
    """Who answers: address, model and the versions of its software."""

    address: str
    model: str
    software: str
    firmware: str


class Controller:
    """Commands and queries. Each is sent once; raises LinkError, SilenceError or the error of the return code.

    Stops go over a connection of their own, which is opened beforehand, and by a second protocol where that one fails.

    Args:
        host: Name or address.
        port: Of the XML-RPC server.
        text_port: Of the text frames.
        timeout: For a call [s].
    """

    def __init__(self, host: str, port: int = rpc.PORT, text_port: int = TEXT_PORT, timeout: float = 0.5) -> None:
        self._host, self._text_port = host, text_port
        self._rpc = ControllerRpc(host, port, timeout)
        self._stop_rpc = ControllerRpc(host, port, _STOP_TIMEOUT)

    def open(self) -> Identity:
        """Connect and ask who answers."""
        self._rpc.open()
        self._stop_rpc.open()
        address = self._rpc.query("GetControllerIP", 1)[0]
        model, software, firmware = self._rpc.query("GetSoftwareVersion", 3)
        return Identity(str(address), str(model), str(software), str(firmware))

    def close(self) -> None:
        """Close all connections."""
        self._rpc.close()
        self._stop_rpc.close()

    # --- queries --------------------------------------------------------------------------------------------------

    def dh_compensation(self) -> list[float]:
        """Return the corrections of d1, a2, a3, d4, d5, d6 [mm]."""
        return _numbers("GetDHCompensation", self._rpc.query("GetDHCompensation", 6))

    def soft_limits(self) -> list[float]:
        """Return minimum and maximum of each joint [deg]."""
        return _numbers("GetJointSoftLimitDeg", self._rpc.query("GetJointSoftLimitDeg", 12, 1))

    def joint_positions(self) -> Array:
        """Return the joint angles (6,) [rad] by a call, independently of the state stream."""
        return units.joints_from_wire(_numbers("joints", self._rpc.query("GetActualJointPosDegree", 6, 1)))

    # --- states ---------------------------------------------------------------------------------------------------

    def set_automatic(self) -> None:
        """Choose the automatic mode, which alone takes motions from a program."""
        self._rpc.command("Mode", _AUTO)

    def enable(self) -> None:
        """Switch the drives on, which then hold the arm."""
        self._rpc.command("RobotEnable", 1)

    def reset_errors(self) -> None:
        """Clear the controller's errors, as far as they can be."""
        self._rpc.command("ResetAllError")

    # --- motions --------------------------------------------------------------------------------------------------

    def move_joints(self, goal: Array, flange: Array, speed: float) -> None:
        """Begin the straight joint motion to ``goal`` (6,) [rad], whose flange pose is ``flange`` (4, 4).

        Args:
            goal: Joint angles [rad].
            flange: ``T_base_flange`` at the goal.
            speed: Fraction of the full joint speed, in (0, 1].
        """
        joints, pose = units.joints_to_wire(goal), units.pose_to_wire(flange)
        percent = _FULL * speed
        arguments = (_TOOL, _WORKPIECE, percent, 0.0, _FULL, _NO_AXES, _QUEUED, 0, _NO_OFFSET)
        self._rpc.command("MoveJ", joints, pose, *arguments)

    def move_line(self, goal: Array, flange: Array, speed: float, acceleration: float) -> None:
        """Begin the flange's straight line to ``flange`` (4, 4), where the joints are ``goal`` (6,) [rad].

        Args:
            goal: Joint angles [rad].
            flange: ``T_base_flange`` at the goal.
            speed: [m/s].
            acceleration: [m/s^2].
        """
        speed_mm, acceleration_mm = speed * units.MILLIMETRES, acceleration * units.MILLIMETRES
        head = [*units.joints_to_wire(goal), *units.pose_to_wire(flange), _TOOL, _WORKPIECE]
        rates = [_FULL, 0.0, speed_mm, _QUEUED, 0]  # the physical speed takes the place of the scaling factor
        tail = [*_NO_AXES, 0, 0, *_NO_OFFSET, acceleration_mm, _IN_MILLIMETRES]
        self._rpc.command("MoveL", [*head, *rates, *tail])

    def begin_servo(self) -> None:
        """Begin to take streamed joint targets."""
        self._rpc.command("ServoMoveStart")

    def servo(self, target: Array, period: float) -> None:
        """Send the next streamed target (6,) [rad], one ``period`` [s] after the last."""
        self._rpc.command("ServoJ", units.joints_to_wire(target), _NO_AXES, 0.0, 0.0, period, 0.0, 0.0, 0)

    def end_servo(self) -> None:
        """End the streaming; the arm holds."""
        self._rpc.command("ServoMoveEnd")

    # --- stop -----------------------------------------------------------------------------------------------------

    def stop(self, servo: bool = False) -> None:
        """Stop every motion and forget the queue; the only command with a second way, since it may be repeated.

        Args:
            servo: Whether targets are being streamed, which is then ended too.

        Raises:
            LinkError: If no way worked.
        """
        try:
            self._stop_rpc.command("StopMotion")
        except VnbError as first:
            try:
                text_frame.send_stop(self._host, self._text_port, 3 * _STOP_TIMEOUT)
            except LinkError as second:
                raise LinkError(f"the stop did not reach the arm, use its button! {first}; {second}") from second
        with contextlib.suppress(VnbError):  # the arm has its stop; these tidy up
            if servo:
                self._stop_rpc.command("ServoMoveEnd")
            self._stop_rpc.command("MotionQueueClear")


def _numbers(what: str, values: list[object]) -> list[float]:
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        raise LinkError(f"{what}: got {values!r}, expected numbers")
    return [float(value) for value in values]  # type: ignore[arg-type]
