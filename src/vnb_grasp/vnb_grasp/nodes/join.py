"""Join the messages of one measurement, which arrive on several topics in any order."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any


class StampJoin:
    """Collects messages by stamp and hands a complete set over, once.

    The subscriptions that feed it share one mutually exclusive callback group, so that sets come in order.

    Args:
        names: The parts of a complete set.
        complete: Called with the parts by name.
        keep: Incomplete sets that are remembered; the oldest is dropped first.
    """

    def __init__(self, names: Sequence[str], complete: Callable[[dict[str, Any]], None], keep: int = 16) -> None:
        self._names = frozenset(names)
        self._complete = complete
        self._keep = keep
        self._lock = threading.Lock()
        self._waiting: OrderedDict[int, dict[str, Any]] = OrderedDict()

    def receiver(self, name: str) -> Callable[[Any], None]:
        """Return the subscription callback for one part."""
        return lambda message: self.add(name, message)

    def add(self, name: str, message: Any) -> None:
        """Take one part; its header carries the stamp."""
        stamp = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        with self._lock:
            parts = self._waiting.setdefault(stamp, {})
            parts[name] = message
            complete = self._names <= parts.keys()
            if complete:
                del self._waiting[stamp]
            while len(self._waiting) > self._keep:
                self._waiting.popitem(last=False)
        if complete:
            self._complete(parts)

    def clear(self) -> None:
        """Forget all incomplete sets: time may begin again, and old parts must not meet new ones."""
        with self._lock:
            self._waiting.clear()
