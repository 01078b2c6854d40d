"""Readings of several sources at the time of an image."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

KEPT = 200


class JointHistory:
    """Keeps the latest readings of each part, and finds those of a time.

    Args:
        parts: Names of the parts.
        max_age: Difference of time beyond which a reading is not of the same time [s].
    """

    def __init__(self, parts: Sequence[str], max_age: float) -> None:
        self._kept: dict[str, deque[tuple[float, Any]]] = {part: deque(maxlen=KEPT) for part in parts}
        self._max_age = max_age

    def add(self, part: str, time: float, reading: Any) -> None:
        """Take a reading; time that goes backwards is a new world's, and the old one's readings are forgotten."""
        kept = self._kept[part]
        if kept and time < kept[-1][0]:
            kept.clear()
        kept.append((time, reading))

    def at(self, time: float) -> dict[str, Any] | None:
        """Return the readings at ``time`` [s], each the nearest; None while nearer ones may still come."""
        found = {}
        for part, kept in self._kept.items():
            exact = [reading for stamp, reading in kept if stamp == time]
            if exact:
                found[part] = exact[-1]
                continue
            if not kept or not time < kept[-1][0] <= time + self._max_age:
                return None
            stamp, reading = min(kept, key=lambda entry: abs(entry[0] - time))
            if abs(stamp - time) > self._max_age:
                return None
            found[part] = reading
        return found
