"""What can be set about the hand's driver."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from vnb_grasp.errors import ConfigError
from vnb_hardware.hand.frames import LEFT_ID, RIGHT_ID
from vnb_hardware.hand.tactile import ASSEMBLIES

SIDES = {"right": RIGHT_ID, "left": LEFT_ID}


@dataclass(frozen=True)
class HandSettings:
    """Settings of the driver; a value out of range raises :class:`ConfigError`.

    Attributes:
        side: Which hand answers, ``right`` or ``left``.
        table: Joint table, that is, how many radians a count is.
        command_period: Time between two position commands while the hand is enabled [s].
        position_period: Time between two questions for the positions [s]; asking more often starves the tactile stream.
        tactile_period: Time between two sweeps over the five pads [s].
        tactile_spacing: Time between the questions to two fingers of a sweep [s]; 0 sends them at once.
        tactile_rotate: Begin each sweep with another finger, since the last one is served worst.
        tactile_assembly: ``whole`` shows a pad when its twelve rows have come, ``latest`` shows every row as it comes.
        health_period: Time between two questions for temperature, fault bits or currents, which take turns [s].
        speed: Speed limit sent on activation, as a share of the motors' largest.
        torque: Torque limit sent on activation, as a share of the motors' largest; no command exceeds it.
        horizon: How long a velocity command moves the fingers [s]: one decision period.
        command_timeout: Time without commands after which the driver calls them stale in its diagnostics [s]; the
            fingers have stood still since the end of the horizon.
        stiffen_after: Time without commands after which fingers hold with stiffness [s]: the same torque, but as the
            servo's answer to a position error, and with the full torque limit.
        patience: How many times its duration a motion to a goal may take before a joint is taken to be blocked.
        silence: Time without an answer after which the hand is taken for dead [s].
        tactile_silence: Age from which on a pad's readings are not known any more [s].
        touch_threshold: Sum of a finger's taxels from which on it touches something, and keeps its target on a hold.
        contact_threshold: Sum of a finger's taxels from which on it is in contact.
        contact_gated: Closing velocities of fingers in contact are ignored, and of those whose pads are not known.
        overdrive: How far a target may run ahead of the measured angle beside what the torque limit takes [rad].
        hot: Motor temperature at which the driver warns [degC].
        too_hot: Motor temperature at which the hand goes on hold [degC].
        stuck_time: Time for which a joint may stay behind its target, without touch or current, before it is stuck [s].
        stuck_current: Current below which a motor that stays behind is not pushing against anything [mA].
    """

    side: str = "right"
    table: str = "l6_v31"
    command_period: float = 0.02
    position_period: float = 0.04
    tactile_period: float = 0.04
    tactile_spacing: float = 0.0025
    tactile_rotate: bool = True
    tactile_assembly: str = "whole"
    health_period: float = 0.06
    speed: float = 0.4
    torque: float = 0.8
    horizon: float = 0.04
    command_timeout: float = 1.0
    stiffen_after: float = 0.3
    patience: float = 3.0
    silence: float = 0.15
    tactile_silence: float = 0.2
    touch_threshold: int = 30
    contact_threshold: int = 300
    contact_gated: bool = False
    overdrive: float = 0.02
    hot: float = 60.0
    too_hot: float = 75.0
    stuck_time: float = 0.6
    stuck_current: float = 60.0

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise ConfigError(f"side: got {self.side!r}, expected one of {', '.join(SIDES)}")
        if self.tactile_assembly not in ASSEMBLIES:
            raise ConfigError(f"tactile_assembly: got {self.tactile_assembly!r}, expected one of {ASSEMBLIES}")
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, float) and not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{item.name}: got {value}, expected a finite number of at least 0")
        for name in ("command_period", "position_period", "tactile_period", "health_period", "silence", "stuck_time"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name}: got {getattr(self, name)} s, expected more than 0")
        for name in ("speed", "torque"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"{name}: got {getattr(self, name)}, expected a share in (0, 1]")
        if self.tactile_spacing * 5 > self.tactile_period:
            raise ConfigError(
                f"tactile_spacing: five times {self.tactile_spacing} s do not fit into a sweep of "
                f"{self.tactile_period} s; shorten the spacing or lengthen the period"
            )
        if self.patience < 1:
            raise ConfigError(f"patience: got {self.patience}, expected at least 1: a motion takes its duration")
        for name, what in (("silence", "position"), ("tactile_silence", "tactile")):
            least = 2 * getattr(self, f"{what}_period")
            if getattr(self, name) < least:
                raise ConfigError(
                    f"{name}: got {getattr(self, name)} s, expected at least two {what} periods, {least} s: one lost "
                    "answer is no silence"
                )

    @property
    def hand_id(self) -> int:
        """CAN id of the hand."""
        return SIDES[self.side]
