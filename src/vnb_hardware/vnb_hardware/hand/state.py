"""What is known of the hand, and what the driver does with it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vnb_grasp.errors import HardwareError
from vnb_hardware.hand.target import Array, Flags


class Mode(enum.Enum):
    """What the driver does with the hand."""

    LISTENING = "listening"
    """Only asks; sends nothing that could move or change anything."""
    ENABLED = "enabled"
    """Sends position commands and takes new ones."""
    HOLD = "hold"
    """Sends the held position and takes no command until enabled again."""


@dataclass(frozen=True)
class HandState:
    """What is known of the hand. Arrays in the description's order; times [s] of the driver's clock, -inf = never.

    Attributes:
        time: When this was put together.
        mode: See :class:`Mode`.
        error: What put the hand on hold, None if nothing did.
        reason: Why it is on hold, for people; empty while it is not.
        q, qd: Measured angles and velocities (6,) [rad], [rad/s].
        q_time: When the angles came.
        target: Servo targets (6,) [rad].
        torque_limit: (6,) [N m].
        tactile: Matrices (5, 12, 6), bytes.
        tactile_times: When each came (5,).
        tactile_known: Per finger (5,), whether its matrix is young enough to count.
        contact: Per finger (5,); false where it is not known.
        temperature: (6,) [degC]; NaN = not known yet.
        current: (6,) [mA]; NaN = not known yet.
        faults: Fault bits (6,).
        warnings: What is not right but no reason to hold, for people.
        foreign: Frames heard that were no replies of this hand.
        doubts: Positions that were not believed, since the fingers cannot have come there.
        dropped_rows: Tactile rows that could not be used.
    """

    time: float
    mode: Mode
    error: HardwareError | None
    reason: str
    q: Array
    qd: Array
    q_time: float
    target: Array
    torque_limit: Array
    tactile: NDArray[np.uint8]
    tactile_times: Array
    tactile_known: Flags
    contact: Flags
    temperature: Array
    current: Array
    faults: NDArray[np.int64]
    warnings: tuple[str, ...]
    foreign: int
    doubts: int
    dropped_rows: int


@dataclass
class Identity:
    """What the hand says about itself; empty until it does."""

    serial: str = ""
    versions: dict[str, str] = field(default_factory=dict)
