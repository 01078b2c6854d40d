"""What clients sent to the emulator, byte for byte, with the time: what tests of the stop assert on."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_METHOD = re.compile(rb"<methodName>(\w+)</methodName>")
_KEPT = 20000


@dataclass(frozen=True)
class Sent:
    """Bytes that arrived.

    Attributes:
        at: When, on the monotonic clock [s].
        channel: ``rpc``, ``text`` or ``state``.
        data: The bytes: a call's body, a text frame, a CNDE frame.
    """

    at: float
    channel: str
    data: bytes

    @property
    def method(self) -> str:
        """The name of the called method; empty if it is no call."""
        match = _METHOD.search(self.data) if self.channel == "rpc" else None
        return match[1].decode() if match else ""


class Wire:
    """Remembers the latest bytes from clients."""

    def __init__(self) -> None:
        self._sent: deque[Sent] = deque(maxlen=_KEPT)
        self._changed = threading.Condition()

    def add(self, channel: str, data: bytes) -> None:
        """Remember bytes that arrived now."""
        with self._changed:
            self._sent.append(Sent(time.monotonic(), channel, data))
            self._changed.notify_all()

    def since(self, at: float = 0.0) -> list[Sent]:
        """Return what arrived from ``at`` on."""
        with self._changed:
            return [sent for sent in self._sent if sent.at >= at]

    def methods(self, at: float = 0.0) -> list[str]:
        """Return the names of the methods that were called from ``at`` on."""
        return [sent.method for sent in self.since(at) if sent.method]

    def wait_for(self, wanted: Callable[[Sent], bool], at: float, timeout: float) -> Sent | None:
        """Return the first bytes from ``at`` on that are ``wanted``; None if none come within ``timeout`` [s]."""
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                for sent in self._sent:
                    if sent.at >= at and wanted(sent):
                        return sent
                if not self._changed.wait(max(end - time.monotonic(), 0.0)) and time.monotonic() >= end:
                    return None
