"""A CAN bus for the hand, by python-can."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import can

from vnb_grasp.errors import ConfigError, LinkError
from vnb_hardware.hand.frames import REPLY_OFFSET

INTERFACES = ("socketcan", "slcan", "virtual")
BITRATE = 1_000_000
_RECEIVE_TIMEOUT = 0.01
_MOST_GARBLED = 20
"""Unreadable lines of a serial adapter in a row that are more than noise."""


@dataclass(frozen=True)
class BusSettings:
    """Where the hand is.

    Attributes:
        interface: ``socketcan`` (a kernel interface), ``slcan`` (a USB adapter with a serial port) or ``virtual``
            (within one process, for tests).
        channel: ``can0``, ``/dev/ttyACM0``, or a name.
        bitrate: [bit/s]. A socketcan interface gets its own when it is brought up (``ip link set ... bitrate``).
        gap: Least time between two sent frames [s]; some adapters lose frames that come closer.
        send_timeout: Time after which a frame that the bus or the adapter does not take is given up [s].
    """

    interface: str = "socketcan"
    channel: str = "can0"
    bitrate: int = BITRATE
    gap: float = 0.0003
    send_timeout: float = 0.1

    def __post_init__(self) -> None:
        if self.interface not in INTERFACES:
            raise ConfigError(f"interface: got {self.interface!r}, expected one of {', '.join(INTERFACES)}")
        if not 0 <= self.gap < 0.01:
            raise ConfigError(f"gap: got {self.gap} s, expected 0 to 0.01 s")
        if not 0.01 <= self.send_timeout <= 5:
            raise ConfigError(f"send_timeout: got {self.send_timeout} s, expected 0.01 to 5 s")


class HandBus:
    """The bus, filtered to one hand. Sending is safe from several threads; every failure is a :class:`LinkError`.

    Args:
        settings: Where it is.
        hand_id: Of the hand.

    Raises:
        LinkError: If it cannot be opened.
    """

    def __init__(self, settings: BusSettings, hand_id: int) -> None:
        self._settings = settings
        self._hand_id = hand_id
        self._sending = threading.Lock()
        self._sent = -1.0
        self._garbled = 0
        filters = [{"can_id": i, "can_mask": 0x7FF, "extended": False} for i in (hand_id, hand_id + REPLY_OFFSET)]
        try:
            self._bus: can.BusABC | None = can.Bus(
                interface=settings.interface,
                channel=settings.channel,
                can_filters=filters,
                **_more(settings),
            )
        except (can.CanError, OSError, ValueError, can.CanInterfaceNotImplementedError) as error:
            raise LinkError(
                f"the CAN bus {settings.interface}:{settings.channel} cannot be opened: {error}; see docs/hardware.md"
            ) from error

    def send(self, data: bytes) -> None:
        """Send a frame to the hand."""
        message = can.Message(arbitration_id=self._hand_id, data=data, is_extended_id=False)
        with self._sending:
            if self._bus is None:
                raise LinkError("the CAN bus is closed")
            wait = self._sent + self._settings.gap - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            try:
                self._bus.send(message, timeout=self._settings.send_timeout)
            except (can.CanError, OSError, ValueError) as error:
                raise LinkError(f"a frame could not be sent: {error}") from error
            finally:
                self._sent = time.monotonic()

    def receive(self, timeout: float = _RECEIVE_TIMEOUT) -> tuple[int, bytes] | None:
        """Return id and bytes of the next data frame, or None if none came in time.

        Raises:
            LinkError: If the bus failed or reports an error frame.
        """
        bus = self._bus
        if bus is None:
            raise LinkError("the CAN bus is closed")
        try:
            message = bus.recv(timeout)
        except (ValueError, IndexError) as error:  # a line of a serial adapter that is none, or only its beginning
            self._garbled += 1
            if self._garbled > _MOST_GARBLED:
                raise LinkError(f"the CAN adapter sends nonsense: {error}") from error
            return None
        except (can.CanError, OSError, TypeError) as error:  # TypeError: the port was closed meanwhile
            raise LinkError(f"the CAN bus failed: {error}") from error
        self._garbled = 0
        if message is None:
            return None
        if message.is_error_frame:
            raise LinkError(f"the CAN controller reports an error: {bytes(message.data).hex(' ')}")
        if message.is_remote_frame or message.is_extended_id:
            return None
        return message.arbitration_id, bytes(message.data)

    def close(self) -> None:
        """Close the bus; nothing is sent or heard afterwards."""
        with self._sending:
            bus, self._bus = self._bus, None
            if bus is not None:
                bus.shutdown()


def _more(settings: BusSettings) -> dict[str, Any]:
    if settings.interface == "slcan":
        return {"bitrate": settings.bitrate, "sleep_after_open": 0.1, "timeout": 0.01}
    return {}
