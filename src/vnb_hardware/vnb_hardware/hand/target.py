"""Turns commands into servo targets: integration, clamping, contact gate, straight lines, hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vnb_grasp.description import FINGERS, HandDescription
from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError
from vnb_hardware.hand.joints import JointTable
from vnb_hardware.hand.settings import HandSettings

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

JOINTS = 6
FINGER_OF_JOINT = np.array([0, 0, 1, 2, 3, 4])
"""Finger of each actuated joint: the thumb has two."""

_LONGEST = 60.0
"""Longest motion to a goal [s]: more is a mistake, and would keep whoever waits for it."""


@dataclass(frozen=True)
class Line:
    """A straight line in joint space: from ``start`` to ``goal`` (6,) [rad] between two times [s]."""

    start: Array
    goal: Array
    begin: float
    end: float

    def at(self, now: float) -> Array:
        """Return the point at a time; stays at the goal afterwards."""
        share = 1.0 if now >= self.end else max((now - self.begin) / (self.end - self.begin), 0.0)
        return self.start + (self.goal - self.start) * share


class TargetServo:
    """Keeps the six servo targets. Angles (6,) [rad] in the description's order; times [s] of one monotonic clock.

    Targets stay within the range of the joint table, and within the lead of the measured angle: what the torque limit
    takes at the servo's stiffness, plus a margin, plus what the finger moves while a measurement is under way. More
    would only wind up, and would be run through at once when the way comes free. Whatever is measured or commanded,
    they go no faster than the speed limit, so that a wrong measurement does not throw the fingers.
    """

    def __init__(self, hand: HandDescription, table: JointTable, settings: HandSettings) -> None:
        self._settings = settings
        self._low, self._high = table.open, table.closed
        self._kp = hand.servo.kp
        self._speed = np.array([joint.speed_limit for joint in hand.actuated]) * settings.speed
        self._count = table.resolution
        self.full_torque = np.array([joint.torque_limit for joint in hand.actuated])
        self.most_torque = self.full_torque * settings.torque
        self.torque = self.most_torque.copy()
        self.target = table.open.copy()
        self._velocity = np.zeros(JOINTS)
        self._until = -np.inf
        self._line: Line | None = None
        self._last = -np.inf

    @property
    def lead(self) -> Array:
        """How far a target may be from the measured angle (6,) [rad]."""
        age = self._settings.position_period + self._settings.command_period
        return self.torque / self._kp + self._settings.overdrive + np.abs(self._velocity) * age

    @property
    def line(self) -> Line | None:
        """The line that is being followed."""
        return self._line

    def rest(self, q: Array, now: float) -> None:
        """Take ``q`` as the targets and stop all motion."""
        self.target = np.clip(q, self._low, self._high)
        self.stop(now)

    def stop(self, now: float) -> None:
        """Keep the present targets."""
        self._velocity = np.zeros(JOINTS)
        self._until = -np.inf
        self._line = None
        self._last = now

    def freeze(self, q: Array | None, contact: Flags, now: float) -> None:
        """Stop where the fingers are: fingers in contact keep their targets, and so what they press with.

        Args:
            q: Measured angles, or None if there are no fresh ones: then all targets stay, as none is far away.
            contact: Per finger (5,).
            now: Time.
        """
        if q is not None:
            still = np.clip(self._near(q), self._low, self._high)
            self.target = np.where(contact[FINGER_OF_JOINT], self.target, still)
        self.stop(now)

    def stiffen(self, q: Array) -> None:
        """Hold with the present torques, but as answers to position errors, and with the full torque limit.

        A servo that presses with all that its limit allows is a constant torque without stiffness: what it holds rolls
        out. ``q`` are the measured angles (6,) [rad].
        """
        give = self.torque / self._kp
        self.target = np.clip(self._near(q + np.clip(self.target - q, -give, give)), self._low, self._high)
        self.torque = self.most_torque.copy()

    def set_velocity(self, velocity: Array, torque: Array | None, now: float) -> Array:
        """Move with velocities [rad/s] for one horizon from now on; return the velocities after clipping.

        Args:
            velocity: Positive closes; clipped to the speed limit.
            torque: Largest torques [N m], clipped to the driver's own limit; None keeps the present ones.
            now: Time.

        Raises:
            ShapeError, NonFiniteError, ConfigError: If these are no velocities or torques; nothing changes then.
        """
        _check("velocities", velocity)
        if torque is not None:
            _check("torque limits", torque)
            if (torque <= 0).any():
                raise ConfigError(f"torque limits: got {torque.tolist()} N m, expected more than 0")
            self.torque = np.minimum(torque, self.most_torque)
        self._line = None
        self._velocity = np.clip(velocity, -self._speed, self._speed)
        self._last = now
        self._until = now + self._settings.horizon
        return self._velocity.copy()

    def open_up(self, now: float, duration: float) -> None:
        """Open at the speed limit for ``duration`` [s]."""
        self._line = None
        self._velocity = -self._speed
        self._last, self._until = now, now + duration

    def follow(self, goal: Array, duration: float, now: float) -> None:
        """Go to ``goal`` in a straight line in ``duration`` [s], at most a minute, or as fast as the limit allows.

        Raises:
            ShapeError, NonFiniteError, ConfigError: If goal or duration are none, or the goal is out of range.
        """
        _check("goal", goal)
        if not 0 < duration <= _LONGEST:
            raise ConfigError(f"hand motion: got a duration of {duration} s, expected more than 0, at most {_LONGEST}")
        slack = 1e-6
        if (goal < self._low - slack).any() or (goal > self._high + slack).any():
            raise ConfigError(
                f"hand motion: got {np.round(goal, 4).tolist()} rad, expected angles from "
                f"{np.round(self._low, 4).tolist()} to {np.round(self._high, 4).tolist()} rad"
            )
        shortest = float((np.abs(goal - self.target) / self._speed).max())
        self.torque = self.most_torque.copy()
        duration = max(duration, shortest, 1e-3)
        self._velocity = (goal - self.target) / duration
        self._line = Line(self.target.copy(), goal.copy(), now, now + duration)

    def advance(self, q: Array, contact: Flags, now: float) -> Array:
        """Move the targets on to ``now`` and return them; a late call is a pause, not a jump.

        Args:
            q: Measured angles.
            contact: Per finger (5,), in contact or not known; closing is gated by it if the settings say so.
            now: Time.
        """
        if self._line is not None:
            wanted = self._line.at(now)
            if now >= self._line.end:
                self._velocity = np.zeros(JOINTS)
        else:
            lasted = max(min(now, self._until) - self._last, 0.0)
            wanted = self.target + self._velocity * lasted
            if now >= self._until:
                self._velocity = np.zeros(JOINTS)
        longest = max(self._settings.horizon, self._settings.command_period)
        reach = self._speed * min(max(now - self._last, 0.0), longest) + self._count
        self._last = now
        if self._settings.contact_gated:
            wanted = np.where(contact[FINGER_OF_JOINT], np.minimum(wanted, self.target), wanted)
        wanted = np.clip(wanted, q - self.lead, q + self.lead)
        self.target = np.clip(np.clip(wanted, self.target - reach, self.target + reach), self._low, self._high)
        return self.target

    def _near(self, wanted: Array) -> Array:
        """Return the targets nearest to ``wanted`` within the lead of the present ones."""
        return np.clip(wanted, self.target - self.lead, self.target + self.lead)

    def behind(self, q: Array) -> Flags:
        """Return which joints (6,) are so far behind their targets that these wait for them."""
        return np.abs(self.target - q) > self.lead - 0.25 * self._settings.overdrive


def contact_of(sums: NDArray[np.int64], threshold: int) -> Flags:
    """Return which fingers (5,) are in contact, by the sums of their taxels."""
    flags: Flags = sums >= threshold
    if flags.shape != (len(FINGERS),):
        raise ShapeError(f"taxel sums: got shape {flags.shape}, expected ({len(FINGERS)},)")
    return flags


def _check(what: str, values: Array) -> None:
    if values.shape != (JOINTS,):
        raise ShapeError(f"hand command, {what}: got shape {values.shape}, expected ({JOINTS},)")
    if not np.isfinite(values).all():
        raise NonFiniteError(f"hand command, {what}: got {values.tolist()}, expected finite numbers; the hand holds")
