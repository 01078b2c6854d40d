"""What can be set of the arm driver."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from vnb_grasp.errors import ConfigError
from vnb_hardware.arm import rpc
from vnb_hardware.arm.clearance import Workspace
from vnb_hardware.arm.controller import TEXT_PORT
from vnb_hardware.arm.stream import PORTS, STREAMS

_MOST_TURN = 3.0
"""Turns are told apart up to half a turn only [rad]."""


@dataclass(frozen=True)
class ArmConfig:
    """Addresses, deadlines and limits; a value out of range raises :class:`ConfigError`.

    Attributes:
        host: Name or address of the controller; the default is an emulator on this machine, a real controller comes
            with 192.168.58.2.
        rpc_port: Of its XML-RPC server.
        stream: cnde for controllers from V3.9.5 on, legacy for V3.8.7 to V3.9.4.
        stream_port: Of its state stream; 0 is the stream's own.
        text_port: Of its text frames, the second way to stop.
        timeout: For a call [s].
        stale_after: Longest time without a new state before the arm holds [s].
        speed_cap: Fraction of the joint speed limits that no motion exceeds, whatever a goal asks for, in (0, 1].
        linear_speed: Speed of a straight line at a speed scale of 1 [m/s].
        linear_acceleration: Of a straight line [m/s^2].
        stall_after: Time without progress after which a motion is stopped and given up [s].
        deviation: Distance from the planned joint path at which a motion is stopped [rad].
        servo_period: Time between two streamed targets, 0.001 to 0.016 [s].
        servo_speed: Largest speed of a streamed correction [m/s].
        servo_reach: Largest way of a streamed correction from where it began [m].
        servo_turn: Largest turn of a streamed correction from where it began, less than half a turn [rad].
        servo_timeout: Silence of whoever corrects after which the stream ends and the arm holds [s].
        workspace: Table and box that planned paths are checked against.
    """

    host: str = "127.0.0.1"
    rpc_port: int = rpc.PORT
    stream: str = "cnde"
    stream_port: int = 0
    text_port: int = TEXT_PORT
    timeout: float = 0.5
    stale_after: float = 0.1
    speed_cap: float = 0.25
    linear_speed: float = 0.25
    linear_acceleration: float = 0.5
    stall_after: float = 1.5
    deviation: float = 0.15
    servo_period: float = 0.016
    servo_speed: float = 0.05
    servo_reach: float = 0.05
    servo_turn: float = 0.5
    servo_timeout: float = 0.15
    workspace: Workspace = field(default_factory=Workspace)

    def __post_init__(self) -> None:
        STREAMS[self.stream]  # raises for an unknown name
        for name in ("rpc_port", "text_port"):
            if not 0 < getattr(self, name) < 65536:
                raise ConfigError(f"{name}: got {getattr(self, name)}, expected 1 to 65535")
        if not 0 <= self.stream_port < 65536:
            raise ConfigError(f"stream_port: got {self.stream_port}, expected 0 to 65535")
        if not 0 < self.speed_cap <= 1:
            raise ConfigError(f"speed_cap: got {self.speed_cap}, expected more than 0 and at most 1")
        if not 0.001 <= self.servo_period <= 0.016:
            raise ConfigError(f"servo_period: got {self.servo_period} s, expected 0.001 to 0.016 s")
        if not 0.02 <= self.stale_after <= 10:
            raise ConfigError(f"stale_after: got {self.stale_after} s, expected 0.02 to 10 s")
        for name in (
            "timeout",
            "linear_speed",
            "linear_acceleration",
            "stall_after",
            "deviation",
            "servo_speed",
            "servo_reach",
            "servo_turn",
            "servo_timeout",
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"{name}: got {value}, expected a finite number above 0")
        if self.servo_turn > _MOST_TURN:
            raise ConfigError(f"servo_turn: got {self.servo_turn} rad, expected at most {_MOST_TURN} rad")

    @property
    def state_port(self) -> int:
        """The port of the state stream."""
        return self.stream_port or PORTS[self.stream]
