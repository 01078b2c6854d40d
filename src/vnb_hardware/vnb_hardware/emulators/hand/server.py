"""Puts an emulated hand on a bus: within this process, or behind a pseudo-terminal that speaks slcan."""

from __future__ import annotations

import os
import select
import threading
import time
import tty
from collections import deque
from typing import Protocol

import can

from vnb_hardware.emulators.hand.hand import EmulatedHand
from vnb_hardware.hand.frames import RIGHT_ID

_POLL = 0.002
_MOST_BUFFERED = 4096
_STANDARD_FRAME = ord("t")
_ID_DIGITS = 3


class Port(Protocol):
    """Where frames come from and go to."""

    def receive(self, timeout: float) -> list[tuple[int, bytes]]:
        """Return the frames that came within ``timeout`` [s]."""

    def send(self, can_id: int, data: bytes) -> None:
        """Send a frame."""

    def fail(self) -> None:
        """Report a bus error, as a controller does that has gone off the bus."""

    def close(self) -> None:
        """Close."""


class VirtualPort:
    """A bus within this process; drivers open interface ``virtual`` with the same channel."""

    def __init__(self, channel: str) -> None:
        self._bus = can.Bus(interface="virtual", channel=channel)

    def receive(self, timeout: float) -> list[tuple[int, bytes]]:
        """See :class:`Port`."""
        message = self._bus.recv(timeout)
        if message is None or message.is_error_frame:
            return []
        return [(message.arbitration_id, bytes(message.data))]

    def send(self, can_id: int, data: bytes) -> None:
        """See :class:`Port`."""
        self._bus.send(can.Message(arbitration_id=can_id, data=data, is_extended_id=False))

    def fail(self) -> None:
        """See :class:`Port`: an error frame, as socketcan shows it."""
        # With the hand's id, since this bus filters error frames like any other.
        self._bus.send(can.Message(arbitration_id=RIGHT_ID, data=bytes(8), is_extended_id=False, is_error_frame=True))

    def close(self) -> None:
        """See :class:`Port`."""
        self._bus.shutdown()


class SlcanPort:
    """A serial CAN adapter (slcan, also called LAWICEL) behind a pseudo-terminal of this machine.

    Attributes:
        path: What drivers open with interface ``slcan``.
    """

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._buffer = bytearray()
        self._open = False

    def receive(self, timeout: float) -> list[tuple[int, bytes]]:
        """See :class:`Port`; answers the adapter's own commands."""
        ready, _, _ = select.select([self._master], [], [], timeout)
        if not ready:
            return []
        try:
            self._buffer += os.read(self._master, _MOST_BUFFERED)
        except OSError:
            return []
        if len(self._buffer) > 4 * _MOST_BUFFERED:  # no line end for so long: nonsense
            self._buffer.clear()
        *lines, rest = self._buffer.split(b"\r")
        self._buffer = bytearray(rest)
        return [frame for line in lines if (frame := self._line(bytes(line))) is not None]

    def _line(self, line: bytes) -> tuple[int, bytes] | None:
        if not line:
            return None
        if line[0] == _STANDARD_FRAME:
            return _parse_frame(line) if self._open else None
        if line[:1] in (b"O", b"L", b"C"):
            self._open = line[:1] != b"C"
        self._write({b"V": b"V1013\r", b"N": b"NVNB0\r", b"F": b"F00\r"}.get(line[:1], b"\r"))
        return None

    def send(self, can_id: int, data: bytes) -> None:
        """See :class:`Port`."""
        if self._open:
            self._write(f"t{can_id:03X}{len(data)}{data.hex().upper()}\r".encode())

    def _write(self, data: bytes) -> None:
        try:
            os.write(self._master, data)
        except BlockingIOError:  # nobody reads; a real adapter drops frames too
            return
        except OSError:
            return

    def fail(self) -> None:
        """See :class:`Port`: the adapter says that the last command failed, which hosts ignore; silence follows."""
        self._write(b"\a")

    def close(self) -> None:
        """See :class:`Port`."""
        os.close(self._master)
        os.close(self._slave)


def _parse_frame(line: bytes) -> tuple[int, bytes] | None:
    """Return id and bytes of a standard frame's line, None if it is none."""
    try:
        can_id = int(line[1 : 1 + _ID_DIGITS], 16)
        length = int(line[1 + _ID_DIGITS : 2 + _ID_DIGITS])
        data = bytes.fromhex(line[2 + _ID_DIGITS :].decode("ascii"))
    except ValueError:
        return None
    return (can_id, data) if len(data) == length <= 8 else None


class HandServer:
    """Runs an emulated hand on a port in a thread of its own, until closed.

    Args:
        hand: The hand.
        port: Where it answers.
    """

    def __init__(self, hand: EmulatedHand, port: Port) -> None:
        self.hand = hand
        self._port = port
        self._ending = threading.Event()
        self._reported = False
        self._late: deque[tuple[float, int, bytes]] = deque()
        self._thread = threading.Thread(target=self._serve, name="emulated-hand", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._ending.is_set():
            for can_id, data in self._port.receive(_POLL):
                now = time.monotonic()
                answers = self.hand.receive(can_id, data, now)
                self._late.extend((now + self.hand.faults.delay, *answer) for answer in answers)
            self._report_bus_off()
            while self._late and self._late[0][0] <= time.monotonic():
                _, can_id, data = self._late.popleft()
                self._port.send(can_id, data)

    def _report_bus_off(self) -> None:
        if self.hand.faults.bus_off and not self._reported:
            self._late.clear()
            self._port.fail()
        self._reported = self.hand.faults.bus_off

    def close(self) -> None:
        """Stop serving and close the port."""
        self._ending.set()
        self._thread.join(2.0)
        self._port.close()

    def __enter__(self) -> HandServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
