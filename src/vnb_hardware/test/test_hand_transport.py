"""The bus behind a serial adapter: lines that are damaged on their way cost themselves and nothing else."""

from __future__ import annotations

import os
import time
import tty
from collections.abc import Iterator

import pytest

from vnb_grasp.errors import LinkError
from vnb_hardware.hand.frames import RIGHT_ID
from vnb_hardware.hand.transport import BusSettings, HandBus


@pytest.fixture
def adapter() -> Iterator[tuple[int, HandBus]]:
    """Yield the adapter's end of a serial line, and the bus that is open on the other."""
    master, slave = os.openpty()
    tty.setraw(slave)
    bus = HandBus(BusSettings("slcan", os.ttyname(slave)), RIGHT_ID)
    yield master, bus
    bus.close()
    os.close(master)
    os.close(slave)


def receive(bus: HandBus) -> tuple[int, bytes]:
    due = time.monotonic() + 20.0
    while time.monotonic() < due:
        frame = bus.receive()
        if frame is not None:
            return frame
    raise AssertionError("no frame within 20 s")


@pytest.mark.parametrize("damaged", [b"t", b"t02", b"t027", b"tzzz701", b"t02770x", b"T0000", b"t027G"])
def test_a_damaged_line_is_ignored(adapter: tuple[int, HandBus], damaged: bytes) -> None:
    master, bus = adapter
    os.write(master, damaged + b"\r" + b"t027701FFFEFDFCFBFA\r")
    assert receive(bus) == (RIGHT_ID, bytes([1, 255, 254, 253, 252, 251, 250]))


def test_nothing_but_damaged_lines_is_a_fault(adapter: tuple[int, HandBus]) -> None:
    master, bus = adapter
    os.write(master, 200 * b"t0\r")
    with pytest.raises(LinkError, match="nonsense"):
        receive(bus)
