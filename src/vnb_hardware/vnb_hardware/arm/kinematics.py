"""Forward and inverse kinematics of the arm from its Denavit-Hartenberg parameters, in closed form.

The controller corrects its nominal lengths by a compensation of its own, so the driver computes with what the
controller reports, not with the description. Joints 2 to 4 are parallel, which gives up to eight solutions: two each
for shoulder, wrist and elbow (Hawkins, "Analytic inverse kinematics for the Universal Robots UR-5/UR-10 arms",
2013; the FR3 has the same arrangement of axes).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vnb_grasp.errors import ConfigError, MotionError
from vnb_hardware.arm import units
from vnb_hardware.arm.units import Array

NOMINAL = (0.140, -0.280, -0.240, 0.102, 0.102, 0.100)
"""d1, a2, a3, d4, d5, d6 of the FR3 [m]."""

MAX_COMPENSATION = 0.005
"""A calibration moves a length by a millimetre or so; more is a misunderstanding [m]."""

_TWISTS = (math.pi / 2, 0.0, 0.0, math.pi / 2, -math.pi / 2, 0.0)
_SINGULAR = 1e-6
_POSITION_TOLERANCE = 1e-6
_ROTATION_TOLERANCE = 1e-6
_TURN = 2 * math.pi


@dataclass(frozen=True)
class DhParameters:
    """The six lengths that are not zero: d1, a2, a3, d4, d5, d6 [m]; a2 and a3 are negative."""

    lengths: tuple[float, float, float, float, float, float] = NOMINAL

    @classmethod
    def compensated(cls, millimetres: Sequence[float]) -> DhParameters:
        """Return the nominal lengths made longer by the controller's ``GetDHCompensation`` (six values [mm]).

        Raises:
            ConfigError: If a value is larger than a calibration can be.
        """
        offset = units.six(millimetres, "DH compensation [mm]") / units.MILLIMETRES
        if np.abs(offset).max() > MAX_COMPENSATION:
            raise ConfigError(
                f"DH compensation: got {list(millimetres)} mm, expected at most {MAX_COMPENSATION * 1000} mm each; "
                "check that the controller's robot model is the FR3"
            )
        nominal = np.array(NOMINAL)
        return cls(tuple((nominal + np.sign(nominal) * offset).tolist()))


class DhKinematics:
    """Kinematics of one configuration at a time, in the arm's base frame, up to the flange.

    Args:
        parameters: The arm's lengths.
    """

    def __init__(self, parameters: DhParameters | None = None) -> None:
        self.parameters = parameters or DhParameters()
        d1, a2, a3, d4, d5, d6 = self.parameters.lengths
        self._a = (0.0, a2, a3, 0.0, 0.0, 0.0)
        self._d = (d1, 0.0, 0.0, d4, d5, d6)
        self._twist = [(math.sin(twist), math.cos(twist)) for twist in _TWISTS]

    def flange(self, q: Array) -> Array:
        """Return ``T_base_flange`` (4, 4) [m] of joint angles ``q`` (6,) [rad]."""
        transform = np.eye(4)
        for i, angle in enumerate(q.tolist()):
            transform = transform @ self._link(i, angle)
        return transform

    def solutions(self, flange: Array, seed: Array | None = None) -> list[Array]:
        """Return all joint angles, each in (-pi, pi], that put the flange at ``T_base_flange`` (4, 4).

        At a singular wrist, where joint 6 is free, it takes the value of ``seed`` (6,), or 0.
        """
        return [
            q
            for shoulder, wrist, elbow in itertools.product((1, -1), (1, -1), (1, -1))
            if (q := self._solution(flange, shoulder, wrist, elbow, seed)) is not None
        ]

    def nearest(self, flange: Array, seed: Array, lower: Array, upper: Array) -> Array:
        """Return the first of :meth:`within`; raises as it does."""
        return self.within(flange, seed, lower, upper)[0]

    def within(self, flange: Array, seed: Array, lower: Array, upper: Array) -> list[Array]:
        """Return the solutions within ``lower`` and ``upper`` (6,) [rad], that with the least joint motion first.

        Args:
            flange: ``T_base_flange`` (4, 4) [m].
            seed: Joint angles (6,) [rad] from which the motion is counted, by its largest joint.
            lower: Joint limits (6,) [rad].
            upper: Joint limits (6,) [rad].

        Raises:
            MotionError: If there is none; says whether reach or limits are the reason.
        """
        found = self.solutions(flange, seed)
        within = [q for q in (_unwind(s, seed, lower, upper) for s in found) if q is not None]
        if not within:
            reason = "outside the joint limits" if found else "outside the reach"
            raise MotionError(
                f"flange position {np.round(flange[:3, 3], 4).tolist()} m in the arm's base frame is {reason}; choose "
                "another goal"
            )
        return sorted(within, key=lambda q: float(np.abs(q - seed).max()))

    def _link(self, i: int, angle: float) -> Array:
        s, c = math.sin(angle), math.cos(angle)
        sa, ca = self._twist[i]
        a, d = self._a[i], self._d[i]
        return np.array(
            [[c, -s * ca, s * sa, a * c], [s, c * ca, -c * sa, a * s], [0.0, sa, ca, d], [0.0, 0.0, 0.0, 1.0]]
        )

    def _solution(self, flange: Array, shoulder: int, wrist: int, elbow: int, seed: Array | None) -> Array | None:
        q1 = self._first(flange, shoulder)
        q5 = None if q1 is None else self._fifth(flange, q1, wrist)
        if q1 is None or q5 is None:
            return None
        q6 = _sixth(flange, q1, q5, seed)
        inner = self._link(0, q1)
        outer = self._link(4, q5) @ self._link(5, q6)
        arm = np.linalg.solve(inner, flange) @ np.linalg.inv(outer)  # frame 4 in frame 1: joints 2 to 4
        middle = self._middle(arm, elbow)
        if middle is None:
            return None
        q = np.array([_wrap(angle) for angle in (q1, *middle, q5, q6)])
        error = self.flange(q) - flange
        good = np.abs(error[:3, 3]).max() < _POSITION_TOLERANCE and np.abs(error[:3, :3]).max() < _ROTATION_TOLERANCE
        return q if good else None

    def _first(self, flange: Array, shoulder: int) -> float | None:
        wrist = flange[:3, 3] - self._d[5] * flange[:3, 2]
        distance = math.hypot(wrist[0], wrist[1])
        if distance < abs(self._d[3]):
            return None
        return math.atan2(wrist[1], wrist[0]) + shoulder * math.acos(self._d[3] / distance) + math.pi / 2

    def _fifth(self, flange: Array, q1: float, wrist: int) -> float | None:
        x, y = float(flange[0, 3]), float(flange[1, 3])
        cosine = (x * math.sin(q1) - y * math.cos(q1) - self._d[3]) / self._d[5]
        if abs(cosine) > 1 + 1e-9:
            return None
        return wrist * math.acos(min(max(cosine, -1.0), 1.0))

    def _middle(self, arm: Array, elbow: int) -> tuple[float, float, float] | None:
        a2, a3 = self._a[1], self._a[2]
        x, y = (arm[:2, 3] - self._d[3] * arm[:2, 1]).tolist()
        cosine = (x * x + y * y - a2 * a2 - a3 * a3) / (2 * a2 * a3)
        if abs(cosine) > 1 + 1e-9:
            return None
        q3 = elbow * math.acos(min(max(cosine, -1.0), 1.0))
        q2 = math.atan2(y, x) - math.atan2(a3 * math.sin(q3), a2 + a3 * math.cos(q3))
        total = math.atan2(arm[1, 0], arm[0, 0])  # the three turn about parallel axes, so their angles add
        return q2, q3, total - q2 - q3


def _sixth(flange: Array, q1: float, q5: float, seed: Array | None) -> float:
    sine = math.sin(q5)
    if abs(sine) < _SINGULAR:
        return 0.0 if seed is None else float(seed[5])
    s, c = math.sin(q1), math.cos(q1)
    y = (-flange[0, 1] * s + flange[1, 1] * c) / sine
    x = (flange[0, 0] * s - flange[1, 0] * c) / sine
    return math.atan2(y, x)


def _wrap(angle: float) -> float:
    return math.pi - (math.pi - angle) % _TURN


def _unwind(q: Array, seed: Array, lower: Array, upper: Array) -> Array | None:
    """Return ``q`` plus whole turns, within the limits and nearest to ``seed``; None if a joint cannot be."""
    result = np.empty_like(q)
    for i, angle in enumerate(q.tolist()):
        turns = [angle + k * _TURN for k in (-1, 0, 1)]
        allowed = [value for value in turns if lower[i] <= value <= upper[i]]
        if not allowed:
            return None
        result[i] = min(allowed, key=lambda value: abs(value - seed[i]))
    return result
