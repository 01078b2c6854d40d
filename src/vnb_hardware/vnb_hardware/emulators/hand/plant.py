"""What the emulated motors move: fingers in free space, or whatever stands behind this interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vnb_grasp.description import FINGERS, HandDescription, load_hand
from vnb_hardware.hand.frames import COLUMNS, ROWS
from vnb_hardware.hand.joints import JointTable

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """What the emulated hand senses.

    Attributes:
        q: Angles (6,) [rad], description order.
        load: Motor torques (6,) as a share of the largest, signed.
        taxels: (5, 12, 6) bytes.
    """

    q: Array
    load: Array
    taxels: NDArray[np.uint8]


class Plant(Protocol):
    """The mechanics behind the motors; called from one thread."""

    def drive(self, target: Array, speed: Array, torque: Array) -> None:
        """Take servo targets (6,) [rad], speed limits and torque limits (6,), the last two as shares of the largest."""

    def read(self, now: float) -> Reading:
        """Return the readings at a time [s]."""


class FreeFingers:
    """Fingers that follow their targets at their speed limits until something stops them.

    Args:
        table: Whose joints these are.
        hand: Description; None takes the table's.
        obstacle: Angles at which each joint meets something hard (6,) [rad]; infinite = nothing.

    Attributes:
        q: Angles (6,) [rad].
    """

    def __init__(self, table: JointTable, hand: HandDescription | None = None, obstacle: Array | None = None) -> None:
        hand = hand or load_hand(table.description)
        self.q = table.open.copy()
        self._full_speed = np.array([joint.speed_limit for joint in hand.actuated])
        self._give = np.array([joint.torque_limit for joint in hand.actuated]) / hand.servo.kp
        self._obstacle = np.full(len(self.q), np.inf) if obstacle is None else obstacle
        self._target = self.q.copy()
        self._speed = self._full_speed.copy()
        self._torque = np.ones(len(self.q))
        self._at: float | None = None

    def drive(self, target: Array, speed: Array, torque: Array) -> None:
        """See :class:`Plant`."""
        self._target, self._speed, self._torque = target, speed * self._full_speed, torque

    def read(self, now: float) -> Reading:
        """See :class:`Plant`; a pressed finger's pad shows a patch in proportion to the torque."""
        most = self._speed * (now - self._at if self._at is not None else 0.0)
        self._at = now
        wish = np.minimum(self.q + np.clip(self._target - self.q, -most, most), self._obstacle)
        self.q = wish
        pressed = np.maximum(self._target - self._obstacle, 0.0)
        load = np.minimum(pressed / self._give, self._torque)
        taxels = np.zeros((len(FINGERS), ROWS, COLUMNS), dtype=np.uint8)
        for finger, joints in enumerate(([0, 1], [2], [3], [4], [5])):
            taxels[finger, 4:8, 1:5] = round(200 * float(load[joints].max()))
        return Reading(self.q.copy(), load, taxels)
