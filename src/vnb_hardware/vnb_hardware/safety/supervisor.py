"""Decides whether the robot may move: heartbeats with deadlines, faults of devices, and the emergency stop.

Free of ROS and of clocks: times [s] of one monotonic clock are arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vnb_grasp.errors import ConfigError, UnknownNameError


@dataclass(frozen=True)
class Verdict:
    """Whether the robot must hold.

    Attributes:
        hold: True: everything that moves must hold.
        reasons: Why, for people; empty if it may move.
    """

    hold: bool
    reasons: tuple[str, ...]


class Supervisor:
    """Watches whoever must be alive while the robot moves.

    The robot holds until every source was heard once, while any is silent for longer than its deadline, while any
    device is faulty, while the emergency stop is pressed, and for ``recovery`` after the last of these.

    Args:
        deadlines: Longest silence of each source that must always be alive [s].
        working_deadlines: Of those that must be alive only while the robot works on something.
        start: Time at which watching begins [s].
        recovery: How long all must be well before the robot may move again [s].

    Raises:
        ConfigError: If a deadline is not positive.
    """

    def __init__(
        self,
        deadlines: Mapping[str, float],
        working_deadlines: Mapping[str, float] | None = None,
        start: float = 0.0,
        recovery: float = 0.5,
    ) -> None:
        self._working_deadlines = dict(working_deadlines or {})
        self._deadlines = dict(deadlines)
        for name, deadline in (self._deadlines | self._working_deadlines).items():
            if not deadline > 0:
                raise ConfigError(f"deadline of {name}: got {deadline} s, expected more than 0")
        self._recovery = recovery
        self._heard: dict[str, float] = {}
        self._faults: dict[str, str] = {}
        self._pressed = ""
        self._working_since: float | None = None
        self._bad_until = start

    @property
    def pressed(self) -> bool:
        """Whether the emergency stop is pressed."""
        return bool(self._pressed)

    def beat(self, name: str, now: float) -> None:
        """Note that a source is alive.

        Raises:
            UnknownNameError: If nobody watches it.
        """
        known = self._deadlines | self._working_deadlines
        if name not in known:
            raise UnknownNameError("source of heartbeats", name, known)
        self._heard[name] = now

    def work(self, working: bool, now: float) -> None:
        """Note whether the robot works on something; then the working deadlines count, from now on."""
        if working and self._working_since is None:
            self._working_since = now
        elif not working:
            self._working_since = None

    def fault(self, device: str, reason: str) -> None:
        """Note that a device is faulty; an empty reason says that it is well again."""
        if reason:
            self._faults[device] = reason
        else:
            self._faults.pop(device, None)

    def press(self, who: str) -> None:
        """Press the emergency stop; the first who pressed it is remembered."""
        self._pressed = self._pressed or who

    def unpress(self) -> None:
        """Release the emergency stop."""
        self._pressed = ""

    def check(self, now: float) -> Verdict:
        """Return whether the robot must hold at a time, and why."""
        reasons = [f"emergency stop: {self._pressed}"] if self._pressed else []
        reasons += [f"{device}: {reason}" for device, reason in sorted(self._faults.items())]
        reasons += [f"waiting for {name}" for name in sorted(self._deadlines) if name not in self._heard]
        reasons += self._silent(now)
        if reasons:
            self._bad_until = now + self._recovery
        elif now < self._bad_until:
            reasons.append("all is well, but only just")
        return Verdict(bool(reasons), tuple(reasons))

    def _silent(self, now: float) -> list[str]:
        last = {name: (self._heard[name], limit) for name, limit in self._deadlines.items() if name in self._heard}
        if self._working_since is not None:
            for name, limit in self._working_deadlines.items():
                last[name] = (max(self._heard.get(name, self._working_since), self._working_since), limit)
        return [
            f"{name} is silent for {now - heard:.2f} s, its deadline is {limit} s"
            for name, (heard, limit) in sorted(last.items())
            if now - heard > limit
        ]
