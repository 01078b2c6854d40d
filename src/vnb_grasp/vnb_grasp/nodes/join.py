"""Join the messages of one measurement, which arrive on several topics in any order."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any


class StampJoin:
    """Collects messages by stamp and hands a complete set over, once.

    Not locked: the subscriptions that feed it share one mutually exclusive callback group.

    Args:
        names: The parts of a complete set.
        complete: Called with the parts by name.
        keep: Incomplete sets that are remembered; the oldest is dropped first.
    """

    def __init__(self, names: Sequence[str], complete: Callable[[dict[str, Any]], None], keep: int = 16) -> None:
        self._names = frozenset(names)
        self._complete = complete
        self._keep = keep
        self._waiting: OrderedDict[int, dict[str, Any]] = OrderedDict()

    def receiver(self, name: str) -> Callable[[Any], None]:
        """Return the subscription callback for one part."""
        return lambda message: self.add(name, message)

    def add(self, name: str, message: Any) -> None:
        """Take one part; its header carries the stamp."""
        stamp = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        parts = self._waiting.setdefault(stamp, {})
        parts[name] = message
        if self._names <= parts.keys():
            del self._waiting[stamp]
            self._complete(parts)
        while len(self._waiting) > self._keep:
            self._waiting.popitem(last=False)
